/** Commits: one at a time, bounded, only for what is live, and their failures sorted by what follows from them. */
import { describe } from '../../consumer/errors.ts'
import type { Assignment, Clock, CommitFailure, CommitResult } from '../../consumer/ports.ts'
import { protocolErrorOf } from './faults.ts'
import type { Part, Partitions } from './partitions.ts'
import { LATE, within } from './time.ts'

/** Longer than a request may take; then the coordinator is looked for again. */
const COMMIT_TIMEOUT_MS = 8_000

export interface OffsetOf {
  readonly assignment: Assignment
  readonly nextOffset: number
  readonly metadata: string
}

/** As kafkajs takes them. Its types know nothing of the metadata, its encoder does. */
export interface CommitRequest {
  topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
}

/** Sends a commit under the member's present generation; null while there is no membership to commit under. */
export type CommitDoor = (request: CommitRequest) => Promise<unknown>

export class Commits {
  readonly #clock: Clock
  readonly #partitions: Partitions
  readonly #door: () => CommitDoor | null
  /** The last one that was sent, its end included when that comes after our deadline. */
  #sent: Promise<unknown> = Promise.resolve()
  #last: Promise<unknown> = Promise.resolve()
  /** How many have been answered: tells a reader of the broker's offsets that its answer may be older than a commit. */
  answered = 0

  constructor({ clock, partitions, door }: { clock: Clock; partitions: Partitions; door: () => CommitDoor | null }) {
    this.#clock = clock
    this.#partitions = partitions
    this.#door = door
  }

  commit(offsets: readonly OffsetOf[]): Promise<CommitResult> {
    const result = this.#last.then(() => this.#commit(offsets))
    this.#last = result
    return result
  }

  async #commit(offsets: readonly OffsetOf[]): Promise<CommitResult> {
    // A commit that is still on its way could arrive after this one and take it back.
    if ((await within(this.#clock, COMMIT_TIMEOUT_MS, this.#sent)) === LATE)
      return failed('refused', 'the commit before this one has no answer')
    const live: { part: Part; offset: OffsetOf }[] = []
    for (const offset of offsets) {
      const part = this.#partitions.live(offset.assignment)
      // A position that is out of range belongs to a log that may be gone: nothing of it is committed to what is there now.
      if (part !== null && part.outOfRangeAt === null) live.push({ part, offset })
    }
    if (live.length === 0) return { ok: true }
    const door = this.#door()
    if (door === null) return failed('generation', 'the group is not joined')
    const sending = door(requestOf(live.map(({ offset }) => offset)))
    this.#sent = sending.catch(() => {
      // Its failure is answered below; whoever waits here only wants to know that it is over.
    })
    try {
      if ((await within(this.#clock, COMMIT_TIMEOUT_MS, sending)) === LATE)
        return failed('refused', `no answer within ${COMMIT_TIMEOUT_MS} ms`)
      for (const { part, offset } of live) part.committed = offset.nextOffset
      return { ok: true }
    } catch (error) {
      return failed(causeOf(error), describe(error))
    } finally {
      this.answered++
    }
  }
}

const failed = (cause: CommitFailure, error: string): CommitResult => ({ ok: false, cause, error })

const GENERATION_IS_OVER = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION'])
const MEMBER_IS_UNKNOWN = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'])

function causeOf(error: unknown): CommitFailure {
  const code = protocolErrorOf(error) ?? ''
  if (GENERATION_IS_OVER.has(code)) return 'generation'
  return MEMBER_IS_UNKNOWN.has(code) ? 'fenced' : 'refused'
}

function requestOf(offsets: readonly OffsetOf[]): CommitRequest {
  const topics = new Map<string, CommitRequest['topics'][number]>()
  for (const { assignment, nextOffset, metadata } of offsets) {
    const { topic, partition } = assignment
    const entry = topics.get(topic) ?? { topic, partitions: [] }
    entry.partitions.push({ partition, offset: String(nextOffset), metadata })
    topics.set(topic, entry)
  }
  return { topics: [...topics.values()] }
}
