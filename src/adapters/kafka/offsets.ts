/** What the broker knows of our topics, asked every few seconds: true lag for idle partitions, and whether anybody answers. */
import type { Admin } from 'kafkajs'
import { describe } from '../../consumer/errors.ts'
import type { Questions } from './admin.ts'
import { faultOf, protocolErrorOf } from './faults.ts'
import { safeOffset } from './offset.ts'
import type { KafkaSourceOptions } from './options.ts'
import { rest } from './time.ts'

const INTERVAL_MS = 5_000

export interface BrokerOffsets {
  /** The group's; null when it has none. */
  readonly committed: number | null
  /** The group had one, and a reset of the client's has put a placeholder in its place. */
  readonly isReset: boolean
  /** The last stable offset: what a reader of committed records can reach. */
  readonly highWatermark: number
  readonly logStart: number
}

export type TopicsKnown = ReadonlyMap<string, ReadonlyMap<number, BrokerOffsets>>

/** Topics that are not there, and those that we may not see. */
export interface Unseen {
  readonly missing: readonly string[]
  readonly forbidden: readonly string[]
}

export interface OffsetsListener {
  /** Just before the question is sent. */
  asking(): void
  known(topics: TopicsKnown, unseen: Unseen): void
  unanswered(error: unknown): void
}

export class OffsetsPoll {
  readonly #options: KafkaSourceOptions
  readonly #questions: Questions
  readonly #listener: OffsetsListener
  #wake = new AbortController()
  /** A line is logged when the answers stop and when they come again, not in between. */
  #failing = false
  #forbidden: readonly string[] = []

  constructor({
    options,
    questions,
    listener,
  }: { options: KafkaSourceOptions; questions: Questions; listener: OffsetsListener }) {
    this.#options = options
    this.#questions = questions
    this.#listener = listener
  }

  /** Asks until the signal goes off; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = new AbortController()
      await this.#ask()
      await rest(this.#options.clock, INTERVAL_MS, AbortSignal.any([signal, this.#wake.signal]))
    }
  }

  /** Asks at once, or again when a question is on its way. */
  soon(): void {
    this.#wake.abort()
  }

  async #ask(): Promise<void> {
    const { groupId, topics, log } = this.#options
    this.#listener.asking()
    try {
      const unseen = await this.#questions.ask(admin => unseenTopics(admin, topics))
      await this.#forget(unseen.forbidden)
      const seen = topics.filter(topic => !unseen.missing.includes(topic) && !unseen.forbidden.includes(topic))
      const known = await this.#questions.ask(admin => readOffsets(admin, groupId, seen))
      if (this.#failing) log.info({}, 'the brokers answer again')
      this.#failing = false
      this.#listener.known(known, unseen)
    } catch (error) {
      if (!this.#failing) log.warn({ error: describe(error) }, 'the offsets of our topics cannot be read; trying again')
      this.#failing = true
      this.#listener.unanswered(error)
    }
  }

  /** kafkajs asks for every topic that it has once been asked for, and fails for one that we may not see any more: a new client knows none. */
  async #forget(forbidden: readonly string[]): Promise<void> {
    const isNew = forbidden.some(topic => !this.#forbidden.includes(topic))
    this.#forbidden = forbidden
    if (isNew) await this.#questions.close()
  }
}

/** One topic at a time: kafkajs' errors do not name the topic. */
export async function unseenTopics(admin: Admin, topics: readonly string[]): Promise<Unseen> {
  const missing: string[] = []
  const forbidden: string[] = []
  for (const topic of topics) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic] })
    } catch (error) {
      if (faultOf(error) === 'missing-topic') missing.push(topic)
      else if (protocolErrorOf(error) === 'TOPIC_AUTHORIZATION_FAILED') forbidden.push(topic)
      else throw error
    }
  }
  return { missing, forbidden }
}

async function readOffsets(admin: Admin, groupId: string, topics: readonly string[]): Promise<TopicsKnown> {
  const known = new Map<string, Map<number, BrokerOffsets>>()
  if (topics.length === 0) return known
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] })
  for (const { topic, partitions } of committed) {
    const ends = new Map((await admin.fetchTopicOffsets(topic)).map(end => [end.partition, end]))
    const rows = new Map<number, BrokerOffsets>()
    for (const { partition, offset } of partitions) {
      const end = ends.get(partition)
      if (end === undefined) continue
      const stored = safeOffset(offset)
      rows.set(partition, {
        committed: stored < 0 ? null : stored,
        isReset: stored < -1,
        highWatermark: safeOffset(end.high),
        logStart: safeOffset(end.low),
      })
    }
    known.set(topic, rows)
  }
  return known
}
