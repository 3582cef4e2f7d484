/** The service as it ships (`node dist/main.js`), behind a keeper, and what it says of itself over HTTP. */
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { parseExposition, type Sample } from './exposition.ts'
import { root } from './root.ts'
import { type Kept, keep } from './stack/keep.ts'
import type { Parts } from './stack/parts.ts'
import { freePort } from './stack/ports.ts'

const DEFAULT_PORT = 8080
/** The drain timeout's default is 20 s; then it ends by itself, with exit code 2. */
export const STOPPED_WITHIN_MS = 25_000
const READY_WITHIN_MS = 120_000
const ANSWER_WITHIN_MS = 5_000

/** What /status says of a partition, as far as it is shown here. */
export interface PartitionStatus {
  topic: string
  partition: number
  lagRecords: number | null
  blockedBy: string | null
}

export interface RunningService {
  url: string
  kept: Kept
  /** Undefined while it does not answer. */
  metrics: () => Promise<Sample[] | undefined>
  partitions: () => Promise<PartitionStatus[] | undefined>
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

async function choosePort(wanted: string | undefined, host: string): Promise<number> {
  if (wanted !== undefined && wanted !== '' && wanted !== '0') return Number(wanted)
  return wanted !== '0' && (await isFree(DEFAULT_PORT, host)) ? DEFAULT_PORT : freePort()
}

async function ask(url: string): Promise<Response | undefined> {
  return fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(() => undefined)
}

/** The partitions stand in /status wherever its schema puts them: found by their shape. */
function partitionsIn(status: unknown): PartitionStatus[] {
  if (typeof status !== 'object' || status === null) return []
  const found = 'partitions' in status ? status.partitions : 'engine' in status ? partitionsIn(status.engine) : []
  return Array.isArray(found) ? found : []
}

/** Resolves when it runs; `untilReady` then waits for the group. */
export async function startService(parts: Parts, { group }: { group: string }): Promise<RunningService> {
  const host = process.env['HTTP_HOST'] || '127.0.0.1'
  const port = await choosePort(process.env['HTTP_PORT'], host)
  const url = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`
  const kept = await keep({
    name: 'service',
    main: {
      command: process.execPath,
      args: [join(root, 'dist', 'main.js')],
      env: {
        KAFKA_BROKERS: parts.brokers.join(','),
        KAFKA_GROUP_ID: group,
        SCHEMA_REGISTRY_URL: parts.registryUrl,
        DATABASE_URL: parts.databaseUrl,
        HTTP_HOST: host,
        HTTP_PORT: String(port),
        DEAD_LETTER_CREATE: 'true',
        LOG_LEVEL: process.env['LOG_LEVEL'] || 'info',
      },
    },
    graceMs: STOPPED_WITHIN_MS,
  })
  return {
    url,
    kept,
    metrics: async () => {
      const answer = await ask(`${url}/metrics`)
      return answer?.ok ? parseExposition(await answer.text()) : undefined
    },
    partitions: async () => {
      const answer = await ask(`${url}/status`)
      return answer?.ok ? partitionsIn(await answer.json()) : undefined
    },
  }
}

/** Rejects with the service's last words when it ends, or with /readyz' reasons when it is not ready in time. */
export async function untilReady({ url, kept }: RunningService): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  let ended: string | undefined
  const watch = async () => {
    const { code, signal, reason } = await kept.ended
    ended = reason ?? signal ?? `exit code ${code}`
  }
  void watch()
  for (;;) {
    const answer = await ask(`${url}/readyz`)
    if (answer?.ok) return
    if (ended !== undefined)
      throw new Error(`the service ended before it was ready (${ended}):\n${await kept.logTail()}`)
    if (performance.now() > deadline) {
      const reasons = answer === undefined ? 'no answer' : await answer.text()
      throw new Error(
        `the service is not ready after ${READY_WITHIN_MS / 1_000} s: ${reasons}\n${await kept.logTail()}`,
      )
    }
    await sleep(200)
  }
}
