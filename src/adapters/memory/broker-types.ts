/** What the memory broker and its sources are, for whoever uses them and for each other. */
import type { Clock, CommitFailure, Random, RawRecord, RecordSource } from '../../consumer/ports.ts'
import type { Protocol } from '../../core/ownership.ts'
import type { GroupDescription } from './coordinator.ts'
import type { Commit, Group } from './group.ts'
import type { NewRecord, PartitionLog } from './log.ts'

export interface MemoryBrokerOptions {
  /** The broker's own: its sessions and rounds run on it, and requests travel by it. */
  readonly clock: Clock
  /** Where `latencyMs` is a range. Default: always its middle. */
  readonly random?: Random
  /** A member that neither beats, commits nor joins for so long is expelled. Default 10 s. */
  readonly sessionTimeoutMs?: number
  /** A member that does not come to a round within this time is expelled. Default 10 s. */
  readonly rebalanceTimeoutMs?: number
  /** An offset whose metadata is longer is stored without it. Default 4,096, as a broker has it. */
  readonly metadataCharactersMax?: number
  /** Called when an offset is stored, by whomever. */
  readonly onStored?: (stored: Stored) => void
}

export interface Stored extends Commit {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Null: not by a member (`store`, or a start at the end of the log). */
  readonly memberId: string | null
}

/** How long one way takes, to the broker or back, unless `latencyMs` says something else. */
export const LATENCY_MS = 1

export interface MemorySourceOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Default `earliest`. */
  readonly startFrom?: 'earliest' | 'latest'
  /** Default `cooperative`; the group is eager as long as one member is. */
  readonly protocol?: Protocol
  /** The process's own: while it stands still nothing of this source happens. It shows the broker's time. Default: the broker's. */
  readonly clock?: Clock
  /** How long a hand-over is waited for. Default 3 s. */
  readonly handOverTimeoutMs?: number
}

export interface MemorySource extends RecordSource {
  /** What is wrong between this source and the broker, beside what is wrong with the broker. */
  readonly faults: LinkFaults
  /** What the coordinator knows it by; another one after it was expelled. */
  readonly memberId: string
  /** The coordinator forgets this member: its commits are fenced from now on, and it notices at its next heartbeat. */
  expel(): void
  /** The client starts over: `lost`, then it joins as a new member. */
  crash(): void
  /** The client cannot go on. */
  fail(error: Error): void
  /** The process is gone: nothing of it happens any more, and the coordinator notices when its session is over. */
  kill(): void
}

/** What is wrong on the way to the broker. Each may be set and taken back at any time. */
export interface LinkFaults {
  /** Nothing gets through: no records, no heartbeats; commits have no answer when their time is up. */
  down: boolean
  /** Every commit fails like this, without an effect. */
  commits: CommitFailure | null
  /** Commits get stuck on their way; those that were sent meanwhile arrive when this is taken back, in their order. */
  hangCommits: boolean
  /** Commits are stored, but their answers do not come until this is taken back. */
  holdCommitAnswers: boolean
  /** Heartbeats do not get through; all else does. */
  loseHeartbeats: boolean
  /** One way, a request's or an answer's: drawn for each. Nothing overtakes. Null: `LATENCY_MS`. */
  latencyMs: { readonly min: number; readonly max: number } | null
  /** At most so many offsets are in an answer. Null: 500. */
  answerOffsetsMax: number | null
}

export interface BrokerFaults extends LinkFaults {
  /**
   * Commits are refused, heartbeats and joins answered "not coordinator"; a round that is under way begins anew. As with `down`,
   * sessions begin anew afterwards: the next coordinator knows the members, not when they were last heard of.
   */
  coordinatorMoving: boolean
}

export interface MemoryBroker {
  readonly faults: BrokerFaults
  /** Creates it, or adds partitions to it. */
  topic(name: string, partitions: number): void
  /** With its records and all groups' commits. */
  deleteTopic(name: string): void
  /** Answers the offset of the first. */
  append(topic: string, partition: number, ...records: readonly NewRecord[]): number
  /** Offsets without a record for a reader: control records, aborted transactions. */
  skip(topic: string, partition: number, count: number): void
  /** As retention does. */
  removeBefore(topic: string, partition: number, offset: number): void
  /**
   * As an unclean leader election does: what is at `offset` and above is lost, and what comes from now on is of a higher leader epoch. A
   * reader whose position is above the end notices; one that comes when the log has grown past it again does not.
   */
  truncate(topic: string, partition: number, offset: number): void
  records(topic: string, partition: number): readonly RawRecord[]
  committed(group: string, topic: string, partition: number): Commit | null
  /** As an operator's tool does, past all members. */
  store(group: string, place: { topic: string; partition: number }, commit: Commit): void
  describe(group: string): GroupDescription
  source(options: MemorySourceOptions): MemorySource
}

/** What a member sees of the broker. */
export interface MemberSide {
  readonly faults: BrokerFaults
  readonly clock: Clock
  readonly random: Random
  logOf(topic: string, partition: number): PartitionLog | null
  partitionsOf(topic: string): number
  group(name: string): Group
  /** Never the same twice. */
  nextEpoch(): number
  /** Called after every change that may concern a waiting member. */
  onChange(listener: () => void): () => void
}
