import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

let world: KafkaWorld

beforeAll(() => {
  world = new KafkaWorld(parts().brokers)
})

afterAll(() => world.close())

test('gzip, snappy, lz4, zstd and plain batches of one partition are read', async () => {
  const { None, GZIP, Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes
  const topic = freshName('codecs')
  await world.createTopic(topic, 1)
  for (const codec of [None, GZIP, Snappy, LZ4, ZSTD])
    await world.append(
      topic,
      0,
      Array.from({ length: 100 }, (_, index) => ({ value: Buffer.from(`${codec}-${index}-`.repeat(20)) })),
      codec,
    )
  const source = kafkaSource(world.sourceOptions({ groupId: freshName('group'), topics: [topic] }))
  const listening = new Listening()
  await source.start(listening)
  await until('all five hundred', () => listening.records.length === 500)
  await source.stop()
  expect(listening.values).toEqual(
    [None, GZIP, Snappy, LZ4, ZSTD].flatMap(codec =>
      Array.from({ length: 100 }, (_, index) => `${codec}-${index}-`.repeat(20)),
    ),
  )
  expect(listening.violations).toEqual([])
})
