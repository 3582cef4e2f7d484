/** Partitions that are added to a topic are noticed within the age of kafkajs' metadata, half a minute, and read from their beginning. */
import { expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

const five = Array.from({ length: 5 }, (_, index) => ({ value: Buffer.from(`v${index}`) }))

test('added partitions are read from their beginning, and the old one goes on under its epoch', async () => {
  const world = new KafkaWorld(parts().brokers)
  const topic = freshName('added')
  await world.createTopic(topic, 1)
  await world.append(topic, 0, five)
  const source = kafkaSource(world.sourceOptions({ groupId: freshName('group'), topics: [topic] }))
  const listening = new Listening()
  await source.start(listening)
  await until('five records', () => listening.records.length === 5)
  const [before] = listening.assignments
  await (await world.admin()).createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  await world.close()
  // A producer that has seen the topic before drops what is for a partition that it does not know.
  const later = new KafkaWorld(parts().brokers)
  for (const partition of [0, 1, 2])
    await until('a leader', () => later.append(topic, partition, five).then(() => true))
  await until('all of them', () => listening.records.length === 20, { timeoutMs: 60_000 })
  await Promise.all([source.stop(), later.close()])
  expect(listening.partitions).toEqual([0, 1, 2])
  expect(listening.assignments).toContainEqual(before)
  expect(listening.revokings).toEqual([])
  expect(listening.violations).toEqual([])
})
