/** The starter's end of a keeper: run a program that does not outlive us, whatever happens to us. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Errand, Report } from './errand.ts'

export type Ended = { code: number | null; signal: string | null; reason?: string }

export type Kept = {
  pid: number
  folder: string
  logFile: string
  /** Settles when the program ends, wanted or not. Never rejects. */
  ended: Promise<Ended>
  /** The last lines that the program wrote. */
  logTail: (lines?: number) => Promise<string>
  /** To the program itself, its children not. Nothing happens when it has ended. */
  signal: (signal: NodeJS.Signals) => void
  /** The folder with the log survives `stop`. */
  keepFolder: () => void
  /** Stop signal, then SIGKILL after the errand's grace; resolves when program and folder are gone. A second call waits for the first. */
  stop: () => Promise<void>
}

const kept = new Set<() => Promise<void>>()
let nothingMore = false

/** Stops everything that is running behind a keeper, also what is only about to start, and lets nothing start any more. */
export async function stopAllKept(): Promise<void> {
  nothingMore = true
  await Promise.all([...kept].map(stop => stop()))
}

const keeperFile = fileURLToPath(new URL('keeper.ts', import.meta.url))

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ESRCH: it has ended already.
  }
}

async function tail(file: string, lines: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

/** Resolves when the program was started (not: is ready). Rejects with its last words when a step before it failed. */
export function keep(given: Partial<Errand> & Pick<Errand, 'name' | 'main'>): Promise<Kept> {
  if (nothingMore) return Promise.reject(new Error(`${given.name} is not started: everything is being stopped`))
  const errand: Errand = {
    folderBase: tmpdir(),
    files: {},
    before: [],
    stopSignal: 'SIGTERM',
    graceMs: 10_000,
    orphanGraceMs: 5_000,
    ...given,
  }
  const keeper = spawn(process.execPath, [keeperFile], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = new Promise<void>(resolve => keeper.once('close', () => resolve()))
  // EPIPE when the keeper died first: `gone` says so.
  keeper.stdin.on('error', () => undefined)
  const stop = async () => {
    if (!keeper.stdin.writableEnded) keeper.stdin.end('stop\n')
    await gone
  }
  kept.add(stop)
  const end = Promise.withResolvers<Ended>()
  const started = Promise.withResolvers<Kept>()
  const fail = async (reason: string, folder: string | undefined) => {
    const words = folder === undefined ? '' : `\n${await tail(join(folder, 'output.log'), 20)}`
    started.reject(new Error(`${errand.name} did not start: ${reason}${words}`))
    await stop()
  }
  const hear = (report: Report) => {
    switch (report.kind) {
      case 'started': {
        const logFile = join(report.folder, 'output.log')
        started.resolve({
          ...report,
          logFile,
          ended: end.promise,
          logTail: (lines = 20) => tail(logFile, lines),
          signal: signal => tell(report.pid, signal),
          keepFolder: () => void keeper.stdin.write('keep-folder\n'),
          stop,
        })
        break
      }
      case 'failed':
        end.resolve({ code: null, signal: null, reason: report.reason })
        void fail(report.reason, report.folder)
        break
      case 'ended':
        end.resolve({ code: report.code, signal: report.signal })
        break
      default:
        report satisfies never
    }
  }
  // Boundary: keeper.ts writes exactly this type; both ends are of one checkout.
  createInterface({ input: keeper.stdout }).on('line', line => hear(JSON.parse(line) as Report))
  keeper.once('close', () => {
    kept.delete(stop)
    end.resolve({ code: null, signal: null, reason: 'its keeper ended' })
    started.reject(new Error(`${errand.name} did not start: its keeper ended`))
  })
  keeper.stdin.write(`${JSON.stringify(errand)}\n`)
  return started.promise
}
