/** kafkajs' events in an order that a broker gives only now and then. */
import { expect, test } from 'vitest'
import { RejoinWanted } from '../../../src/adapters/kafka/group.ts'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

function setUp() {
  const bench = new KafkaBench({ topics: ['orders', 'payments'] })
  const { listening, consuming, clock } = bench
  return { bench, listening, consuming, clock, events: consuming.events }
}

// ── Rejoins ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a rejoin that is asked for happens at the next fetch, and is asked for until a join has come about', () => {
  const { bench, consuming, events } = setUp()
  bench.join([0])
  consuming.rejoin('two commits were refused')
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
  expect(() => events.fetchStarting()).toThrow('two commits were refused')
  bench.join([0])
  expect(() => events.fetchStarting()).not.toThrow()
})

test('a rejoin is asked for by a member only', () => {
  const { bench, consuming, events } = setUp()
  bench.join([0])
  consuming.rejoin('a test')
  events.sign({ kind: 'expelled' })
  expect(() => events.fetchStarting()).not.toThrow()
})

test('a fetch beside a join of another broker is left alone', async () => {
  const { bench, events } = setUp()
  bench.join([0])
  await events.beforeJoin()
  expect(() => events.fetchStarting()).not.toThrow()
})

// ── Expelled ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('an expelled member loses everything at once, hands nothing over, and comes back with new epochs', async () => {
  const { bench, listening, events } = setUp()
  bench.join([0, 1])
  const before = new Set(listening.assignments.map(({ epoch }) => epoch))
  events.sign({ kind: 'expelled' })
  expect(listening.losses.length).toBe(1)
  expect(events.owned()).toEqual([])
  await events.beforeJoin()
  bench.join([0, 1], { memberId: 'another' })
  expect(listening.revokings).toEqual([])
  expect(listening.assignments.filter(({ epoch }) => before.has(epoch))).toEqual([])
  expect(listening.losses.length).toBe(1)
})

test('another member id without a word before is a loss too', () => {
  const { bench, listening } = setUp()
  bench.join([0])
  bench.join([0], { memberId: 'another' })
  expect(listening.losses.length).toBe(1)
  expect(listening.joins.length).toBe(2)
})

test('records that an expelled member still fetches are not taken', async () => {
  const { bench, listening, events } = setUp()
  await bench.begin(0)
  events.sign({ kind: 'expelled' })
  await bench.fetch()
  expect(listening.answers).toEqual([])
})

// ── Kept partitions ───────────────────────────────────────────────────────────────────────────────────────────────────

test('a partition that stays goes on where it was fetched to, not where the group has committed', async () => {
  const { bench, listening } = setUp()
  await bench.begin(0)
  bench.at(0).batches = [numbers(0, 5)]
  await bench.fetch()
  const [before] = listening.assignments
  bench.join([0, 1])
  expect(bench.positionOf(0)).toBe(5)
  expect(listening.assignments[0]).toEqual(before)
})

test('a pause of the listener lasts over a join, and does not pass on to another assignment of the partition', async () => {
  const { bench, consuming } = setUp()
  await bench.begin(0, 1)
  consuming.pause([bench.assignment(0)])
  bench.join([0, 1])
  expect([bench.isPaused(0), bench.isPaused(1)]).toEqual([true, false])
  bench.join([1], { protocol: 'eager' })
  bench.join([0, 1], { protocol: 'eager' })
  await turn()
  expect([bench.isPaused(0), bench.isPaused(1)]).toEqual([false, false])
})

// ── Topics ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a topic that is missing takes its partitions along; when it is back the group is joined again', async () => {
  const { bench, listening, events } = setUp()
  bench.join([0, { topic: 'payments', partition: 0 }])
  bench.missing.add('orders')
  await bench.ask()
  expect(listening.assignments.map(({ topic }) => topic)).toEqual(['payments'])
  expect(listening.revocations).toMatchObject([[{ topic: 'orders', partition: 0 }]])
  expect(listening.waits.at(-1)).toContain('orders')
  expect(() => events.fetchStarting()).not.toThrow()
  bench.missing.clear()
  await bench.ask()
  expect(listening.waits.at(-1)).toBeNull()
  expect(() => events.fetchStarting()).toThrow('there again')
})

test('a topic whose commits the broker has forgotten is another one: it is read from its beginning', async () => {
  const { bench, listening } = setUp()
  bench.at(0).committed = { offset: '3', metadata: '' }
  bench.at(0).batches = [numbers(0, 5)]
  await bench.begin(0)
  await bench.fetch()
  const gone = bench.assignment(0)
  await bench.ask()
  // A reset by kafkajs' admin leaves this.
  bench.at(0).committed = { offset: '-2', metadata: '' }
  await bench.ask()
  expect(listening.renewals).toEqual([])
  bench.at(0).committed = { offset: '3', metadata: '' }
  await bench.ask()
  bench.at(0).committed = null
  await bench.ask()
  expect(listening.renewals).toEqual([{ gone, assignment: bench.assignment(0) }])
  await bench.fetch()
  expect(listening.answers.at(-1)).toMatchObject({ positionBefore: 0, positionAfter: 5 })
  await bench.ask()
  expect(listening.renewals.length).toBe(1)
})

test('commits of the old log that the broker forgets only later do not begin the new one a second time', async () => {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: '2', metadata: '' }
  bench.at(0).batches = [numbers(0, 4, { leaderEpoch: 3 })]
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).batches = [numbers(0, 6)]
  await bench.fetch()
  await bench.pass(200)
  await bench.fetch()
  expect(bench.listening.renewals.length).toBe(1)
  await bench.ask()
  bench.at(0).committed = null
  await bench.ask()
  expect(bench.listening.renewals.length).toBe(1)
  await bench.fetch()
  expect(bench.listening.answers.at(-1)).toMatchObject({ positionBefore: 0, positionAfter: 6 })
})

// ── Signs of life ─────────────────────────────────────────────────────────────────────────────────────────────────────

test('a fetch that fails again and again is said, once, until it works', () => {
  const { bench, listening, events } = setUp()
  bench.join([0])
  for (const times of [1, 2, 3, 4]) events.sign({ kind: 'fetch-failed', error: 'bad bytes', times })
  expect(listening.waits).toEqual(['fetching fails: bad bytes'])
  events.fetched()
  expect(listening.waits.at(-1)).toBeNull()
})

test('a loop that is silent for a minute while a broker answers is dead; without an answer it is only cut off', async () => {
  const { bench, clock, consuming, events } = setUp()
  bench.join([0])
  clock.advance(61_000)
  expect(consuming.alive).toBe(true)
  await bench.ask()
  expect(consuming.alive).toBe(false)
  events.fetchStarting()
  expect(consuming.alive).toBe(true)
})

test('after stop nothing is said, and it counts as alive', async () => {
  const { bench, listening, consuming, events } = setUp()
  await bench.begin(0)
  const joins = listening.joins.length
  await consuming.stop()
  bench.join([0, 1])
  events.sign({ kind: 'expelled' })
  expect(listening.joins.length).toBe(joins)
  expect(listening.losses).toEqual([])
  expect(consuming.alive).toBe(true)
})
