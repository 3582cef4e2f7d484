/** One look after the other, until somebody has seen enough. */
import { rest } from '../../adapters/kafka/time.ts'
import { Unavailable } from '../../consumer/errors.ts'
import { EXIT, type Terminal } from '../command.ts'
import type { Look } from './look.ts'
import { Speeds } from './speeds.ts'

export interface Watching {
  readonly look: () => Promise<Look>
  readonly everyMs: number
  readonly isJson: boolean
}

/** Home, and everything from there on: without a flash of an empty screen. */
const CLEAR = '\u001b[H\u001b[2J'

/** Answers 0 when it was interrupted. Who is away for a while is asked again; what no waiting cures is thrown. */
export async function watch({ look, everyMs, isJson }: Watching, terminal: Terminal): Promise<number> {
  const { clock, out, err } = terminal
  const signal = terminal.interrupted()
  const { promise: interrupted, resolve } = Promise.withResolvers<null>()
  signal.addEventListener('abort', () => resolve(null))
  const speeds = new Speeds()
  while (!signal.aborted) {
    const nextAtMs = clock.nowMs() + everyMs
    try {
      const seen = await Promise.race([look(), interrupted])
      if (seen === null) break
      speeds.add(clock.nowMs(), seen.partitions)
      out(isJson ? `${JSON.stringify(seen.json(speeds))}\n` : screenOf(seen.text(speeds), terminal, everyMs))
      for (const problem of seen.problems) err(`${problem}\n`)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      err(`${error.message}; asking again\n`)
    }
    await rest(clock, Math.max(0, nextAtMs - clock.nowMs()), signal)
  }
  return EXIT.ok
}

function screenOf(lines: readonly string[], { isTty, clock }: Terminal, everyMs: number): string {
  const at = new Date(clock.wallMs()).toISOString()
  const head = isTty ? [`${CLEAR}${at}, every ${everyMs / 1_000} s; Ctrl-C ends`] : [at]
  return `${[...head, ...lines, ...(isTty ? [] : [''])].join('\n')}\n`
}
