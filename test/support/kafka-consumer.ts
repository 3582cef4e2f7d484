/** A real consumer on the Kafka source without Kafka. It knows no schema of what is written here, so every record becomes a dead letter. */
import type { Consumer, ConsumerOptions } from '../../src/consumer/consumer.ts'
import type {
  CommitResult,
  MissedCause,
  OffsetToCommit,
  RecordSource,
  SourceListener,
} from '../../src/consumer/ports.ts'
import type { Protocol } from '../../src/core/ownership.ts'
import type { PartitionStatus } from '../../src/core/status.ts'
import { Bench } from './consumer-bench.ts'
import { turn } from './floor.ts'
import { type BenchLog, KafkaBench } from './kafka-bench.ts'

const TOPIC = 'things'

interface Missed {
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly cause: MissedCause
}

interface CommitSent {
  readonly topics: readonly {
    readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly metadata: string }[]
  }[]
}

export class KafkaConsumer {
  readonly parts: Bench
  readonly consumer: Consumer
  readonly misses: Missed[] = []
  memberId = 'member'
  #kafka: KafkaBench | null = null

  constructor(limits: Partial<ConsumerOptions> = {}) {
    this.parts = new Bench({ limits })
    this.consumer = this.parts.member({ source: this.#source() }).consumer
  }

  /** It has started, and has not joined. */
  static async started(limits?: Partial<ConsumerOptions>): Promise<KafkaConsumer> {
    const made = new KafkaConsumer(limits)
    await made.consumer.start()
    return made
  }

  get kafka(): KafkaBench {
    if (this.#kafka === null) throw new Error('the consumer has not started its source')
    return this.#kafka
  }

  at(partition: number): BenchLog {
    return this.kafka.at(partition, TOPIC)
  }

  status(partition: number): PartitionStatus | undefined {
    return this.consumer.status().partitions.find(each => each.partition === partition)
  }

  join(partitions: readonly number[], protocol: Protocol = 'cooperative'): void {
    const places = partitions.map(partition => ({ topic: TOPIC, partition }))
    this.kafka.join(places, { protocol, memberId: this.memberId })
  }

  /** The partition is read as far as kafkajs may, once. */
  async fetch(partition: number): Promise<void> {
    if (this.kafka.positionOf(partition, TOPIC) >= 0) await this.kafka.fetch(partition, TOPIC)
  }

  /** An answer to a fetch that was sent before kafkajs' position changed. */
  async answerLate(partition: number, from: number): Promise<void> {
    await this.kafka.answer({ from, partition, topic: TOPIC })
  }

  /** Time passes for all of it, and a heartbeat is taken. */
  async pass(ms: number): Promise<void> {
    this.kafka.consuming.events.heartbeat({ memberId: this.memberId, generation: 1, tookMs: 0 })
    await this.kafka.pass(ms)
    await this.parts.pass(ms)
    await turn()
  }

  #source(): RecordSource {
    return {
      start: async listener => void (this.#kafka = new KafkaBench({ topics: [TOPIC] }, this.#listening(listener))),
      pause: assignments => this.kafka.consuming.pause(assignments),
      resume: assignments => this.kafka.consuming.resume(assignments),
      commit: async offsets => await this.#commit(offsets),
      rejoin: () => {},
      stop: async () => {},
      alive: true,
    }
  }

  #listening(listener: SourceListener): SourceListener {
    const missed: SourceListener['missed'] = ({ assignment, ...range }) => {
      this.misses.push({ partition: assignment.partition, ...range })
      listener.missed({ assignment, ...range })
    }
    return { ...listener, missed }
  }

  /** What the group has stored is what the broker was last sent. */
  async #commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult> {
    const { consuming, commits } = this.kafka
    const sentBefore = commits.length
    const result = await consuming.commit(offsets)
    // Boundary: as `commit.ts` makes them.
    for (const { topics } of commits.slice(sentBefore) as readonly CommitSent[])
      for (const { partitions } of topics)
        for (const { partition, offset, metadata } of partitions) this.at(partition).committed = { offset, metadata }
    return result
  }
}
