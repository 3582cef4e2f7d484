/**
 * The Kafka source without Kafka: logs of real record batches, a stand-in for kafkajs' fetch loop that asks, drops and repeats as
 * kafkajs does (with kafkajs' own Batch and our decoder under it), and everything of ours above it as in production.
 */
import { createRequire } from 'node:module'
import type { EachBatchPayload } from 'kafkajs'
import { onTestFinished } from 'vitest'
import type { Questions } from '../../src/adapters/kafka/admin.ts'
import { Consuming } from '../../src/adapters/kafka/consuming.ts'
import { patchKafkajs, withOwnDecoder } from '../../src/adapters/kafka/insides.ts'
import type { KafkaSourceOptions } from '../../src/adapters/kafka/options.ts'
import type { Run } from '../../src/adapters/kafka/run.ts'
import { Voice } from '../../src/adapters/kafka/voice.ts'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import type { Assignment, SourceListener } from '../../src/consumer/ports.ts'
import type { Protocol } from '../../src/core/ownership.ts'
import { placeOf, type TopicPartition } from '../../src/core/record.ts'
import { Listening } from '../contracts/listening.ts'
import { listeningLog, turn } from './floor.ts'
import { fetchAnswer, lastOffsetOf } from './record-batch.ts'

const require = createRequire(import.meta.url)

interface KafkajsAnswer {
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly [object] }[]
}

interface KafkajsBatch {
  isEmpty(): boolean
}

/** One partition at the broker. */
export class BenchLog {
  batches: Buffer[] = []
  logStart = 0
  /** What every fetch is answered; 0: records. */
  errorCode = 0
  /** Who is asked for the ends of its topic leaves it out. */
  isHidden = false
  aborted: [producerId: number, firstOffset: number][] = []
  committed: { offset: string; metadata: string } | null = null

  get end(): number {
    const last = this.batches.at(-1)
    return last === undefined ? this.logStart : lastOffsetOf(last) + 1
  }
}

export class KafkaBench {
  readonly clock = memoryClock()
  readonly listening = new Listening()
  readonly log = listeningLog()
  readonly consuming: Consuming
  /** What kafkajs was told to go on behind, by place. */
  readonly resolved: string[] = []
  /** The offsets that were asked for. */
  readonly fetches: number[] = []
  readonly commits: unknown[] = []
  /** How often the leaders were asked for. */
  refreshes = 0
  /** The broker answers questions. */
  answersQuestions = true
  /** Its answers are on their way for so long. */
  answering: Promise<void> = Promise.resolve()
  /** Topics that the broker does not have. */
  readonly missing = new Set<string>()
  /** Topics that it has and that we may not see. */
  readonly forbidden = new Set<string>()
  readonly #logs = new Map<string, BenchLog>()
  /** kafkajs' own. */
  readonly #positions = new Map<string, number>()
  readonly #paused = new Set<string>()

