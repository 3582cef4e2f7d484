import kafkajs from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { kafkaDeadLetters } from '../../src/adapters/kafka/dead-letters.ts'
import type { KafkaDeadLettersOptions } from '../../src/adapters/kafka/options.ts'
import { DeadLetterNotWritten, Misconfigured, Unavailable } from '../../src/consumer/errors.ts'
import { deadLettersContract, letterOf, type ReadLetter } from '../contracts/dead-letters.ts'
import { listeningLog } from '../support/floor.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts } from '../support/parts.ts'
import { type ReadMessage, readTopic } from '../support/read-topic.ts'

let made: KafkaWorld | null = null
const world = (): KafkaWorld => {
  made ??= new KafkaWorld(parts().brokers)
  return made
}

const optionsFor = (topic: string, change: Partial<KafkaDeadLettersOptions> = {}): KafkaDeadLettersOptions => ({
  ...world().connection(),
  topics: [topic],
  topicFor: name => `${name}.dlt`,
  createTopics: true,
  inboxRetentionMs: null,
  group: 'group',
  ...change,
})

async function sourceTopic(partitions: number, config: Record<string, string> = {}): Promise<string> {
  const topic = freshName('dead')
  await world().createTopic(topic, partitions, config)
  return topic
}

function letterIn({ message }: ReadMessage): ReadLetter {
  // kafkajs gathers repeated names; the test's own expectation is in that order too.
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(each => ({
      name,
      value: each === undefined || each === null ? null : Buffer.from(each),
    })),
  )
  const ours = new Map(
    headers
      .filter(({ name }) => name.startsWith('sluice-dlt-'))
      .map(({ name, value }) => [name.slice('sluice-dlt-'.length), value?.toString() ?? '']),
  )
  const text = (name: string): string => ours.get(name) ?? ''
  return {
    id: text('id'),
    topic: text('topic'),
    partition: Number(text('partition')),
    record: {
      offset: Number(text('offset')),
      timestampMs: Number(text('timestamp')),
      key: message.key,
      value: message.value,
      headers: headers.filter(({ name }) => !name.startsWith('sluice-dlt-')).map(({ name, value }) => [name, value]),
    },
    handler: ours.get('handler') ?? null,
    reason: text('reason'),
    error: text('error'),
    attempts: Number(text('attempts')),
    firstFailedAtMs: Date.parse(text('first-failed-at')),
    failedAtMs: Date.parse(text('failed-at')),
  }
}

deadLettersContract('Kafka', () => ({
  async prepare(partitions) {
    const topic = await sourceTopic(partitions)
    return { topic, deadLetters: kafkaDeadLetters(optionsFor(topic)) }
  },
  read: async topic => (await readTopic(world(), `${topic}.dlt`)).map(letterIn),
  refuse: async topic => (await world().admin()).deleteTopics({ topics: [`${topic}.dlt`] }),
}))

