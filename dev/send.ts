/** The sample traffic on its way: topics and schemas made ready, records encoded and sent, and an account of what was sent. */
import { readFile } from 'node:fs/promises'
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import avsc from 'avsc'
import { CompressionTypes, type ITopicConfig, Kafka, logLevel, Partitioners } from 'kafkajs'

import { patchKafkajs } from '../src/adapters/kafka/insides.ts'
import { type Encoders, frame, type SampleRecord, TOPICS, type TrafficPlan } from './traffic.ts'

const PARTITIONS = 12
/** A dead letter is its record and some headers: its topic takes records this much larger than a topic usually does. */
const DEAD_LETTER_BYTES_MAX = 1_048_588 + 65_536
const BATCH_RECORDS_MAX = 250

/** A record of a schema that no handler takes; registered under a subject of its own. */
const STRANGER = {
  type: 'record',
  name: 'PageView',
  namespace: 'sluice.sample',
  fields: [{ name: 'url', type: 'string' }],
} as const

export function kafkaAt(brokers: string[]): Kafka {
  patchKafkajs()
  return new Kafka({ brokers, clientId: 'sluice-traffic', logLevel: logLevel.NOTHING })
}

/** Topics that exist already stay as they are. */
export async function createTopics(kafka: Kafka, deadLetterTopics: readonly string[]): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    const sources = TOPICS.map((topic): ITopicConfig => ({ topic, numPartitions: PARTITIONS }))
    const deadLetters = deadLetterTopics.map(
      (topic): ITopicConfig => ({
        topic,
        numPartitions: PARTITIONS,
        configEntries: [{ name: 'max.message.bytes', value: String(DEAD_LETTER_BYTES_MAX) }],
      }),
    )
    const topics = [...sources, ...deadLetters].filter(({ topic }) => !existing.has(topic))
    if (topics.length > 0) await admin.createTopics({ topics, waitForLeaders: true })
  } finally {
    await admin.disconnect()
  }
}

function schemaOf(topic: string): Promise<string> {
  return readFile(new URL(`../schemas/${topic}.avsc`, import.meta.url), 'utf8')
}

async function register(
  registry: SchemaRegistry,
  subject: string,
  schema: string,
): Promise<(value: unknown) => Buffer> {
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema },
    { subject, compatibility: COMPATIBILITY.BACKWARD },
  )
  const type = avsc.Type.forSchema(JSON.parse(schema))
  return value => frame(id, type.toBuffer(value))
}

/** Registers the schemas under `<topic>-value`, each compatible with the one before it, and gives what writes their bytes. */
export async function registerSchemas(registryUrl: string): Promise<Encoders> {
  const registry = new SchemaRegistry({ host: registryUrl })
  const activity = await register(registry, 'user-activity-value', await schemaOf('user-activity'))
  const order = await register(registry, 'orders-value', await schemaOf('orders'))
  const stranger = await register(registry, 'page-views-value', JSON.stringify(STRANGER))
  return { activity, order, stranger: () => stranger({ url: 'https://shop.example/cart' }) }
}

export interface SentRecord {
  record: SampleRecord
  /** When it was given to the broker, wall clock; also the record's own timestamp. */
  sentMs: number
}

export interface Sent {
  /** By event id, the first time it was sent. */
  events: Map<string, SentRecord>
  repeats: number
  /** By sample id. */
  bad: Map<string, SentRecord>
  records: number
}

function inBatches(records: readonly SampleRecord[]): SampleRecord[][] {
  return Array.from({ length: Math.ceil(records.length / BATCH_RECORDS_MAX) }, (_, at) =>
    records.slice(at * BATCH_RECORDS_MAX, (at + 1) * BATCH_RECORDS_MAX),
  )
}

/** Sends phase after phase. `stopped` is asked between batches. */
export async function sendTraffic(
  kafka: Kafka,
  plan: TrafficPlan,
  {
    onPhase,
    onBatch,
    stopped,
  }: { onPhase: (name: string) => void; onBatch: (records: number) => void; stopped: () => boolean },
): Promise<Sent> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  const sent: Sent = { events: new Map(), repeats: 0, bad: new Map(), records: 0 }
  await producer.connect()
  try {
    for (const { name, records } of plan.phases) {
      onPhase(name)
      for (const batch of inBatches(records)) {
        if (stopped()) return sent
        const sentMs = Date.now()
        const topicMessages = TOPICS.map(topic => ({
          topic,
          messages: batch
            .filter(record => record.topic === topic)
            .map(({ id, key, value }) => ({ key, value, headers: { 'sample-id': id }, timestamp: String(sentMs) })),
        })).filter(({ messages }) => messages.length > 0)
        await producer.sendBatch({ topicMessages, acks: -1, compression: CompressionTypes.GZIP })
        for (const record of batch) note(sent, { record, sentMs })
        onBatch(batch.length)
      }
    }
  } finally {
    await producer.disconnect()
  }
  return sent
}

function note(sent: Sent, one: SentRecord): void {
  sent.records++
  const { record } = one
  switch (record.kind) {
    case 'event':
      sent.events.set(record.eventId, one)
      break
    case 'repeat':
      sent.repeats++
      break
    case 'bad':
      sent.bad.set(record.id, one)
      break
    default:
      record satisfies never
  }
}
