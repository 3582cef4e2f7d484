/**
 * The engine's vocabulary: facts in the past tense, commands in the imperative. Both travel by batch; neither has behaviour.
 */
import type { Completions } from './completions.ts'
import type { Assignment, DeadLetterReason, Taken } from './record.ts'
import type { Failure } from './verdict.ts'

/** One record on its way through a handler. The engine owns it: everybody else reads. */
export interface Task<R extends Taken = Taken> {
  readonly assignment: Assignment
  readonly record: R
  /** The attempt under way or, between two, the next one; from 1. An outage spends none. */
  readonly attempt: number
  readonly takenAtMs: number
  /** Monotonic; of the attempt under way or of the last one. Null before the first. */
  readonly startedAtMs: number | null
  /** Wall clock; null while nothing has failed. */
  readonly firstFailedAtMs: number | null
}

/** Why a task goes to the dead letter topic. */
export interface Sentence<R extends Taken = Taken> {
  readonly task: Task<R>
  readonly reason: DeadLetterReason
  readonly error: string
  /** How many times a handler was tried; 0 for what no handler saw. */
  readonly attempts: number
  readonly handler: string | null
}

/** How the engine came to be done with a record. */
export type Outcome = 'acked' | 'duplicate' | 'dead_lettered' | 'ignored'

export interface OffsetToCommit {
  readonly assignment: Assignment
  /** The next offset after a restart: the lowest unsettled one. */
  readonly nextOffset: number
  /** What is settled above it (see completions.ts); empty when nothing is. */
  readonly metadata: string
}

export interface Fetched<R extends Taken = Taken> {
  readonly assignment: Assignment
  /** Rising; all below `positionAfter`, and none below an earlier fact's `positionAfter`. */
  readonly records: readonly R[]
  /** Where the answer began: it may lie above the last position when the log has lost records. */
  readonly positionBefore: number
  /** The end of the fetched range. It moves over compaction gaps and control records, which no record shows. */
  readonly positionAfter: number
  readonly highWatermark: number
  /** Of the leader under which the records were written; -1 unknown. */
  readonly leaderEpoch: number
}

export interface Restored {
  readonly assignment: Assignment
  /** Null: the group has none. */
  readonly committed: number | null
  /** What was settled above it; null where nothing that can be believed says so. */
  readonly completions: Completions | null
}

export interface OffsetsKnown {
  readonly assignment: Assignment
  /** Null: the group has none. */
  readonly committed: number | null
  readonly highWatermark: number
  /** The first offset that the log still has. */
  readonly logStart: number
}

/** `nowMs` is monotonic and given with every batch of facts; `wallMs` is for what leaves the process. */
export interface Now {
  readonly nowMs: number
  readonly wallMs: number
}

export type Fact<R extends Taken = Taken> =
  /** The group has (again) a generation: these partitions are ours, those not named are gone, except what is being revoked. */
  | { readonly type: 'joined'; readonly assignments: readonly Assignment[] }
  /** Ours beside the others: a log that was created again begins under a new epoch. */
  | { readonly type: 'assigned'; readonly assignments: readonly Assignment[] }
  /** Others will have these: hand over what is in flight, then answer `handedOver`. */
  | { readonly type: 'revoking'; readonly assignments: readonly Assignment[] }
  /** These are gone. */
  | { readonly type: 'revoked'; readonly assignments: readonly Assignment[] }
  /** What the group had stored for an assignment that begins. */
  | ({ readonly type: 'restored' } & Restored)
  /** Membership is gone without a hand-over. Every partition with it. */
  | { readonly type: 'lost' }
  /** The coordinator took a heartbeat or a join that we sent at this time, monotonic: a process that stood still reads old answers. */
  | { readonly type: 'membershipConfirmed'; readonly askedAtMs: number }
  | ({ readonly type: 'fetched' } & Fetched<R>)
  | { readonly type: 'offsetsKnown'; readonly offsets: readonly OffsetsKnown[] }
  /** The source cannot read on here; null when it can again. */
  | { readonly type: 'held'; readonly assignment: Assignment; readonly why: string | null }
  /** Intake cannot go on with this partition; null when it can again. */
  | { readonly type: 'intakeHeld'; readonly assignment: Assignment; readonly why: string | null }
  | { readonly type: 'settled'; readonly task: Task<R>; readonly outcome: 'acked' | 'duplicate' }
  | {
      readonly type: 'failed'
      readonly task: Task<R>
      readonly failure: Failure
      readonly error: string
      /** Where it was thrown, for the log; left out where that says nothing. */
      readonly at?: readonly string[]
    }
  | { readonly type: 'deadLettered'; readonly sentences: readonly Sentence<R>[] }
  | { readonly type: 'deadLetterFailed'; readonly sentences: readonly Sentence<R>[]; readonly error: string }
  | { readonly type: 'committed'; readonly offsets: readonly OffsetToCommit[] }
  | ({ readonly type: 'commitFailed' } & CommitFailed)
  | { readonly type: 'ticked' }
  | { readonly type: 'stopRequested' }
  | { readonly type: 'drainTimedOut' }

/**
 * `generation`: the group is moving on (the next join settles it), a partition's log may be another one, or its topic may not be read: not now, and nobody's fault.
 * `fenced`: the coordinator no longer knows this member.
 * `refused`: anything else; two in a row ask for a rejoin, since the client looks for a new coordinator only then.
 */
export type CommitFailure = 'generation' | 'fenced' | 'refused'

export interface CommitFailed {
  readonly cause: CommitFailure
  readonly error: string
  /** What the broker took all the same, as far as it is known. */
  readonly stored?: readonly OffsetToCommit[]
}

export type Command<R extends Taken = Taken> =
  /** Run each task's handler once; answer `settled` or `failed` for every one. */
  | { readonly type: 'start'; readonly tasks: readonly Task<R>[] }
  /** Write them, all of one partition, in this order; answer `deadLettered` or `deadLetterFailed`. */
  | { readonly type: 'deadLetter'; readonly sentences: readonly Sentence<R>[] }
  /** Answer `committed` or `commitFailed`. There is one at a time. */
  | { readonly type: 'commit'; readonly offsets: readonly OffsetToCommit[] }
  | { readonly type: 'pause'; readonly assignments: readonly Assignment[] }
  | { readonly type: 'resume'; readonly assignments: readonly Assignment[] }
  /** These wait long: what of them is a view of something larger is to be copied, so that they pin no more than themselves. */
  | { readonly type: 'detach'; readonly records: readonly R[] }
  /** Nobody waits for these any more: their signals go off. They still answer. */
  | { readonly type: 'abort'; readonly tasks: readonly Task<R>[] }
  /** Feed `ticked` at this time, monotonic; a later one replaces an earlier one. */
  | { readonly type: 'wakeAt'; readonly atMs: number }
  | { readonly type: 'rejoin'; readonly why: string }
  /** Nothing of these is in flight and what settled is committed, as far as it could be: they may go. Once for each that was being revoked. */
  | { readonly type: 'handedOver'; readonly assignments: readonly Assignment[] }
  | { readonly type: 'stopped'; readonly unfinished: number; readonly committed: boolean }
