/** How far the service is, as it says itself: on a terminal a line that is written over, elsewhere a line now and then. */
import { sumOf } from './exposition.ts'
import type { RunningService } from './service.ts'

export interface Progress {
  settled: number
  lag: number
  deadLetters: number
  duplicates: number
}

/** Where nobody watches, a line every so often is enough. */
const PLAIN_LINE_EVERY_MS = 2_000

export async function progressOf(service: RunningService): Promise<Progress | undefined> {
  const samples = await service.metrics()
  if (samples === undefined) return undefined
  return {
    settled: sumOf(samples, 'sluice_records_total'),
    lag: sumOf(samples, 'sluice_lag_records'),
    deadLetters: sumOf(samples, 'sluice_dead_letters_total'),
    duplicates: sumOf(samples, 'sluice_records_total', { outcome: 'duplicate' }),
  }
}

export const counted = (value: number) => value.toLocaleString('en-US')

export class Screen {
  readonly #live = process.stdout.isTTY
  #liveLine = false
  #lastPlain = ''
  #lastPlainMs = Number.NEGATIVE_INFINITY

  say(line = ''): void {
    this.#clear()
    process.stdout.write(`${line}\n`)
  }

  /** Replaces the line before; in plain output only when it is news. */
  show(line: string): void {
    if (this.#live) {
      const width = process.stdout.columns || 80
      process.stdout.write(`\r\u001B[2K${line.slice(0, width - 1)}`)
      this.#liveLine = true
      return
    }
    const nowMs = performance.now()
    if (line === this.#lastPlain || nowMs - this.#lastPlainMs < PLAIN_LINE_EVERY_MS) return
    this.#lastPlain = line
    this.#lastPlainMs = nowMs
    process.stdout.write(`${line}\n`)
  }

  #clear(): void {
    if (this.#liveLine) process.stdout.write('\r\u001B[2K')
    this.#liveLine = false
  }
}

export function progressLine({ settled, lag, deadLetters }: Progress, sent: number): string {
  return `  sent ${counted(sent)}  settled ${counted(settled)}  lag ${counted(lag)}  dead letters ${counted(deadLetters)}`
}
