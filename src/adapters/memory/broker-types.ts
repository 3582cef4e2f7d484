/** What the memory broker and its sources are, for whoever uses them and for each other. */
import type { Clock, CommitFailure, RawRecord, RecordSource } from '../../consumer/ports.ts'
import type { Commit, Group } from './group.ts'
import type { NewRecord, PartitionLog } from './log.ts'

export interface MemoryBrokerOptions {
  readonly clock: Clock
  /** `automatic` (default): answers come by themselves, a moment after there is something. `on demand`: with `deliver` only. */
  readonly delivery?: 'automatic' | 'on demand'
}

/** How long anything takes that the broker is asked for. */
export const LATENCY_MS = 1

export interface MemorySourceOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Default `earliest`. */
  readonly startFrom?: 'earliest' | 'latest'
}

export interface MemorySource extends RecordSource {
  /** One answer for each partition that may have one, at once; answers whether there was any. */
  deliver(): boolean
  /** The coordinator forgets this member: its commits are fenced from now on, and it notices at its next heartbeat. */
  expel(): void
  /** The client starts over: `lost`, then it joins as a new member. */
  crash(): void
  /** The client cannot go on. */
  fail(error: Error): void
}

/** What is wrong with the broker. Each may be set and taken back at any time. */
export interface MemoryFaults {
  /** Nobody answers: no records, no heartbeats, commits are refused when their time is up. */
  down: boolean
  /** Every commit fails like this, without an effect. */
  commits: CommitFailure | null
  /** Commits are stored, but their answers do not come until this is taken back. */
  holdCommitAnswers: boolean
}

export interface MemoryBroker {
  readonly faults: MemoryFaults
  /** Creates it, or adds partitions to it. */
  topic(name: string, partitions: number): void
  /** With its records and all groups' commits. */
  deleteTopic(name: string): void
  /** Answers the offset of the first. */
  append(topic: string, partition: number, ...records: readonly NewRecord[]): number
  /** Offsets without a record for a reader: control records, aborted transactions. */
  skip(topic: string, partition: number, count: number): void
  removeBefore(topic: string, partition: number, offset: number): void
  records(topic: string, partition: number): readonly RawRecord[]
  committed(group: string, topic: string, partition: number): Commit | null
  source(options: MemorySourceOptions): MemorySource
  /** `deliver` of every source that is running. */
  deliver(): boolean
}

/** What a member sees of the broker. */
export interface MemberSide {
  readonly faults: MemoryFaults
  readonly clock: Clock
  readonly delivery: 'automatic' | 'on demand'
  logOf(topic: string, partition: number): PartitionLog | null
  partitionsOf(topic: string): number
  group(name: string): Group
  /** Never the same twice. */
  nextEpoch(): number
  /** Called after every change that may concern a waiting member. */
  onChange(listener: () => void): () => void
}
