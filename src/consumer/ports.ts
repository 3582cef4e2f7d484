/**
 * What the consumer asks of the world. Each sentence here is a promise that `test/contracts/` turns into a test, run on the
 * memory adapter and on the real one. Adapters import this file and `errors.ts`, nothing else of this floor.
 */
import type { Command, CommitFailed, CommitFailure, Fact, Now, OffsetsKnown, OffsetToCommit } from '../core/facts.ts'
import type { Assignment, DeadLetterReason, Taken } from '../core/record.ts'
import type { EngineStatus } from '../core/status.ts'
import type { Failure } from '../core/verdict.ts'

export type { Assignment, CommitFailure, DeadLetterReason, Failure, OffsetToCommit }

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
  /** Where the bytes are views of a larger buffer: copies them, so that the record pins no more than itself. What was read before stays as it is. */
  detach?(): void
}

/** What a partition's log holds from one position to another: a record batch, or several. */
export interface PartitionAnswer {
  readonly assignment: Assignment
  /** Where the last answer ended, or where reading begins. */
  readonly positionBefore: number
  /** Where the next answer begins; it moves over gaps, control records and aborted transactions. */
  readonly positionAfter: number
  /** Rising, `positionBefore <= offset < positionAfter`; may be empty where only the position moved. */
  readonly records: readonly RawRecord[]
  /** What the records pin in memory. */
  readonly bytes: number
  readonly highWatermark: number
  /** Under which leader the records were written; -1 unknown. After a truncation another record, of a higher one, stands at an offset. */
  readonly leaderEpoch: number
}

/** Why offsets were skipped: the log had them no more, the log is another one, or nobody can read them and an operator said to go on. */
export type MissedCause = 'retention' | 'reset' | 'unreadable'

/** What the group has stored for a partition, from one answer of the broker. */
export interface Restored {
  readonly assignment: Assignment
  /** Null: nothing, or nothing that is an offset. */
  readonly committed: number | null
  /** As it was given to `commit`; anybody may have written it. */
  readonly metadata: string
}

export type PartitionOffsets = OffsetsKnown

/**
 * Called by a source, never at the same time, each call synchronous and short: it enqueues facts. A listener never throws.
 */
export interface SourceListener {
  /**
   * After a join, all that is ours to stay: partitions that stayed keep their epoch, the others are new. One that was being revoked and is
   * named again is ours as before. What is not named is gone, except what is being revoked: that stays so until `revoked`.
   */
  joined(assignments: readonly Assignment[]): void
  /** Once for every new assignment, before its first `answered`. */
  restored(stored: Restored): void
  /**
   * These are to go to other members: what a join has taken away (called before that `joined`), or everything before a join where
   * the group rebalances eagerly. The listener starts nothing of them any more, finishes what is in flight of them, commits it and resolves. The source waits, but not beyond its own deadline, then calls
   * `revoked` or `joined`; any other method may be called meanwhile, and commits of them are still carried.
   */
  revoking(assignments: readonly Assignment[]): Promise<void>
  /** These are gone, handed over or not; the others go on untouched. */
  revoked(assignments: readonly Assignment[]): void
  /** Why nothing more can be read of this partition, in a sentence for an operator; null when it can again, which the source finds out by itself unless it is paused. The others go on. */
  held(partition: { assignment: Assignment; why: string | null }): void
  /** The partition's log is another one now (truncated, or created again): `gone` is gone, and `assignment` begins. */
  renewed(partition: { gone: Assignment; assignment: Assignment }): void
  /** Every assignment is gone without a hand-over: the member was expelled or the client started over. */
  lost(why: string): void
  /** `answer.assignment` is live, and its answers follow one another without overlap. */
  answered(answer: PartitionAnswer): void
  offsetsKnown(offsets: readonly PartitionOffsets[]): void
  /** Offsets [from, to) of the log were skipped, since it no longer has them. */
  missed(range: { assignment: Assignment; from: number; to: number; cause: MissedCause }): void
  /** The coordinator took a heartbeat or a join (then it follows `joined`) that was sent at `askedAtMs`, monotonic: an answer that is read late confirms nothing of now. */
  membershipConfirmed(askedAtMs: number): void
  /** One request's cost on the network and at the broker. */
  fetchDone(cost: { durationMs: number; bytes: number }): void
  /** Why nothing comes ("topic orders does not exist"), in a sentence for an operator; null when it is over. */
  waiting(why: string | null): void
  /** It cannot go on without a restart. Nothing follows but `stop`. */
  failed(error: Error): void
}

export type CommitResult = { readonly ok: true } | ({ readonly ok: false } & CommitFailed)

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
  /**
   * Stores `nextOffset` and `metadata` (at most 4,096 characters) for assignments that are live, passes over the others. Where the broker takes less metadata,
   * the offset is stored without. For one whose log may be another one nothing is stored, and the answer is a failure. Bounded in time; never rejects.
   */
  commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult>
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
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>>

/** Hears everything, changes nothing. */
export interface Telemetry<R extends Taken = Taken> {
  /** After the engine has taken `facts`: what it was told and what it answered. */
  heard(facts: readonly Fact<R>[], commands: readonly Command<R>[], now: Now): void
  /** How long bytes → value took, for one record. */
  decoded(topic: string, durationMs: number): void
  fetchDone(cost: { durationMs: number; bytes: number }): void
  missed(range: { topic: string; partition: number; from: number; to: number; cause: MissedCause }): void
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