  /** For the test that makes it: what no source may do fails it in the end. Where it gives a listener, that one is told in place of ours. */
  constructor(change: Partial<KafkaSourceOptions> = {}, listener: SourceListener = this.listening) {
    onTestFinished(() => {
      const { violations } = this.listening
      if (violations.length > 0) throw new Error(`the source broke its contract: ${violations.join('; ')}`)
    })
    patchKafkajs()
    this.consuming = new Consuming({
      options: {
        brokers: ['broker:9092'],
        clientId: 'test',
        security: null,
        log: this.log,
        clock: this.clock,
        groupId: 'group',
        topics: ['orders'],
        sessionTimeoutMs: 30_000,
        rebalanceTimeoutMs: 60_000,
        drainTimeoutMs: 20_000,
        startFrom: 'earliest',
        skips: [],
        ...change,
      },
      // Boundary: the methods that are asked.
      questions: {
        close: async () => {},
        ask: async (question: (admin: unknown) => unknown) => {
          await this.answering
          return await question(this.#admin())
        },
      } as Questions,
      voice: new Voice(listener),
    })
    const consumer = {
      pause: (topics: Topics) => this.#eachOf(topics, place => this.#paused.add(place)),
      resume: (topics: Topics) => this.#eachOf(topics, place => this.#paused.delete(place)),
    }
    const refreshMetadata = async (topic: string): Promise<void> => {
      this.refreshes++
      if (this.forbidden.has(topic)) throw refusal(topic)
    }
    // Boundary: what Consuming asks of a run while it lives.
    this.consuming.begins({ consumer, refreshMetadata, close: async () => {} } as unknown as Run)
  }

  at(partition: number, topic = 'orders'): BenchLog {
    const place = placeOf({ topic, partition })
    const log = this.#logs.get(place) ?? new BenchLog()
    this.#logs.set(place, log)
    return log
  }

  isPaused(partition: number, topic = 'orders'): boolean {
    return this.#paused.has(placeOf({ topic, partition }))
  }

  /** kafkajs' position. */
  positionOf(partition: number, topic = 'orders'): number {
    return this.#positions.get(placeOf({ topic, partition })) ?? -1
  }

  assignment(partition: number, topic = 'orders'): Assignment {
    const found = this.listening.assignments.find(each => each.topic === topic && each.partition === partition)
    if (found === undefined) throw new Error(`${topic}/${partition} is not assigned`)
    return found
  }

  /** What a join says is ours, as it is sent: the coordinator then waits for the other members. */
  claim(): readonly TopicPartition[] {
    this.#hasClaimed = true
    return this.consuming.events.owned()
  }

  #hasClaimed = false

  /** A join, and kafkajs' new generation, which begins where the group's commits stand. Partitions are numbers of `orders`, or places. */
  join(
    partitions: readonly (number | TopicPartition)[],
    { protocol = 'cooperative', memberId = 'member' }: { protocol?: Protocol; memberId?: string } = {},
  ): void {
    const assignment = partitions.map(each => (typeof each === 'number' ? { topic: 'orders', partition: each } : each))
    if (!this.#hasClaimed) this.claim()
    this.#hasClaimed = false
    this.#positions.clear()
    for (const { topic, partition } of assignment) {
      const { committed, logStart } = this.at(partition, topic)
      const offset = Number(committed?.offset ?? -1)
      this.#positions.set(placeOf({ topic, partition }), offset < 0 ? logStart : offset)
    }
    this.consuming.events.joined({ memberId, assignment, protocol, tookMs: 0 })
  }

  /** Joined, and what the group had stored is known. */
  async begin(...partitions: readonly number[]): Promise<void> {
    this.join(partitions)
    await turn()
  }

  /** One fetch of one partition, as kafkajs makes it; false when it is paused. */
  async fetch(partition = 0, topic = 'orders'): Promise<boolean> {
    if (this.isPaused(partition, topic)) return false
    await this.answer({ from: this.positionOf(partition, topic), partition, topic })
    return true
  }

  /** What comes back of a fetch from `from` on, whatever has become of the partition since it was sent. */
  async answer({ from, partition = 0, topic = 'orders' }: { from: number; partition?: number; topic?: string }) {
    this.fetches.push(from)
    await this.give(from, this.#bytesOf(this.at(partition, topic), { from, partition, topic }))
  }

  async give(from: number, raw: Buffer): Promise<void> {
    const { events } = this.consuming
    // Boundary: kafkajs' own modules, which have no types.
    const response = require('kafkajs/src/protocol/requests/fetch/v11/response') as {
      decode(raw: Buffer): Promise<KafkajsAnswer>
    }
    const Batch = require('kafkajs/src/consumer/batch') as new (
      topic: string,
      from: string,
      part: object,
    ) => KafkajsBatch
    const { responses } = await withOwnDecoder(
      place => events.idle(place),
      () => response.decode(raw),
    )
    for (const { topicName, partitions } of responses) {
      const batch = new Batch(topicName, String(from), partitions[0])
      if (!batch.isEmpty()) events.batch(this.#payloadOf(batch as unknown as EachBatchPayload['batch']))
    }
  }

  /** As long as something comes of it; answers how many fetches that took. */
  async drain(partition = 0, topic = 'orders'): Promise<number> {
    const { end } = this.at(partition, topic)
    for (let fetches = 0; ; fetches++) {
      if (this.positionOf(partition, topic) >= end || !(await this.fetch(partition, topic))) return fetches
      if (fetches > 100) throw new Error('it does not come to the end')
    }
  }

  /** Time passes, and everything that it wakes has happened. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await turn()
  }

  /** The broker is asked what it knows of the topics: at once, and from then on every five seconds. */
  async ask(): Promise<void> {
    if (this.#isWatching) return await this.pass(5_000)
    this.#isWatching = true
    void this.consuming.watchOffsets()
    await turn()
  }

  #isWatching = false

  #payloadOf(batch: EachBatchPayload['batch']): EachBatchPayload {
    const { topic, partition } = batch
    const place = placeOf({ topic, partition })
    // Boundary: what the source asks of it.
    return {
      batch,
      resolveOffset: (offset: string) => {
        this.resolved.push(`${partition}@${offset}`)
        this.#positions.set(place, Number(offset) + 1)
      },
      commitOffsetsIfNecessary: async (request: unknown) => void this.commits.push(request),
    } as unknown as EachBatchPayload
  }

  #bytesOf(log: BenchLog, { from, ...place }: TopicPartition & { from: number }): Buffer {
    if (log.errorCode !== 0) return fetchAnswer({ ...place, errorCode: log.errorCode })
    if (from < log.logStart || from > log.end) return fetchAnswer({ ...place, errorCode: 1 })
    return fetchAnswer({
      ...place,
      highWatermark: log.end,
      logStart: log.logStart,
      aborted: log.aborted,
      batches: log.batches.filter(batch => lastOffsetOf(batch) >= from),
    })
  }

  #admin(): object {
    if (!this.answersQuestions) throw new Error('no answer')
    const rowsOf = (wanted: string) =>
      [...this.#logs].flatMap(([place, log]) => {
        const [topic = '', partition = ''] = place.split('/')
        return topic === wanted ? [{ partition: Number(partition), log }] : []
      })
    return {
      fetchTopicMetadata: async ({ topics: [topic = ''] }: { topics: readonly string[] }) => {
        if (this.forbidden.has(topic)) throw refusal(topic)
        if (this.missing.has(topic)) throw Object.assign(new Error(topic), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })
      },
      fetchOffsets: async ({ topics }: { topics: readonly string[] }) => {
        for (const topic of topics) if (this.forbidden.has(topic)) throw refusal(topic)
        return topics.map(topic => ({
          topic,
          partitions: rowsOf(topic).map(({ partition, log: { committed } }) => ({
            partition,
            offset: committed?.offset ?? '-1',
            metadata: committed?.metadata ?? null,
          })),
        }))
      },
      fetchTopicOffsets: async (topic: string) =>
        rowsOf(topic)
          .filter(({ log }) => !log.isHidden)
          .map(({ partition, log }) => ({ partition, low: String(log.logStart), high: String(log.end) })),
    }
  }

  #eachOf(topics: Topics, change: (place: string) => void): void {
    for (const { topic, partitions } of topics)
      for (const partition of partitions) change(placeOf({ topic, partition }))
  }
}

function refusal(topic: string): Error {
  return Object.assign(new Error(topic), { type: 'TOPIC_AUTHORIZATION_FAILED' })
}

type Topics = readonly { readonly topic: string; readonly partitions: readonly number[] }[]
