/**
 * A service of the sample handlers in this process, with a user, a group and topics of its own, so that many run side by side on one
 * broker, each with another permission missing. What it says and how often it asks the brokers is told apart by its names.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { freePort } from '../../dev/stack/ports.ts'
import type { StatusBody } from '../../src/adapters/http/status-schema.ts'
import { orders } from '../../src/handlers/orders.ts'
import { userActivity } from '../../src/handlers/user-activity.ts'
import { type RunningService, runService } from '../../src/service.ts'
import { nameWith } from './permissions.ts'

const require = createRequire(import.meta.url)

export interface Names {
  /** Also what the brokers know the client as. */
  readonly user: string
  readonly suffix: string
  readonly group: string
  readonly orders: string
  readonly activity: string
  readonly deadLetters: { readonly orders: string; readonly activity: string }
}

export function namesFor(suffix: string): Names {
  const name = (of: string) => nameWith(of, suffix)
  return {
    user: name('sluice'),
    suffix,
    group: name('sluice'),
    orders: name('orders'),
    activity: name('user-activity'),
    deadLetters: { orders: name('orders.sluice.dlt'), activity: name('user-activity.sluice.dlt') },
  }
}

export interface ServiceHere {
  /** When it consumes; what it waits for may take long. */
  readonly started: Promise<RunningService>
  ready(): Promise<{ ok: boolean; reasons: readonly string[] }>
  live(): Promise<boolean>
  status(): Promise<StatusBody>
  /** Requests to the brokers so far. */
  requests(): number
  stop(): Promise<void>
}

export async function serviceHere(names: Names, env: Readonly<Record<string, string>>): Promise<ServiceHere> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const asked = async (path: string) => await fetch(url + path, { signal: AbortSignal.timeout(10_000) })
  const started = runService({
    handlers: [
      { ...userActivity({ loginMs: 0, logoutMs: 0 }), topics: [names.activity] },
      { ...orders({ orderMs: 0 }), topics: [names.orders] },
    ],
    migrations: new URL('../../migrations/samples/', import.meta.url),
    ownProcess: false,
    env: {
      KAFKA_CLIENT_ID: names.user,
      KAFKA_GROUP_ID: names.group,
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_REBALANCE_TIMEOUT_MS: '10000',
      DATABASE_POOL_MAX: '2',
      MIGRATE: 'false',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: String(port),
      LOG_LEVEL: 'info',
      ...env,
    },
  })
  return {
    started,
    // Boundary: the routes' schemas are held by the tests of the HTTP adapter.
    ready: async () => (await (await asked('/readyz')).json()) as { ok: boolean; reasons: string[] },
    live: async () => (await asked('/livez')).ok,
    // Boundary: as above.
    status: async () => (await (await asked('/status')).json()) as StatusBody,
    requests: () => requests.get(names.user) ?? 0,
    stop: async () => {
      await (await started).stop()
    },
  }
}

const requests = new Map<string, number>()
const lines: string[] = []

/** What the services here have logged with one of these words in it; the names of a service are nobody else's. */
export function logged(
  ...words: readonly string[]
): readonly { level: string; msg: string; [field: string]: unknown }[] {
  return lines
    .filter(line => words.every(word => line.includes(word)))
    .map(line => JSON.parse(line) as { level: string; msg: string })
}

/** From here on requests are counted by client, and what is logged is kept in place of being shown. */
export function listenToServicesHere(): void {
  // Boundary: the class whose `send` is every request of kafkajs'.
  const { prototype } = require('kafkajs/src/network/connection') as { prototype: Sender }
  const send = Reflect.get(prototype, 'send')
  prototype.send = function counted(request: unknown): unknown {
    requests.set(this.clientId, (requests.get(this.clientId) ?? 0) + 1)
    return send.call(this, request)
  }
  const { writeSync } = fs
  // Boundary: pino writes a line a call to stdout; whatever else is written goes its way.
  fs.writeSync = ((fd: number, text: string, ...more: []) => {
    if (fd !== 1 || typeof text !== 'string' || !text.startsWith('{"level"')) return writeSync(fd, text, ...more)
    lines.push(...text.trimEnd().split('\n'))
    return Buffer.byteLength(text)
  }) as typeof fs.writeSync
}

interface Sender {
  clientId: string
  send(this: Sender, request: unknown): unknown
}
