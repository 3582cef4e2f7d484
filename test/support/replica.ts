/** A service in a process of its own, watched from outside as an operator would. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { StatusBody } from '../../src/adapters/http/status-schema.ts'
import { until } from './parts.ts'

export interface Replica {
  readonly url: string
  readonly pid: number
  readonly lines: readonly LogLine[]
  /** Null while it does not answer. */
  status(): Promise<StatusBody | null>
  ready(): Promise<boolean>
  text(path: string): Promise<string>
  kill(signal: NodeJS.Signals): void
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
}

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

const MAIN = fileURLToPath(new URL('replica-main.ts', import.meta.url))

/** Starts it; resolves when it serves HTTP, which is before it is ready. Whatever happens, it does not outlive the test process. */
export async function startReplica(env: Readonly<Record<string, string>>, main = MAIN): Promise<Replica> {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], HTTP_HOST: '127.0.0.1', HTTP_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const orphaned = () => child.kill('SIGKILL')
  process.once('exit', orphaned)
  const lines = linesOf(child)
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  void exited.then(() => process.off('exit', orphaned))
  let ended = false
  void exited.then(() => (ended = true))
  await until('the replica serves HTTP or ends', () => ended || urlIn(lines) !== null, { timeoutMs: 30_000 })
  const url = urlIn(lines) ?? ''
  const text = async (path: string) => (await fetch(url + path, { signal: AbortSignal.timeout(5_000) })).text()
  return {
    url,
    pid: child.pid ?? -1,
    lines,
    exited,
    text,
    kill: signal => void child.kill(signal),
    // Boundary: the route's schema is held by the tests of the HTTP adapter.
    status: async () => (ended ? null : (JSON.parse(await text('/status')) as StatusBody)),
    ready: async () => !ended && (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) })).ok,
  }
}

/** How many it owns; NaN while it does not answer. */
export async function partitionsOf(replica: Replica): Promise<number> {
  return (await replica.status())?.partitions.length ?? Number.NaN
}

/** Over all its partitions; NaN while it is not known of each. */
export async function lagOf(replica: Replica): Promise<number> {
  const partitions = (await replica.status())?.partitions ?? []
  return partitions.reduce((sum, { lagRecords }) => sum + (lagRecords ?? Number.NaN), 0)
}

function linesOf(child: ChildProcess): LogLine[] {
  const lines: LogLine[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', line => {
      try {
        // Boundary: what is no JSON object with a message is kept as text.
        lines.push(JSON.parse(line) as LogLine)
      } catch {
        lines.push({ level: 'raw', msg: line })
      }
    })
  }
  return lines
}

function urlIn(lines: readonly LogLine[]): string | null {
  const url = lines.find(line => typeof line['url'] === 'string')?.['url']
  return typeof url === 'string' ? url : null
}
