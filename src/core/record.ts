/**
 * What floor 0 knows of a record: where it stands, what it waits for, what it weighs. Never its content.
 * Nothing in this folder awaits, reads a clock or imports from outside it: the same facts always give the same commands.
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * One assignment of one partition to this process. `epoch` is a counter that is never used twice in a process, and it is
 * part of every identity that can go stale: a late fact of an old assignment meets no ledger. A partition that is kept
 * across a rebalance keeps its epoch.
 */
export interface Assignment extends TopicPartition {
  readonly epoch: number
}

/** Why a record can never be handled. The set is closed: it is a metric label and a dead letter header. */
export const DEAD_LETTER_REASONS = [
  'framing',
  'unknown-schema',
  'undecodable',
  'incompatible-schema',
  'too-large',
  'unmatched',
  'unexpected-tombstone',
  'missing-idempotency-key',
  'invalid-key',
  'rejected',
  'attempts-exhausted',
  'invalid-data',
] as const

export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number]

/** What was decided about a record before any handler saw it. `error` is a class and a message, never a payload. */
export type Disposition =
  | { readonly kind: 'handle'; readonly handler: string }
  | {
      readonly kind: 'dead-letter'
      readonly reason: DeadLetterReason
      readonly error: string
      readonly handler: string | null
    }
  | { readonly kind: 'ignore' }
  /** Settled by an assignment before this one, as the commit's metadata says. */
  | { readonly kind: 'completed' }

/** A record as intake gives it to the engine. The engine reads these fields only; callers may carry more in a subtype. */
export interface Taken {
  /** A safe integer; asserted once, where it enters. */
  readonly offset: number
  /** The producer's or the log's, in wall-clock milliseconds: for lag and latency, never for ordering. */
  readonly timestampMs: number
  /** What it pins in memory. */
  readonly bytes: number
  /** The ordering key; null promises no order. */
  readonly lane: string | null
  readonly disposition: Disposition
}

/** `topic/partition`, for logs, and as a key: a topic's name cannot hold a slash. */
export function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
