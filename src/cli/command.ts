/** What every command of the operator's is: arguments in, text out, an exit code. */
import type { Environment } from '../config.ts'

export interface Terminal {
  readonly env: Environment
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

export interface Command {
  /** What follows the command's name; empty where nothing does. */
  readonly usage: string
  readonly does: string
  /** Answers the exit code. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

export const EXIT = { ok: 0, failed: 1, usage: 64, configuration: 78 } as const
