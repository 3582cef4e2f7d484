/** Topics, records and groups on a real broker, as a test wants them; everything but what is tested. */
import type { Admin, Broker, IHeaders, Kafka, Producer } from 'kafkajs'
import kafkajs from 'kafkajs'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import { patchKafkajs } from '../../src/adapters/kafka/insides.ts'
import type { KafkaConnection, KafkaSourceOptions } from '../../src/adapters/kafka/options.ts'
import type { Headers, Log } from '../../src/consumer/ports.ts'
import { registerCodecs } from './codecs.ts'
import { SILENT } from './silent.ts'

export interface TestRecord {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: Headers
  readonly timestampMs?: number
}

const CREATE_TRIES_MAX = 100

export class KafkaWorld {
  readonly brokers: readonly string[]
  readonly kafka: Kafka
  #admin: Admin | null = null
  #producer: Producer | null = null

  constructor(brokers: readonly string[]) {
    patchKafkajs()
    registerCodecs()
    this.brokers = brokers
    this.kafka = new kafkajs.Kafka({
      brokers: [...brokers],
      clientId: 'test',
      logLevel: kafkajs.logLevel.NOTHING,
      requestTimeout: 10_000,
    })
  }

  connection(log: Log = SILENT): KafkaConnection {
    return { brokers: this.brokers, clientId: 'sluice-test', security: null, log, clock: systemClock() }
  }

  sourceOptions(
    options: Pick<KafkaSourceOptions, 'groupId' | 'topics'> & Partial<KafkaSourceOptions>,
  ): KafkaSourceOptions {
    return {
      ...this.connection(),
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      drainTimeoutMs: 3_000,
      startFrom: 'earliest',
      skips: [],
      ...options,
    }
  }

  async admin(): Promise<Admin> {
    if (this.#admin === null) {
      this.#admin = this.kafka.admin()
      await this.#admin.connect()
    }
    return this.#admin
  }

  async producer(): Promise<Producer> {
    if (this.#producer === null) {
      this.#producer = this.kafka.producer({
        allowAutoTopicCreation: false,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      })
      await this.#producer.connect()
    }
    return this.#producer
  }

  /** A name that was just deleted is refused for a moment. */
  async createTopic(topic: string, partitions: number, config: Readonly<Record<string, string>> = {}): Promise<void> {
    const admin = await this.admin()
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    let perhapsThere = false
    for (let tries = 1; ; tries++) {
      try {
        const topics = [{ topic, numPartitions: partitions, configEntries }]
        if (await admin.createTopics({ waitForLeaders: true, topics })) return
        // A try that failed while it waited for the leaders has created it.
        if (perhapsThere) return
        if (tries === CREATE_TRIES_MAX) throw new Error(`${topic} exists already`)
      } catch (error) {
        if (tries === CREATE_TRIES_MAX) throw error
        perhapsThere = true
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  async append(
    topic: string,
    partition: number,
    records: readonly TestRecord[],
    compression = kafkajs.CompressionTypes.None,
  ): Promise<void> {
    const producer = await this.producer()
    const messages = records.map(({ key = null, value = null, headers = [], timestampMs }) => ({
      partition,
      key: bufferOf(key),
      value: bufferOf(value),
      headers: headersOf(headers),
      ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
    }))
    await producer.send({ topic, messages, compression })
  }

  /** `count` offsets that no reader of committed records sees: `count - 1` records and the marker of their abortion. */
  async appendAborted(topic: string, partition: number, count: number): Promise<void> {
    const from = await this.#end(topic, partition)
    const producer = this.kafka.producer({
      transactionalId: `test-${crypto.randomUUID()}`,
      maxInFlightRequests: 1,
      idempotent: true,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({
      topic,
      messages: Array.from({ length: count - 1 }, () => ({ partition, value: 'aborted' })),
    })
    await transaction.abort()
    await producer.disconnect()
    // The broker answers before it has written the marker: what comes next could stand before it.
    while ((await this.#end(topic, partition)) < from + count) await new Promise(resolve => setTimeout(resolve, 10))
  }

  async #end(topic: string, partition: number): Promise<number> {
    const offsets = await (await this.admin()).fetchTopicOffsets(topic)
    return Number(offsets.find(each => each.partition === partition)?.high)
  }

  /** Asks for the offsets first: kafkajs deletes only where it has seen the topic's leaders. */
  async removeBefore(topic: string, partition: number, offset: number): Promise<void> {
    const admin = await this.admin()
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
  }

  async committed(
    group: string,
    topic: string,
    partition: number,
  ): Promise<{ nextOffset: number; metadata: string } | null> {
    const admin = await this.admin()
    const [stored] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const row = stored?.partitions.find(each => each.partition === partition)
    if (row === undefined || Number(row.offset) < 0) return null
    return { nextOffset: Number(row.offset), metadata: row.metadata ?? '' }
  }

  /** Of every partition, in their order; null where there is none. */
  async allCommitted(group: string, topic: string): Promise<(number | null)[]> {
    const admin = await this.admin()
    const [stored] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const rows = stored?.partitions.toSorted((one, other) => one.partition - other.partition) ?? []
    return rows.map(({ offset }) => (Number(offset) < 0 ? null : Number(offset)))
  }

  /** As the coordinator does when a session is over: the members are gone and do not know it. */
  async expelAll(group: string): Promise<void> {
    const admin = await this.admin()
    const described = await admin.describeGroups([group])
    const coordinator = await this.#coordinator(group)
    for (const { memberId } of described.groups[0]?.members ?? [])
      await coordinator.leaveGroup({ groupId: group, memberId })
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin?.disconnect(), this.#producer?.disconnect(), this.#hidden?.disconnect()])
  }

  #hidden: { disconnect(): Promise<void> } | null = null

  async #coordinator(group: string): Promise<LeavingBroker> {
    const found: { find: (() => Promise<Broker>) | null } = { find: null }
    const consumer = this.kafka.consumer({
      groupId: group,
      partitionAssigners: [
        config => {
          found.find = () => config.cluster.findGroupCoordinator({ groupId: group })
          return kafkajs.PartitionAssigners.roundRobin(config)
        },
      ],
    })
    await consumer.connect()
    await this.#hidden?.disconnect()
    this.#hidden = consumer
    if (found.find === null) throw new Error('kafkajs made no cluster')
    // kafkajs asks for metadata before it can look for anything.
    await consumer.describeGroup().catch(() => undefined)
    // Boundary: a method of kafkajs' Broker that its types leave out.
    return (await found.find()) as Broker & LeavingBroker
  }
}

interface LeavingBroker {
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
}

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}

function headersOf(headers: Headers): IHeaders {
  const byName = new Map<string, Buffer[]>()
  for (const [name, value] of headers) byName.set(name, [...(byName.get(name) ?? []), Buffer.from(value ?? '')])
  return Object.fromEntries(byName)
}
