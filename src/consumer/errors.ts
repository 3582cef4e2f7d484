/**
 * Every error of ours: a code, when it happens, what to do. The cause is kept. A message never carries a payload or a secret.
 */
import type { DeadLetterReason } from '../core/record.ts'

export type ErrorCode =
  | 'REJECTED'
  | 'UNAVAILABLE'
  | 'MISCONFIGURED'
  | 'COMMIT_UNKNOWN'
  | 'CLAIM_LOST'
  | 'CLAIM_BUSY'
  | 'HANDLER_TIMEOUT'
  | 'UNIT_CLOSED'
  | 'TRANSACTION_ABORTED'
  | 'TRANSACTION_CONTROL'
  | 'DEAD_LETTER_NOT_WRITTEN'
  | 'INVALID_CONFIGURATION'
  | 'UNDECODABLE'

export class SluiceError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** A handler's word that this record can never succeed: it goes to the dead letter topic at once. `reason` must carry no payload. */
export class Reject extends SluiceError {
  constructor(reason: string, options?: ErrorOptions) {
    super('REJECTED', reason, options)
  }
}

/** Something we depend on is away. No attempt is spent; the work is held until it is back. */
export class Unavailable extends SluiceError {
  readonly dependency: string
  constructor(dependency: string, cause: unknown) {
    super('UNAVAILABLE', `${dependency} is unavailable: ${describe(cause)}`, { cause })
    this.dependency = dependency
  }
}

/** A fault of ours that waiting does not cure: wrong credentials, a missing table or permission. The message says what to change. */
export class Misconfigured extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('MISCONFIGURED', message, options)
  }
}

/** COMMIT was sent and its answer never came: the attempt is repeated and the inbox tells. */
export class CommitUnknown extends SluiceError {
  constructor(cause: unknown) {
    super('COMMIT_UNKNOWN', 'the answer to COMMIT never came; the inbox will tell whether it happened', { cause })
  }
}

/** What a handler sees on `tx` when another attempt has done this event already. Whatever it does then, the record is a duplicate. */
export class ClaimLost extends SluiceError {
  constructor(handler: string) {
    super('CLAIM_LOST', `handler ${handler}: this event was handled before; nothing of this attempt is kept`)
  }
}

/** Another transaction holds this event's claim and did not end in time: not a failed attempt. */
export class ClaimBusy extends SluiceError {
  constructor(cause: unknown) {
    super('CLAIM_BUSY', 'another transaction holds this claim, or no connection came free in time', { cause })
  }
}

/** The handler took longer than its `timeoutMs`. Its connection is gone; it is tried again. */
export class HandlerTimeout extends SluiceError {
  constructor(handler: string, timeoutMs: number) {
    super('HANDLER_TIMEOUT', `handler ${handler} took longer than its ${timeoutMs} ms`)
  }
}

/** `tx` was used after its attempt had ended: await every query before the handler returns. */
export class UnitClosed extends SluiceError {
  constructor() {
    super('UNIT_CLOSED', 'tx was used after the attempt had ended; await every query before the handler returns')
  }
}

/** The handler went on after a statement of `tx` had failed, so the database kept nothing of it: let the error out, or guard the statement with a savepoint. */
export class TransactionAborted extends SluiceError {
  constructor(options?: ErrorOptions) {
    super(
      'TRANSACTION_ABORTED',
      'a statement in tx failed and the handler returned nevertheless; nothing of it was kept',
      options,
    )
  }
}

/** The handler tried to begin or end the transaction, which is the attempt's own: take the statement out; savepoints are fine. */
export class TransactionControl extends SluiceError {
  constructor() {
    super(
      'TRANSACTION_CONTROL',
      'BEGIN, COMMIT and ROLLBACK are not for tx: returning commits, throwing rolls back; use savepoints for less',
    )
  }
}

/** The dead letter topic did not take it: the source offset stays uncommitted, the partition is held. */
export class DeadLetterNotWritten extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('DEAD_LETTER_NOT_WRITTEN', message, options)
  }
}

/**
 * These bytes are no value of their schema, or none that the reader's schema can take. It never leaves a decoder: it becomes
 * the record's poison. Says the field where that is known, and never a value.
 */
export class UndecodableRecord extends SluiceError {
  readonly reason: DeadLetterReason
  readonly sentence: string
  /** Names of fields, the outermost first. */
  readonly path: readonly string[]
  constructor(reason: DeadLetterReason, sentence: string, path: readonly string[] = []) {
    super('UNDECODABLE', path.length === 0 ? sentence : `${path.join('.')}: ${sentence}`)
    this.reason = reason
    this.sentence = sentence
    this.path = path
  }
  /** The same, seen from the record that has the field. */
  within(field: string): UndecodableRecord {
    return new UndecodableRecord(this.reason, this.sentence, [field, ...this.path])
  }
}

/** Configuration: every fault at once. Exit code 78. */
export class InvalidConfiguration extends SluiceError {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super('INVALID_CONFIGURATION', `invalid configuration:\n${problems.map(problem => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** Enough to find the line, and short enough for a log line. */
const PLACES_MAX = 3

/** Where an error was thrown, innermost first: the frames of its stack outside of Node and of libraries. Places only, no words of the error's own. */
export function placesOf(thrown: unknown): readonly string[] {
  if (!(thrown instanceof Error) || typeof thrown.stack !== 'string') return []
  // The message comes first, and may look like a frame.
  const head = thrown.stack.indexOf(thrown.message)
  return thrown.stack
    .slice(head < 0 ? 0 : head + thrown.message.length)
    .split('\n')
    .filter(line => line.startsWith('    at ') && !line.includes('/node_modules/') && !line.includes('node:'))
    .slice(0, PLACES_MAX)
    .map(line => line.slice('    at '.length))
}

/** Class and message of anything that can be thrown: null, a string, an error. Never throws. */
export function describe(thrown: unknown): string {
  try {
    if (thrown instanceof Error) return thrown.message === '' ? thrown.name : `${thrown.name}: ${thrown.message}`
  } catch {
    // A getter of somebody's error class threw, or its message is no text: whoever describes it has a record to answer for.
    return 'an error that cannot be put into words'
  }
  return typeof thrown === 'string' ? thrown : `a thrown ${thrown === null ? 'null' : typeof thrown}`
}