describe('dead letters in Kafka', () => {
  test('they go to the source partition modulo the count, with the partitions and the size of the source', async () => {
    const topic = await sourceTopic(3, { 'max.message.bytes': '200000' })
    const deadLetters = kafkaDeadLetters(optionsFor(topic))
    await deadLetters.start()
    await deadLetters.write([letterOf(topic, { partition: 2 })])
    await deadLetters.write([letterOf(topic, { partition: 7 })])
    await deadLetters.stop()
    const read = await readTopic(world(), `${topic}.dlt`)
    expect(read.map(({ partition }) => partition)).toEqual([1, 2])
    const admin = await world().admin()
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: `${topic}.dlt` }],
    })
    expect(resources[0]?.configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue).toBe(
      String(200_000 + 65_536),
    )
  })

  test('a record of the size that the source just takes is taken with its headers', async () => {
    const topic = await sourceTopic(1, { 'max.message.bytes': '300000' })
    const deadLetters = kafkaDeadLetters(optionsFor(topic))
    await deadLetters.start()
    const value = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)))
    const incompressible = Buffer.concat([
      value,
      value.map(byte => byte ^ 0x5a),
      value.map(byte => (byte * 7) & 0xff),
      value.map(byte => byte ^ 0x33),
    ])
    await deadLetters.write([
      letterOf(topic, {
        record: { offset: 0, timestampMs: 0, key: null, value: incompressible, headers: [] },
        error: 'x'.repeat(5_000),
      }),
    ])
    await deadLetters.stop()
    expect((await readTopic(world(), `${topic}.dlt`)).length).toBe(1)
  })

  test('headers that look like ours are kept under another name', async () => {
    const topic = await sourceTopic(1)
    const deadLetters = kafkaDeadLetters(optionsFor(topic))
    await deadLetters.start()
    const record = {
      offset: 3,
      timestampMs: 0,
      key: null,
      value: null,
      headers: [['sluice-dlt-reason', Buffer.from('forged')] as const],
    }
    await deadLetters.write([letterOf(topic, { record, reason: 'undecodable' })])
    await deadLetters.stop()
    const headers = (await readTopic(world(), `${topic}.dlt`))[0]?.message.headers
    expect(String(headers?.['sluice-dlt-reason'])).toBe('undecodable')
    expect(String(headers?.['original-sluice-dlt-reason'])).toBe('forged')
    expect(String(headers?.['sluice-dlt-id'])).toBe(`${topic}/0/3/group`)
  })

  test('a dead letter topic that does not exist and may not be created is named', async () => {
    const topic = await sourceTopic(1)
    const deadLetters = kafkaDeadLetters(optionsFor(topic, { createTopics: false }))
    await expect(deadLetters.start()).rejects.toThrow(Misconfigured)
    await expect(deadLetters.start()).rejects.toThrow(`${topic}.dlt`)
    await world().createTopic(`${topic}.dlt`, 1)
    await deadLetters.start()
    await deadLetters.write([letterOf(topic)])
    await deadLetters.stop()
  })

  test('a dead letter topic that takes less than its source may hold is said at the start', async () => {
    const topic = await sourceTopic(1, { 'max.message.bytes': '200000' })
    await world().createTopic(`${topic}.dlt`, 1, { 'max.message.bytes': '265535' })
    const log = listeningLog()
    const deadLetters = kafkaDeadLetters({ ...optionsFor(topic), log })
    await deadLetters.start()
    await deadLetters.stop()
    const warnings = log.lines.filter(({ level }) => level === 'warn')
    expect(warnings).toMatchObject([{ fields: { topic: `${topic}.dlt`, bytesMax: 265_535, neededBytes: 265_536 } }])
  })

  test('a topic that keeps its records longer than the inbox knows them is said at the start', async () => {
    const dayMs = 86_400_000
    const short = await sourceTopic(1, { 'retention.ms': String(7 * dayMs) })
    const long = await sourceTopic(1, { 'retention.ms': String(15 * dayMs) })
    const forEver = await sourceTopic(1, { 'retention.ms': '-1' })
    const said: unknown[] = []
    for (const topic of [short, long, forEver]) {
      const log = listeningLog()
      const deadLetters = kafkaDeadLetters({ ...optionsFor(topic), inboxRetentionMs: 14 * dayMs, log })
      await deadLetters.start()
      await deadLetters.stop()
      said.push(log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields))
    }
    expect(said).toMatchObject([
      [],
      [{ topic: long, topicRetentionMs: 15 * dayMs, inboxRetentionMs: 14 * dayMs }],
      [{ topic: forEver, topicRetentionMs: 'for ever' }],
    ])
  })

  test('a source topic that does not exist is what is named', async () => {
    const deadLetters = kafkaDeadLetters(optionsFor(`none-${crypto.randomUUID()}`, { createTopics: false }))
    await expect(deadLetters.start()).rejects.toThrow(/^topic none-\S+ does not exist/)
    await deadLetters.stop()
  })

  test('without a broker it is an outage', async () => {
    const deadLetters = kafkaDeadLetters({ ...optionsFor('any'), brokers: ['127.0.0.1:1'] })
    await expect(deadLetters.start()).rejects.toThrow(Unavailable)
    await deadLetters.stop()
  })

  test('a topic that refuses says so, and takes the next letter after it was put right', async () => {
    const topic = await sourceTopic(1)
    await world().createTopic(`${topic}.dlt`, 1, { 'max.message.bytes': '2000' })
    const deadLetters = kafkaDeadLetters(optionsFor(topic))
    await deadLetters.start()
    const value = Buffer.from(crypto.getRandomValues(new Uint8Array(4_000)))
    const large = letterOf(topic, { record: { offset: 0, timestampMs: 0, key: null, value, headers: [] } })
    await expect(deadLetters.write([large])).rejects.toThrow(DeadLetterNotWritten)
    await deadLetters.write([letterOf(topic, { offset: 1 })])
    await deadLetters.write([letterOf(topic, { offset: 2 })])
    await deadLetters.stop()
    const read = (await readTopic(world(), `${topic}.dlt`)).map(letterIn)
    expect(read.map(({ record }) => record.offset)).toEqual([1, 2])
  })
})

afterAll(() => made?.close())
