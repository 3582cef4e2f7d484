/** Our decoder is under our consumers only: a plain kafkajs consumer of the same process gets its records as ever, also while ours run. */
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

test('a plain consumer and ours read the same topic in one process, started in either order, over a rejoin of ours', async () => {
  const topic = freshName('beside')
  await world.createTopic(topic, 2)
  const plain: string[] = []
  const consumers = [freshName('plain'), freshName('plain')].map(groupId => world.kafka.consumer({ groupId }))
  const runPlainly = async (consumer: (typeof consumers)[number]): Promise<void> => {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => void plain.push(String(message.value)) })
  }
  const source = kafkaSource(world.sourceOptions({ groupId: freshName('group'), topics: [topic] }))
  const listening = new Listening()
  const [before, after] = consumers
  if (before !== undefined) await runPlainly(before)
  await source.start(listening)
  if (after !== undefined) await runPlainly(after)
  const write = async (from: number): Promise<void> => {
    for (const partition of [0, 1])
      await world.append(
        topic,
        partition,
        Array.from({ length: 25 }, (_, index) => ({ value: Buffer.from(`${partition}-${from + index}`) })),
      )
  }
  await write(0)
  await until('fifty of ours', () => listening.records.length === 50)
  source.rejoin('a test')
  await until('another join', () => listening.joins.length === 2)
  await write(25)
  await until('all of ours', () => listening.records.length === 100)
  await until('all of theirs', () => plain.length === 200)
  await Promise.all([source.stop(), ...consumers.map(consumer => consumer.disconnect())])
  const ours = new Set(listening.values)
  expect(ours.size).toBe(100)
  expect(new Set(plain)).toEqual(ours)
  expect(listening.violations).toEqual([])
})
