/**
 * Every error of ours: a code, when it happens, what to do. The cause is kept. A message never carries a payload or a secret.
 * Beside them, for every adapter that opens connections: what a failed handshake means, and the memory of who has refused us.
 */
import type { DeadLetterReason } from '../core/record.ts'
import type { Clock } from './ports.ts'

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

/** How a connection's settings are called, for whoever has to change them. */
export interface TlsNames {
  /** `the registry`, `broker a:9093`. */
  readonly who: string
  /** What `_CA`, `_CERT` and `_KEY` are put behind: `KAFKA_TLS`. */
  readonly prefix: string
  /** The variable that says where it is. */
  readonly address: string
}

const UNKNOWN_AUTHORITY =
  /^(UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|CERT_UNTRUSTED|CERT_REJECTED|CERT_SIGNATURE_FAILURE|INVALID_CA|INVALID_PURPOSE)$/
const NOT_IN_ITS_TIME = /^CERT_(HAS_EXPIRED|NOT_YET_VALID|REVOKED)$/
/** Alerts of the other side, as OpenSSL names them; which one it is depends on the other side's library. */
const OURS_REFUSED =
  /^ERR_SSL_.*ALERT_(BAD_CERTIFICATE|NO_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/
const NO_TLS =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|RECORD_LAYER_FAILURE)$/
/** A certificate may name hundreds of hosts. */
const NAMES_SHOWN_MAX = 300

/** Null where the error says nothing of certificates: then it is an outage like any other. Takes what has the code and message of Node's error. */
export function tlsRefusal(error: unknown, { who, prefix, address }: TlsNames): Misconfigured | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null
  const { code } = error
  const refused = (words: string): Misconfigured => new Misconfigured(`${who} ${words}`, { cause: error })
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = error.message.replace(/^.*?altnames: /s, '').slice(0, NAMES_SHOWN_MAX)
    return refused(
      `shows a certificate for another host (${names}): check ${address}, and the names in the certificate`,
    )
  }
  if (UNKNOWN_AUTHORITY.test(code))
    return refused(`shows a certificate of an unknown authority (${code}): check ${prefix}_CA`)
  if (NOT_IN_ITS_TIME.test(code))
    return refused(`shows a certificate that does not hold now (${code}): it has to be renewed`)
  if (OURS_REFUSED.test(code))
    return refused(`does not accept our certificate, or misses one (${code}): check ${prefix}_CERT and ${prefix}_KEY`)
  if (NO_TLS.test(code)) return refused(`does not answer with TLS (${code}): check ${address}`)
  return null
}

/** From the first refusal to the tenth: a password that was mended shows soon, and nobody is hammered, nor locked out by too many tries. Guesses, never tuned. */
const REFUSED_MS = { initial: 1_000, max: 10_000 }

interface Refused {
  error: SluiceError
  /** What was refused: compared by identity. */
  readonly credentials: object
  waitMs: number
  untilMs: number
  /** One attempt is under way, and its end is not known. */
  isProbing: boolean
}

/**
 * Who has refused us, and as whom. After a refusal one attempt is let through at a time, the next after double the wait; in
 * between the refusal stands for its answer, so that no loop of a library can connect hot. Other credentials end it at once.
 */
export class Refusals {
  readonly #clock: Clock
  readonly #known = new Map<string, Refused>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Null: connect. */
  standing(who: string, credentials: object): SluiceError | null {
    const known = this.#known.get(who)
    if (known === undefined || known.credentials !== credentials) return null
    const nowMs = this.#clock.nowMs()
    if (nowMs < known.untilMs) return known.error
    known.untilMs = nowMs + known.waitMs
    known.isProbing = true
    return null
  }

  refused(who: string, error: SluiceError, credentials: object): void {
    const known = this.#known.get(who)
    const before = known?.credentials === credentials ? known : null
    const waitMs = before === null ? REFUSED_MS.initial : Math.min(REFUSED_MS.max, before.waitMs * 2)
    // What was under way beside the first says nothing new.
    if (before !== null && !before.isProbing) before.error = error
    else this.#known.set(who, { error, credentials, waitMs, untilMs: this.#clock.nowMs() + waitMs, isProbing: false })
  }

  /** It let us in, or it is away: which is no refusal. */
  over(who: string): void {
    this.#known.delete(who)
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
