/** Commits: one at a time, bounded, only for what is live, and their failures sorted by what follows from them. */
import { describe } from '../../consumer/errors.ts'
import type { Clock, CommitFailure, CommitResult, Log, OffsetToCommit } from '../../consumer/ports.ts'
import { placeOf } from '../../core/record.ts'
import { protocolErrorOf } from './faults.ts'
import type { Part, Parts } from './partitions.ts'
import { refusalText } from './permissions.ts'
import { LATE, within } from './time.ts'

/** Longer than a request may take; then the coordinator is looked for again. */
const COMMIT_TIMEOUT_MS = 8_000
/** Nothing is committed meanwhile for a topic that we may not read. A guess, never tuned. */
const FORBIDDEN_MS = 5_000

/** As kafkajs takes them. Its types know nothing of the metadata, its encoder does. */
export interface CommitRequest {
  topics: { topic: string; partitions: { partition: number; offset: string; metadata: string }[] }[]
}

/** Sends a commit under the member's present generation; null while there is no membership to commit under. */
export type CommitDoor = (request: CommitRequest) => Promise<unknown>

export interface CommitsOptions {
  readonly clock: Clock
  readonly log: Log
  readonly parts: Parts
  readonly door: () => CommitDoor | null
  /** Who we are in the group at this moment. */
  readonly member: () => string | null
}

type Failed = Extract<CommitResult, { ok: false }>

interface ToStore {
  readonly part: Part
  readonly offset: OffsetToCommit
}

export class Commits {
  readonly #clock: Clock
  readonly #parts: Parts
  readonly #log: Log
  readonly #door: () => CommitDoor | null
  readonly #member: () => string | null
  /** The last one that was sent, its end included when that comes after our deadline. */
  #sent: Promise<unknown> = Promise.resolve()
  #last: Promise<unknown> = Promise.resolve()
  /** In characters; lower once the broker has refused so many. */
  #metadataMax = Number.POSITIVE_INFINITY
  /** By topic that we may not read, and so not commit for: when it is tried again. */
  readonly #forbidden = new Map<string, number>()
  /** How many have been answered: tells a reader of the broker's offsets that its answer may be older than a commit. */
  answered = 0

  constructor({ clock, log, parts, door, member }: CommitsOptions) {
    this.#clock = clock
    this.#log = log
    this.#parts = parts
    this.#door = door
    this.#member = member
  }

  commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult> {
    const result = this.#last.then(() => this.#commit(offsets))
    this.#last = result
    return result
  }

