/** What the network carries: neither a join nor a pause has the broker send again what the listener has. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

/** Empty answers of a few seconds, with room. */
const EMPTY_ANSWERS_BYTES_MAX = 60_000
let world: KafkaWorld

beforeAll(() => {
  world = new KafkaWorld(parts().brokers)
})

afterAll(() => world.close())

const megabyte = Array.from({ length: 1_000 }, (_, index) => ({ value: Buffer.alloc(1_000, index % 256) }))

test('a partition that stays over a join is not fetched again from its committed offset', async () => {
  const topic = freshName('twice')
  await world.createTopic(topic, 1)
  await world.append(topic, 0, megabyte)
  const source = kafkaSource(world.sourceOptions({ groupId: freshName('group'), topics: [topic] }))
  const listening = new Listening()
  await source.start(listening)
  await until('a thousand records', () => listening.records.length === 1_000)
  const before = listening.fetchedBytes
  source.rejoin('a test')
  await until('the second join', () => listening.joins.length === 2)
  await world.append(topic, 0, [{ value: Buffer.from('behind') }])
  await until('the one behind', () => listening.records.length === 1_001)
  await source.stop()
  expect(before).toBeGreaterThan(1_000_000)
  expect(listening.fetchedBytes - before).toBeLessThan(EMPTY_ANSWERS_BYTES_MAX)
})

test('a pause from within an answer wastes no fetch', async () => {
  const topic = freshName('twice')
  await world.createTopic(topic, 1)
  for (let each = 0; each < 4; each++) await world.append(topic, 0, megabyte)
  const source = kafkaSource(world.sourceOptions({ groupId: freshName('group'), topics: [topic] }))
  const listening = new Listening()
  let pauses = 0
  listening.onAnswered = ({ assignment }) => {
    source.pause([assignment])
    pauses++
    void sleep(30).then(() => source.resume([assignment]))
  }
  await source.start(listening)
  await until('four thousand records', () => listening.records.length === 4_000)
  await source.stop()
  expect(pauses).toBeGreaterThan(3)
  expect(listening.violations).toEqual([])
  expect(listening.fetchedBytes).toBeLessThan(4_400_000)
})
