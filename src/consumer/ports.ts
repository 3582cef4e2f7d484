/**
 * What the consumer asks of the world. Each sentence here is a promise that `test/contracts/` turns into a test, run on the
 * memory adapter and on the real one. Adapters import this file and `errors.ts`, nothing else of this floor.
 */
import type { Command, CommitFailure, Fact, Now } from '../core/facts.ts'
import type { Assignment, DeadLetterReason, Taken } from '../core/record.ts'
import type { EngineStatus } from '../core/status.ts'
import type { Failure } from '../core/verdict.ts'

export type { Assignment, CommitFailure, DeadLetterReason, Failure }

// ── Records come in ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** In order; a name may stand more than once, a value may be null. */
export type Headers = ReadonlyArray<readonly [name: string, value: Uint8Array | null]>

/** A record as the log holds it. Empty and null are different things. */
export interface RawRecord {
  readonly offset: number
  /** Wall clock, milliseconds; the log's or the producer's, as the topic says. */
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
}

/** What one fetch brought for one partition, whole. */
export interface PartitionAnswer {
  readonly assignment: Assignment
  /** The offset that was asked for. */
  readonly positionBefore: number
  /** The next fetch asks for this one; it moves over gaps, control records and aborted transactions. */
  readonly positionAfter: number
  /** Rising, `positionBefore <= offset < positionAfter`; may be empty where only the position moved. */
  readonly records: readonly RawRecord[]
  /** What the records pin in memory. */
  readonly bytes: number
  readonly highWatermark: number
  /** The log's first offset where the answer says it, else null. */
  readonly logStart: number | null
}

export interface PartitionOffsets {
  readonly assignment: Assignment
  /** The group's, at the broker; null when it has none. */
  readonly committed: number | null
  readonly highWatermark: number
  readonly logStart: number
}

/**
 * Called by a source, never at the same time, each call synchronous and short: it enqueues facts. A listener never throws.
 */
export interface SourceListener {
  /** The whole assignment: partitions that stayed keep their epoch, the others are new; those not named are gone. */
  joined(assignments: readonly Assignment[]): void
  /** Every assignment is gone without a hand-over: the member was expelled or the client started over. */
  lost(why: string): void
  /** Before the group is joined again. The source waits for the promise, but not beyond its own deadline, and calls no other method but `answered` meanwhile. */
  joining(): Promise<void>
  /** `answer.assignment` is live, and its answers follow one another without overlap. */
  answered(answer: PartitionAnswer): void
  offsetsKnown(offsets: readonly PartitionOffsets[]): void
  /** Offsets [from, to) of the log were skipped, since it no longer has them. */
  missed(range: { assignment: Assignment; from: number; to: number; cause: 'retention' | 'reset' }): void
  /** The coordinator took a heartbeat or a join. */
  membershipConfirmed(): void
  /** One request's cost on the network and at the broker. */
  fetchDone(cost: { durationMs: number; bytes: number }): void
  /** Why nothing comes ("topic orders does not exist"), in a sentence for an operator; null when it is over. */
  waiting(why: string | null): void
  /** It cannot go on without a restart. Nothing follows but `stop`. */
  failed(error: Error): void
}

export type CommitResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly cause: CommitFailure; readonly error: string }

export interface RecordSource {
  /**
   * Connects, waits for its topics to exist (with backoff, naming them through `waiting`) and consumes. Resolves once the
   * client runs, which may be before the first `joined`; rejects only with a `Misconfigured` or after `stop`. Called once.
   */
  start(listener: SourceListener): Promise<void>
  /** Synchronous; lasts until `resume`, across joins. An assignment that is gone is passed over. A no-op when paused already. */
  pause(assignments: readonly Assignment[]): void
  /** The counterpart; safe at any time. */
  resume(assignments: readonly Assignment[]): void
  /** Stores `nextOffset` for assignments that are live, passes over the others. Bounded in time; never rejects. */
  commit(offsets: readonly { assignment: Assignment; nextOffset: number; metadata: string }[]): Promise<CommitResult>
  /** Asks for a new generation with the same member; the source does it when it can. */
  rejoin(why: string): void
  /** Leaves the group and disconnects, bounded in time; the listener is not called afterwards. Safe before `start`; a second call returns the first's promise. */
  stop(): Promise<void>
  /** False when the client itself is dead, which only a restart cures. */
  readonly alive: boolean
}

// ── Bytes become values ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A reader schema, as `src/generated/` has them. */
export interface ReaderSchema {
  /** The schema's full name: `sluice.OrderEvent`. */
  readonly name: string
  /** The Avro schema, parsed JSON. */
  readonly avro: unknown
}

export type Decoded =
  | { readonly kind: 'value'; readonly value: unknown; readonly schema: string }
  /** The writer's full name (or an alias of it) is none of the topic's readers. */
  | { readonly kind: 'unmatched'; readonly schema: string }
  | { readonly kind: 'poison'; readonly reason: DeadLetterReason; readonly error: string }
  /** Ask `load(schemaId)`, then decode again. */
  | { readonly kind: 'unknown'; readonly schemaId: number }

export interface Decoder {
  /** Synchronous and total: it never throws. `topic` chooses the readers. */
  decode(topic: string, value: Uint8Array): Decoded
  /**
   * Resolves when the id is known, or known to be missing (asked again for a while, then `unknown-schema`); one request per
   * id however many ask. Rejects with `Unavailable` (dependency `registry`) or `Misconfigured`, bounded in time; ask again later.
   */
  load(schemaId: number): Promise<void>
  /** Resolves when the registry answers as a registry does; rejects as `load` does. */
  ping(): Promise<void>
}