  async #commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult> {
    // A commit that is still on its way could arrive after this one and take it back.
    if ((await within(this.#clock, COMMIT_TIMEOUT_MS, this.#sent)) === LATE)
      return failed('refused', 'the commit before this one has no answer')
    const live = offsets.flatMap(offset => {
      const part = this.#parts.of(offset.assignment)
      return part === null ? [] : [{ part, offset }]
    })
    const withheld = live.flatMap(({ part }) => this.#whyWithheld(part) ?? [])
    const storable = live.filter(({ part }) => this.#whyWithheld(part) === null)
    const result = storable.length === 0 ? OK : await this.#store(storable)
    if (!result.ok || withheld[0] === undefined) return result
    return { ...failed('generation', withheld[0]), stored: storable.map(({ offset }) => offset) }
  }

  #whyWithheld({ isOutOfRange, assignment }: Part): string | null {
    if (isOutOfRange) return `the log of ${placeOf(assignment)} may be another one: nothing is stored for it yet`
    const againAtMs = this.#forbidden.get(assignment.topic) ?? 0
    return this.#clock.nowMs() < againAtMs ? committingRefused(assignment.topic) : null
  }

  async #store(live: readonly ToStore[]): Promise<CommitResult> {
    const door = this.#door()
    if (door === null) return failed('generation', 'the group is not joined')
    const member = this.#member()
    const sending = this.#send(
      door,
      live.map(({ offset }) => offset),
    )
    this.#sent = sending.catch(() => {
      // Its failure is answered below; whoever waits here only wants to know that it is over.
    })
    try {
      if ((await within(this.#clock, COMMIT_TIMEOUT_MS, sending)) === LATE)
        return failed('refused', `no answer within ${COMMIT_TIMEOUT_MS} ms`)
      for (const { part, offset } of live) {
        part.committed = offset.nextOffset
        part.isAnew = false
        this.#forbidden.delete(part.assignment.topic)
      }
      return OK
    } catch (error) {
      if (protocolErrorOf(error) === 'TOPIC_AUTHORIZATION_FAILED') return await this.#storeByTopic(live)
      const cause = causeOf(error)
      // What is said of a member that we no longer are does not fence the one that has joined since.
      return failed(cause === 'fenced' && this.#member() !== member ? 'generation' : cause, describe(error))
    } finally {
      this.answered++
    }
  }

  /**
   * The broker has stored what we may commit, and kafkajs does not tell for which topics: each is tried by itself. As `refused` it would
   * ask for joins, which cure nothing.
   */
  async #storeByTopic(live: readonly ToStore[]): Promise<CommitResult> {
    const [[topic, these] = ['', []], ...others] = Map.groupBy(live, ({ part }) => part.assignment.topic)
    if (others.length === 0) {
      this.#forbidden.set(topic, this.#clock.nowMs() + FORBIDDEN_MS)
      return failed('generation', committingRefused(topic))
    }
    const stored: OffsetToCommit[] = []
    let failure: Failed | null = null
    for (const those of [these, ...others.map(([, each]) => each)]) {
      const result = await this.#store(those)
      if (result.ok) stored.push(...those.map(({ offset }) => offset))
      else failure ??= result
    }
    return failure === null ? OK : { ...failure, stored }
  }

  /** The broker refuses only the partitions whose metadata is too large, without saying which; what it has stored is stored again. */
  async #send(door: CommitDoor, offsets: readonly OffsetToCommit[]): Promise<unknown> {
    const fitting = offsets.map(offset =>
      offset.metadata.length > this.#metadataMax ? { ...offset, metadata: '' } : offset,
    )
    try {
      return await door(requestOf(fitting))
    } catch (error) {
      const longest = Math.max(0, ...fitting.map(({ metadata }) => metadata.length))
      if (protocolErrorOf(error) !== 'OFFSET_METADATA_TOO_LARGE' || longest === 0) throw error
      this.#metadataMax = longest - 1
      this.#log.warn(
        { characters: longest },
        'the broker takes less metadata with a commit (offset.metadata.max.bytes): after a restart, more of what was finished out of order is delivered again',
      )
      return await this.#send(door, fitting)
    }
  }
}

function committingRefused(topic: string): string {
  const resource = `topic ${topic}`
  const doing = `committing for ${resource}`
  return refusalText({ doing, operation: 'Read', resource }, 'TOPIC_AUTHORIZATION_FAILED')
}

const OK: CommitResult = { ok: true }
const failed = (cause: CommitFailure, error: string): Failed => ({ ok: false, cause, error })

const GENERATION_IS_OVER = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION'])
const MEMBER_IS_UNKNOWN = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'])

function causeOf(error: unknown): CommitFailure {
  const code = protocolErrorOf(error) ?? ''
  if (GENERATION_IS_OVER.has(code)) return 'generation'
  return MEMBER_IS_UNKNOWN.has(code) ? 'fenced' : 'refused'
}

function requestOf(offsets: readonly OffsetToCommit[]): CommitRequest {
  const topics = new Map<string, CommitRequest['topics'][number]>()
  for (const { assignment, nextOffset, metadata } of offsets) {
    const { topic, partition } = assignment
    const entry = topics.get(topic) ?? { topic, partitions: [] }
    entry.partitions.push({ partition, offset: String(nextOffset), metadata })
    topics.set(topic, entry)
  }
  return { topics: [...topics.values()] }
}
