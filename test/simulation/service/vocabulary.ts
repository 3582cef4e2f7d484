/** The words of the simulation: what must hold, what is counted, what a record is and how its handler behaves, what goes wrong. */
import type { CommitFate } from '../../../src/adapters/memory/inbox.ts'
import type { CommitFailure, Failure } from '../../../src/consumer/ports.ts'

/** What must hold, each checked when it could break. */
export const INVARIANTS = [
  /** At the end every record that retention left is settled. */
  'nothing-is-lost',
  'effects-happen-once',
  /** A record is handled, and its effect kept, only when all before it in its lane are settled; across replicas, zombies included. */
  'a-key-keeps-its-order',
  /** In one process, whatever assignment they are of. */
  'one-of-a-lane-at-a-time',
  /** Checked when an offset is stored: everything below it is settled. */
  'no-commit-past-the-unsettled',
  'committed-never-falls',
  'no-commit-for-what-is-gone',
  /** Whatever stored metadata calls settled is settled. */
  'metadata-is-true',
  /** None for an outage or a fault of ours, and the reason is the record's. */
  'dead-letters-are-deserved',
  /** An outage spends none; nobody gets more than the policy says. */
  'attempts-are-bounded',
  /** Records in handlers, in hand, and ahead of the lowest unsettled one. */
  'limits-are-kept',
  'a-clean-stop-repeats-nothing',
  'planned-changes-repeat-nothing',
  /** After a whole session timeout without an answer others may own what a member holds. */
  'a-fenced-member-starts-nothing',
  'nothing-starts-for-what-is-gone',
  'what-is-gone-is-aborted',
  'records-arrive-as-written',
  'a-stop-ends-in-time',
  /** What it says of unfinished work and of commits is so. */
  'a-stop-tells-the-truth',
  /** When all faults are over: all is committed, nothing is in flight, and the status says so. */
  'calm-settles-everything',
  'no-assertion-fails',
  'no-rejection-is-unhandled',
] as const

export type Invariant = (typeof INVARIANTS)[number]

export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: Invariant
  constructor(invariant: Invariant, message: string) {
    super(message)
    this.invariant = invariant
  }
}

/** What a batch of runs must have seen. */
export const COUNTED = [
  'records',
  'effects',
  'handled',
  'redeliveries',
  'duplicates',
  'dead letters',
  'completed by metadata',
  'missed by retention',
  'evictions',
  'hand-overs',
  'crashes',
  'freezes',
  'clean stops',
  'cut-off stops',
  'outages',
  'unknown commits',
  'failed offset commits',
  'late handlers',
  'fencings',
] as const

export type Counted = (typeof COUNTED)[number]
export type Counts = Record<Counted, number>

export function noCounts(): Counts {
  // Boundary: every name is given a value here.
  return Object.fromEntries(COUNTED.map(name => [name, 0])) as Counts
}

// ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type RecordKind =
  | 'event'
  | 'tombstone'
  | 'framing'
  | 'undecodable'
  | 'incompatible-schema'
  | 'unmatched'
  | 'missing-idempotency-key'
  /** Of a schema that the registry never gets. */
  | 'unknown-schema'
  /** Of a schema that the registry gets in time. */
  | 'late-schema'

/** One start of a record's handler. `ms` passes first. */
export type Step =
  | { readonly kind: 'ok'; readonly ms: number; readonly statements: number; readonly restMs: number }
  | {
      readonly kind: 'throw'
      readonly ms: number
      readonly statements: number
      readonly what: 'error' | 'text' | 'null'
    }
  | { readonly kind: 'throw at once' }
  | { readonly kind: 'reject'; readonly ms: number; readonly statements: number }
  /** What it depends on is away, whether or not it really is. */
  | { readonly kind: 'unavailable'; readonly ms: number }
  /** Ignores its signal, and returns or throws when nobody waits any more. */
  | { readonly kind: 'hang'; readonly ms: number; readonly statements: number; readonly end: 'return' | 'throw' }
  /** Never ends by itself, but minds its signal. */
  | { readonly kind: 'obey'; readonly statements: number }
  /** A statement that never ends. */
  | { readonly kind: 'stuck' }
  /** A statement fails; `isCaught`: the handler returns all the same. */
  | { readonly kind: 'fail'; readonly ms: number; readonly failure: Failure; readonly isCaught: boolean }

export interface RecordSpec {
  readonly number: number
  readonly topic: string
  readonly partition: number
  readonly atMs: number
  readonly key: string | null
  readonly kind: RecordKind
  /** Whose schema it has; null where no handler ever sees it. */
  readonly handler: string | null
  /** The event's identity. */
  readonly id: string
  /** Start by start, over all processes; the last one again and again. */
  readonly steps: readonly Step[]
  /** Asks what its handler depends on first. */
  readonly needsPayments: boolean
  /** Offsets without a record that follow it. */
  readonly gap: number
}

// ── What goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────────────

export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'crash'; readonly slot: number; readonly backAfterMs: number; readonly noticedAfterMs: number }
  | { readonly kind: 'freeze'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'stop'; readonly slot: number; readonly backAfterMs: number }
  | { readonly kind: 'join'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'expel'; readonly slot: number }
  | { readonly kind: 'client starts over'; readonly slot: number }
  | { readonly kind: 'client dies'; readonly slot: number; readonly backAfterMs: number }
  | { readonly kind: 'rejoin'; readonly slot: number }
  | { readonly kind: 'broker down'; readonly forMs: number }
  | { readonly kind: 'link down'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'link slow'; readonly slot: number; readonly forMs: number; readonly latencyMsMax: number }
  | { readonly kind: 'coordinator moves'; readonly forMs: number }
  | { readonly kind: 'commits refused'; readonly cause: CommitFailure; readonly forMs: number }
  | { readonly kind: 'commits hang'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'commit answers lost'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'heartbeats lost'; readonly slot: number; readonly forMs: number }
  | { readonly kind: 'database down'; readonly forMs: number }
  | { readonly kind: 'database hangs'; readonly forMs: number }
  | { readonly kind: 'claims slow'; readonly forMs: number; readonly claimMs: number }
  | { readonly kind: 'commit fates'; readonly fates: readonly CommitFate[] }
  | { readonly kind: 'registry down'; readonly how: 'refused' | 'denied' | 'hanging'; readonly forMs: number }
  | { readonly kind: 'letters refused'; readonly forMs: number }
  | { readonly kind: 'letters held'; readonly forMs: number }
  | { readonly kind: 'letter answers lost'; readonly count: number }
  | { readonly kind: 'payments down'; readonly forMs: number }
  | { readonly kind: 'table missing'; readonly forMs: number }
  | { readonly kind: 'retention'; readonly topic: string; readonly partition: number; readonly share: number }
)

export type FaultKind = Fault['kind']
