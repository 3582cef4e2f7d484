/** A topic that we may not read: it is named wherever it shows first, its partitions are held, and the others are read and committed. */
import { expect, test } from 'vitest'
import { RejoinWanted } from '../../../src/adapters/kafka/group.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

const READ_ORDERS =
  'Kafka does not permit reading topic orders (TOPIC_AUTHORIZATION_FAILED): grant Read on topic orders to the user of this service'

async function reading(): Promise<KafkaBench> {
  const bench = new KafkaBench({ topics: ['orders', 'payments'] })
  for (const topic of ['orders', 'payments']) bench.at(0, topic).batches = [numbers(0, 1)]
  bench.join([0, { topic: 'payments', partition: 0 }])
  await bench.pass(0)
  await bench.ask()
  return bench
}

const waited = ({ listening }: KafkaBench) => listening.waits.at(-1) ?? null

test('of two that were refused, the one that is permitted again is not named any more', async () => {
  const bench = await reading()
  for (const topic of ['orders', 'payments']) bench.at(0, topic).errorCode = 29
  for (const topic of ['orders', 'payments']) await bench.fetch(0, topic)
  expect(waited(bench)).toContain('grant Read on topics orders, payments to')
  bench.at(0, 'payments').errorCode = 0
  await bench.pass(5_000)
  await bench.fetch(0, 'payments')
  expect(waited(bench)).toBe(READ_ORDERS)
  bench.at(0).errorCode = 0
  await bench.fetch()
  expect(waited(bench)).toBeNull()
})

test('brokers that answer a question with a refusal are not said to be silent, and what they tell of the others counts', async () => {
  const bench = await reading()
  bench.forbidden.add('orders')
  for (let asked = 0; asked < 6; asked++) await bench.ask()
  expect(bench.listening.waits).toEqual([READ_ORDERS])
  expect(bench.listening.lastOffsets.map(({ assignment }) => assignment.topic)).toEqual(['payments'])
  expect(bench.log.lines.filter(({ level }) => level === 'warn')).toEqual([])
})

test('a topic that we may see again is read at once, and asks for a join: a leader that did not see it gave it to nobody', async () => {
  const bench = await reading()
  bench.forbidden.add('orders')
  bench.at(0).errorCode = 29
  await bench.fetch()
  // By now the cure waits for half a minute each time.
  for (let asked = 0; asked < 7; asked++) await bench.ask()
  expect([bench.isPaused(0), bench.isPaused(0, 'payments')]).toEqual([true, false])
  expect(() => bench.consuming.events.fetchStarting()).not.toThrow()
  bench.forbidden.clear()
  bench.at(0).errorCode = 0
  await bench.ask()
  expect(() => bench.consuming.events.fetchStarting()).toThrow(RejoinWanted)
  await bench.pass(0)
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v0'])
  expect(waited(bench)).toBeNull()
})

test('a topic that is hidden from the client itself is held before any fetch could say so, once', async () => {
  const bench = await reading()
  bench.forbidden.add('orders')
  for (let found = 0; found < 2; found++) bench.consuming.events.topicsHidden(['orders'])
  expect(bench.listening.holds).toEqual([{ assignment: bench.assignment(0), why: READ_ORDERS }])
  expect([bench.isPaused(0), bench.isPaused(0, 'payments')]).toEqual([true, false])
  const before = bench.refreshes
  await bench.pass(5_000)
  expect(bench.refreshes).toBe(before + 1)
  // It is hidden still, so no fetch is tried for it.
  expect(bench.isPaused(0)).toBe(true)
})

test('what the group has stored for the others is read all the same', async () => {
  const bench = new KafkaBench({ topics: ['orders', 'payments'] })
  bench.forbidden.add('orders')
  bench.at(0, 'payments').committed = { offset: '3', metadata: '' }
  bench.join([0, { topic: 'payments', partition: 0 }])
  await bench.pass(0)
  expect(bench.listening.restores).toMatchObject([{ assignment: { topic: 'payments' }, committed: 3 }])
  expect(bench.listening.holds).toMatchObject([{ assignment: { topic: 'orders' } }])
  bench.forbidden.clear()
  await bench.pass(100)
  expect(bench.listening.restores.length).toBe(2)
})

test('another trouble of its partition is no missing permission, and does not hide that one comes again', async () => {
  const bench = await reading()
  bench.at(0).errorCode = 29
  await bench.fetch()
  bench.at(0).errorCode = 6
  await bench.pass(5_000)
  await bench.fetch()
  expect(waited(bench)).toBeNull()
  bench.at(0).errorCode = 29
  await bench.pass(200)
  await bench.fetch()
  expect(waited(bench)).toBe(READ_ORDERS)
})
