/** A record in hand, and how far it is. The engine's own view of a task: nobody else writes it. */
import type { Sentence, Task } from './facts.ts'
import type { LaneMember } from './lanes.ts'
import type { Assignment, Taken } from './record.ts'

/** The line of records that wait to be dead-lettered. No handler has this name. */
export const CONDEMNED = ''

export interface Arrival<R extends Taken> {
  readonly assignment: Assignment
  readonly record: R
  readonly takenAtMs: number
}

export class Work<R extends Taken> implements Task<R>, LaneMember {
  readonly assignment: Assignment
  readonly record: R
  readonly takenAtMs: number
  attempt = 1
  startedAtMs: number | null = null
  firstFailedAtMs: number | null = null
  /** Set once it is to be dead-lettered. */
  sentence: Sentence<R> | null = null
  /** Why it is not in a handler though it was in one: for whoever asks why its partition stands still. */
  lastError: string | null = null
  /** When it is tried again; null while it does not rest. */
  restsUntilMs: number | null = null

  constructor({ assignment, record, takenAtMs }: Arrival<R>) {
    this.assignment = assignment
    this.record = record
    this.takenAtMs = takenAtMs
    const { disposition } = record
    if (disposition.kind === 'dead-letter') {
      const { reason, error, handler } = disposition
      this.sentence = { task: this, reason, error, attempts: 0, handler }
    }
  }

  get lane(): string | null {
    return this.record.lane
  }

  get handler(): string | null {
    const { disposition } = this.record
    return disposition.kind === 'handle' || disposition.kind === 'dead-letter' ? disposition.handler : null
  }

  get line(): string {
    return this.sentence === null ? (this.handler ?? CONDEMNED) : CONDEMNED
  }
}
