/** One assignment of one partition, as the source keeps it: how far its reading has come, and what keeps it from going on. */
import type { Assignment } from '../../consumer/ports.ts'
import type { Ownership } from '../../core/ownership.ts'
import type { TopicPartition } from '../../core/record.ts'
import type { WireBatch } from './wire/answer.ts'

/** A batch as it came, and what its answer said of the log. */
export interface Pending {
  readonly batch: WireBatch
  readonly highWatermark: number
}

/** Its object is its identity: after a loss there is another one. */
export interface Part {
  readonly assignment: Assignment
  /** What the group had stored is known: until then nothing is fetched. */
  isRestored: boolean
  /** The next offset that the listener has not been given; null before anybody knows. */
  position: number | null
  /** Where the next fetch goes on: the position, and beyond it what lies in `pending`. */
  fetched: number | null
  /** Fetched and not given to the listener yet, still compressed. */
  pending: Pending[]
  /** kafkajs' way to set the position of the next fetch, from the last batch; null before the first. */
  resolve: ((offset: string) => void) | null
  /** By the listener. Ours, not kafkajs' truth: it is applied again after every join. */
  paused: boolean
  /** Why it can not be read on, until somebody has found out how; null when it can. */
  trouble: string | null
  /** The broker has nothing at our position: the log it belongs to may be gone, and nothing of it may be committed to what is there now. */
  isOutOfRange: boolean
  /** Its log has begun again under us: what the group has stored belongs to another one, until we have committed. */
  isAnew: boolean
  /** An answer said that the log is another one; the next one has to confirm it. */
  isDoubted: boolean
  /** The highest leader epoch of what the listener was given (what was only fetched may be fetched again); -1 before. */
  leaderEpoch: number
  /** The group's, as far as we know; null: none or unknown. */
  committed: number | null
}

export type Parts = Ownership<Part>

/** Never used twice in a process, whichever source asks. */
let lastEpoch = 0

export function newPart({ topic, partition }: TopicPartition): Part {
  lastEpoch++
  return {
    assignment: Object.freeze({ topic, partition, epoch: lastEpoch }),
    isRestored: false,
    position: null,
    fetched: null,
    pending: [],
    resolve: null,
    paused: false,
    trouble: null,
    isOutOfRange: false,
    isAnew: false,
    isDoubted: false,
    leaderEpoch: -1,
    committed: null,
  }
}

/** Whether kafkajs is to fetch for it. */
export function isFetching({ isRestored, paused, trouble, pending }: Part): boolean {
  return isRestored && !paused && trouble === null && pending.length === 0
}

export const isOf =
  (topics: readonly string[]) =>
  ({ assignment }: Part): boolean =>
    topics.includes(assignment.topic)

export const assignmentsOf = (parts: readonly Part[]): readonly Assignment[] => parts.map(part => part.assignment)

/** By topic, as kafkajs wants them. */
export function byTopic(parts: readonly Part[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { assignment } of parts) {
    const partitions = topics.get(assignment.topic)
    if (partitions === undefined) topics.set(assignment.topic, [assignment.partition])
    else partitions.push(assignment.partition)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
