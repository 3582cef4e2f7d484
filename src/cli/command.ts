/** What every command of the operator's is: arguments in, text out, an exit code. */
import type { Environment } from '../config.ts'
import { Misconfigured } from '../consumer/errors.ts'
import type { Clock } from '../consumer/ports.ts'

export interface Terminal {
  readonly env: Environment
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Whether a person looks on: only then is the screen cleared. */
  readonly isTty: boolean
  readonly clock: Clock
  /** Goes off when somebody wants the command to end (Ctrl-C). Until it is asked for, a signal ends the process by itself. */
  readonly interrupted: () => AbortSignal
}

export interface Option {
  readonly type: 'boolean' | 'string'
  /** May be given several times. */
  readonly multiple?: boolean
  /** What stands for the value in the help; only where there is one. */
  readonly value?: string
  readonly means: string
}

export type Options = Readonly<Record<string, Option>>

export interface Command {
  /** The forms of what follows the command's name. */
  readonly usage: readonly string[]
  /** As `parseArgs` takes them, so that the help cannot leave one out. */
  readonly options: Options
  /** Paragraphs of its help, wrapped where they are shown. One that begins with a blank is a line, and stays as it is. */
  readonly about: readonly string[]
  /** Answers the exit code. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** `above`: of `lag --max-lag`. The usage and configuration ones are those of sysexits.h. */
export const EXIT = { ok: 0, failed: 1, above: 2, usage: 64, configuration: 78 } as const

/** Arguments that cannot be meant: said with the usage. */
export class Misused extends Misconfigured {}