// ── Effects happen once ─────────────────────────────────────────────────────────────────────────────────────────────────

/** `query` as a pg client has it, so that query builders work on it. */
export interface Transaction {
  query<Row = Record<string, unknown>>(
    text: string | { text: string; values?: readonly unknown[] },
    values?: readonly unknown[],
  ): Promise<{ rows: Row[]; rowCount: number | null }>
}

export interface Claim {
  readonly handler: string
  /** 1 to 512 bytes. */
  readonly idempotencyKey: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly value: Uint8Array | null
}

/** An inbox row that was there before. */
export interface Known {
  /** The same topic, partition and offset: this record was delivered before, not sent twice. */
  readonly redelivered: boolean
  /** The same key with another payload; the first one won. */
  readonly conflicting: boolean
}

/** What a unit of work is busy with; tells a timeout in the handler from one while waiting for others. */
export type UnitPhase = 'unopened' | 'connecting' | 'claiming' | 'open' | 'closed'

/** One attempt's transaction. Opens at its first statement; until then it holds no connection. */
export interface Unit {
  readonly tx: Transaction
  readonly phase: UnitPhase
  /** Set when the claim was lost: whatever the handler then does, nothing of it is kept. */
  readonly known: Known | null
  /** Claims where nothing was claimed yet, commits. Resolves to null, or to what was known when the claim was lost. Rejects with `CommitUnknown` where the answer never came. */
  finish(): Promise<Known | null>
  /** Ends it without effect; never rejects. Safe at any time, and after `finish` a no-op. */
  abandon(): Promise<void>
  /** Closes the connection under a running statement, at once: a ROLLBACK would queue behind it. Pending queries reject. */
  destroy(): void
}

export interface UnitOfWork {
  /** Applies the migrations where that is wanted; resolves when the database is ready. Rejects with `Unavailable` or `Misconfigured`; ask again later. */
  start(): Promise<void>
  /** Which of these claims are settled already: one statement, by position. Rejects as a query does. */
  known(claims: readonly Claim[]): Promise<readonly (Known | null)[]>
  /** Touches nothing yet; never throws. `timeoutMs` bounds every statement and the idle time in the transaction. */
  begin(claim: Claim, timeoutMs: number): Unit
  /** What a database error means; null for an error that is not the database's. */
  classify(error: unknown): Failure | null
  /** A database error in words without values: SQLSTATE, constraint, column; null for others. */
  explain(error: unknown): string | null
  /** Closes every connection, bounded in time. A second call returns the first's promise. */
  stop(): Promise<void>
}

// ── Dead letters ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface DeadLetter {
  readonly topic: string
  readonly partition: number
  readonly record: RawRecord
  readonly handler: string | null
  readonly reason: DeadLetterReason
  /** Class and message; no payload. The writer cuts it at 1 KiB. */
  readonly error: string
  readonly attempts: number
  readonly firstFailedAtMs: number
  readonly failedAtMs: number
}

export interface DeadLetters {
  /** Connects and sees that every dead letter topic exists (creates it where that is allowed). Rejects with `Unavailable` or `Misconfigured`; ask again later. */
  start(): Promise<void>
  /**
   * `letters` are of one source partition and keep their order. Resolves only when all replicas have taken every one of them
   * and the answer names their partition; otherwise rejects, and the same letters may be written again (with the same ids).
   */
  write(letters: readonly DeadLetter[]): Promise<void>
  stop(): Promise<void>
}

// ── Time, chance, and who listens ───────────────────────────────────────────────────────────────────────────────────────

export interface Clock {
  /** Monotonic milliseconds with fractions: timers and durations. */
  nowMs(): number
  /** Wall-clock milliseconds: what leaves the process. */
  wallMs(): number
  /** Calls back once, not before `atMs` (monotonic); the answer cancels it. Keeps no process alive by itself. */
  at(atMs: number, callback: () => void): () => void
}

/** In [0, 1). */
export type Random = () => number

/** Structured log lines: fields first, then a sentence. Never a payload, never a secret. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Hears everything, changes nothing. */
export interface Telemetry<R extends Taken = Taken> {
  /** After the engine has taken `facts`: what it was told and what it answered. */
  heard(facts: readonly Fact<R>[], commands: readonly Command<R>[], now: Now): void
  /** How long bytes → value took, for one record. */
  decoded(topic: string, durationMs: number): void
  fetchDone(cost: { durationMs: number; bytes: number }): void
  missed(range: { topic: string; partition: number; from: number; to: number; cause: 'retention' | 'reset' }): void
  /** A duplicate's kind. */
  duplicate(record: { topic: string; handler: string }, known: Known): void
}

// ── What the outside may ask ────────────────────────────────────────────────────────────────────────────────────────────

export interface DependencyStatus {
  readonly name: string
  readonly up: boolean
  /** Why not, in one line. */
  readonly error: string | null
}

export interface Status {
  readonly group: string
  readonly version: string
  readonly dependencies: readonly DependencyStatus[]
  readonly engine: EngineStatus
}

export interface Health {
  readonly ok: boolean
  /** One line each; empty when ok. */
  readonly reasons: readonly string[]
}

/** What the HTTP adapter serves; every function is cheap and never throws. */
export interface Inspection {
  live(): Health
  ready(): Health
  status(): Status
}
