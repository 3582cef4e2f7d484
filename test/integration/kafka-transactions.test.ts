/** Records of aborted transactions never happened, wherever reading begins, and the position moves over them to the end of the log. */
import type { Producer } from 'kafkajs'
import kafkajs from 'kafkajs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

let world: KafkaWorld
const stops: (() => Promise<void>)[] = []

beforeAll(() => {
  world = new KafkaWorld(parts().brokers)
})

afterEach(() => Promise.all(stops.splice(0).map(stop => stop())))

afterAll(() => world.close())

async function transactional(): Promise<Producer> {
  const producer = world.kafka.producer({
    transactionalId: `test-${crypto.randomUUID()}`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  stops.push(() => producer.disconnect())
  return producer
}

const messages = (...values: string[]) => values.map(value => ({ partition: 0, value }))

/** From offset `from` on to the end of the log; answers the values and where every answer ended. */
async function readFrom(topic: string, from: number, end: number) {
  const groupId = freshName('group')
  const first = kafkaSource(world.sourceOptions({ groupId, topics: [topic] }))
  const early = new Listening()
  stops.push(() => first.stop())
  await first.start(early)
  await until('an assignment', () => early.assignments.length === 1)
  const offsets = early.assignments.map(assignment => ({ assignment, nextOffset: from, metadata: '' }))
  await until('a commit', async () => (await first.commit(offsets)).ok)
  await first.stop()
  const source = kafkaSource(world.sourceOptions({ groupId, topics: [topic] }))
  const listening = new Listening()
  stops.push(() => source.stop())
  await source.start(listening)
  await until('the end of the log', () => listening.answers.at(-1)?.positionAfter === end)
  expect(await source.commit(listening.everything())).toEqual({ ok: true })
  expect(await world.allCommitted(groupId, topic)).toEqual([end])
  expect(listening.violations).toEqual([])
  await source.stop()
  return listening.values
}

test('a log that ends with an aborted transaction, or with nothing but a marker, is read to its end', async () => {
  const [aborted, marked] = [freshName('transactions'), freshName('transactions')]
  const producer = await transactional()
  for (const topic of [aborted, marked]) {
    await world.createTopic(topic, 1)
    await world.append(topic, 0, [{ value: Buffer.from('plain') }])
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: messages('one', 'two') })
    await transaction.commit()
  }
  const transaction = await producer.transaction()
  await transaction.send({ topic: aborted, messages: messages('never', 'never') })
  await transaction.abort()
  expect(await readFrom(aborted, 0, 7)).toEqual(['plain', 'one', 'two'])
  expect(await readFrom(marked, 0, 4)).toEqual(['plain', 'one', 'two'])
  // Only the marker is left.
  expect(await readFrom(marked, 3, 4)).toEqual([])
})

test('aborted transactions that overlap: none of their records comes, whichever offset reading begins at', async () => {
  const topic = freshName('transactions')
  await world.createTopic(topic, 1)
  const open = []
  for (let each = 0; each < 3; each++) open.push(await (await transactional()).transaction())
  // Offsets 0 to 8, three producers in turn; then a plain record, and a marker each.
  for (let round = 0; round < 3; round++)
    for (const transaction of open) await transaction.send({ topic, messages: messages('never') })
  await world.append(topic, 0, [{ value: Buffer.from('plain') }])
  for (const transaction of open) await transaction.abort()
  await world.append(topic, 0, [{ value: Buffer.from('behind') }])
  for (const from of [0, 4, 5]) expect(await readFrom(topic, from, 14)).toEqual(['plain', 'behind'])
  expect(await readFrom(topic, 11, 14)).toEqual(['behind'])
})

test('data records whose key looks like an abort marker end no transaction', async () => {
  const topic = freshName('transactions')
  await world.createTopic(topic, 1)
  const transaction = await (await transactional()).transaction()
  const key = Buffer.from([0, 0, 0, 0])
  for (let each = 0; each < 3; each++)
    await transaction.send({ topic, messages: [{ partition: 0, key, value: 'never' }] })
  await transaction.abort()
  await world.append(topic, 0, [{ value: Buffer.from('behind') }])
  expect(await readFrom(topic, 0, 5)).toEqual(['behind'])
  expect(await readFrom(topic, 1, 5)).toEqual(['behind'])
})
