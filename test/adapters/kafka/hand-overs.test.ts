/** Partitions that go to other members: in two rounds beside everything else, or all of them before a join in an eager group. */
import { expect, test } from 'vitest'
import { RejoinWanted } from '../../../src/adapters/kafka/group.ts'
import type { Assignment } from '../../../src/consumer/ports.ts'
import { latch, turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

function setUp() {
  const bench = new KafkaBench()
  const { listening, consuming, clock } = bench
  return { bench, listening, consuming, clock, events: consuming.events }
}

const numbersOf = (assignments: readonly { readonly partition: number }[]) =>
  assignments.map(({ partition }) => partition)

// ── Cooperative ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('the first join hands nothing over, nor does one that takes nothing away', async () => {
  const { bench, listening, events } = setUp()
  await events.beforeJoin()
  bench.join([0, 1])
  await events.beforeJoin()
  bench.join([0, 1, 2])
  expect(listening.revokings).toEqual([])
  expect(() => events.fetchStarting()).not.toThrow()
})

test('what a join takes away is handed over beside the rest, claimed until then, and then the next round is asked for', async () => {
  const { bench, listening, events } = setUp()
  const handedOver = latch()
  await bench.begin(0, 1, 2)
  listening.onRevoking = () => handedOver.passed
  bench.join([0])
  expect(listening.revokings.map(numbersOf)).toEqual([[1, 2]])
  expect(numbersOf(listening.assignments)).toEqual([0])
  expect(numbersOf(events.owned())).toEqual([0, 1, 2])
  await turn()
  expect(() => events.fetchStarting()).not.toThrow()
  handedOver.open()
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[1, 2]])
  expect(numbersOf(events.owned())).toEqual([0])
  expect(() => events.fetchStarting()).toThrow('orders/1, orders/2')
})

test('a commit of what is leaving is carried', async () => {
  const { bench, listening, consuming } = setUp()
  bench.at(1).batches = [numbers(0, 4)]
  await bench.begin(0, 1)
  await bench.fetch(1)
  listening.onRevoking = async assignments => {
    await consuming.commit(assignments.map(assignment => ({ assignment, nextOffset: 4, metadata: 'm' })))
  }
  bench.join([0])
  await turn()
  expect(bench.commits).toEqual([
    { topics: [{ topic: 'orders', partitions: [{ partition: 1, offset: '4', metadata: 'm' }] }] },
  ])
  expect(listening.revocations.map(numbersOf)).toEqual([[1]])
})

test('a hand-over is waited for at most for the drain timeout; then the partition is gone and the next round asked for', async () => {
  const { bench, listening, clock, events } = setUp()
  await bench.begin(0, 1)
  listening.onRevoking = () => latch().passed
  bench.join([0])
  clock.advance(19_999)
  await turn()
  expect(listening.revocations).toEqual([])
  clock.advance(1)
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[1]])
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
})

test('a hand-over that fails ends all the same', async () => {
  const { bench, listening } = setUp()
  await bench.begin(0, 1)
  listening.onRevoking = () => Promise.reject(new Error('a defect'))
  bench.join([0])
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[1]])
})

test('a partition that is given back while it is handed over is ours as before, and nobody is asked to join', async () => {
  const { bench, listening, events } = setUp()
  const handedOver = latch()
  await bench.begin(0, 1)
  const before = listening.assignments
  listening.onRevoking = () => handedOver.passed
  bench.join([0])
  bench.join([0, 1])
  handedOver.open()
  await turn()
  expect(listening.assignments).toEqual(before)
  expect(listening.revocations).toEqual([])
  expect(() => events.fetchStarting()).not.toThrow()
})

test('a partition that is still being handed over at the next join is not asked for twice', async () => {
  const { bench, listening } = setUp()
  await bench.begin(0, 1)
  listening.onRevoking = () => latch().passed
  bench.join([0])
  bench.join([0])
  expect(listening.revokings.length).toBe(1)
})

test('a hand-over that ends while a join is under way, whose claims still name it: another round is asked for after that join', async () => {
  const { bench, listening, events } = setUp()
  const handedOver = latch()
  await bench.begin(0, 1)
  listening.onRevoking = () => handedOver.passed
  bench.join([0])
  // Another member joins: our claims are sent, and the coordinator waits for everybody.
  expect(numbersOf(bench.claim())).toEqual([0, 1])
  handedOver.open()
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[1]])
  // The leader believed the claim: nobody has partition 1.
  bench.join([0])
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
})

test('what is held up by a join is not given up for it: nobody could have it, and its commit follows the join', async () => {
  const { bench, listening, events } = setUp()
  await bench.begin(0, 1)
  listening.onRevoking = () => latch().passed
  bench.join([0])
  await events.beforeJoin()
  await bench.pass(120_000)
  expect(listening.revocations).toEqual([])
  bench.join([0])
  await bench.pass(100)
  await bench.pass(1_500)
  expect(listening.revocations, 'there is time for the commit').toEqual([])
  await bench.pass(1_000)
  expect(listening.revocations.map(numbersOf)).toEqual([[1]])
})

test('what was given up while a join was under way may come back with it, as a new assignment', async () => {
  const { bench, listening, events } = setUp()
  const handedOver = latch()
  await bench.begin(0, 1)
  const before = bench.assignment(1)
  listening.onRevoking = () => handedOver.passed
  bench.join([0])
  bench.claim()
  handedOver.open()
  await turn()
  bench.join([0, 1])
  expect(bench.assignment(1).epoch).not.toBe(before.epoch)
  expect(() => events.fetchStarting()).not.toThrow()
})

test('the end of an earlier hand-over does not end a later one of the same partition', async () => {
  const { bench, listening } = setUp()
  const latches = [latch(), latch()] as const
  await bench.begin(0, 1, 2)
  let hands = 0
  listening.onRevoking = () => (latches[hands++] ?? latches[1]).passed
  bench.join([0])
  bench.join([0, 1])
  bench.join([0])
  expect(listening.revokings.map(numbersOf)).toEqual([[1, 2], [1]])
  latches[0].open()
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[2]])
  latches[1].open()
  await turn()
  expect(listening.revocations.map(numbersOf)).toEqual([[2], [1]])
})

test('a partition that leaves before its commit is known, and comes back, is read', async () => {
  const { bench, listening } = setUp()
  bench.answersQuestions = false
  await bench.begin(0, 1)
  listening.onRevoking = () => latch().passed
  bench.join([0])
  bench.answersQuestions = true
  await bench.pass(5_000)
  bench.join([0, 1])
  await bench.pass(5_000)
  bench.at(1).batches = [numbers(0, 2)]
  await bench.fetch(1)
  expect(listening.values).toEqual(['v0', 'v1'])
})

test('an expelled member that was handing over loses that too, and asks for nothing', async () => {
  const { bench, listening, events } = setUp()
  const handedOver = latch()
  await bench.begin(0, 1)
  listening.onRevoking = () => handedOver.passed
  bench.join([0])
  events.sign({ kind: 'expelled' })
  handedOver.open()
  await turn()
  expect(listening.leaving).toEqual([])
  expect(listening.revocations).toEqual([])
  bench.join([0, 1], { memberId: 'another' })
  expect(() => events.fetchStarting()).not.toThrow()
})

test('stop ends a hand-over', async () => {
  const { bench, listening, consuming, events } = setUp()
  await bench.begin(0)
  listening.onRevoking = () => latch().passed
  bench.join([0], { protocol: 'eager' })
  const joining = events.beforeJoin()
  await consuming.stop()
  await expect(joining).resolves.toBeUndefined()
})

// ── Eager ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('in an eager group everything is handed over before the join, and begins anew with it', async () => {
  const { bench, listening, events } = setUp()
  bench.join([0, 1], { protocol: 'eager' })
  await turn()
  const before = bench.assignment(0)
  const order: string[] = []
  listening.onRevoking = async assignments => void order.push(`revoking ${numbersOf(assignments).join()}`)
  await events.beforeJoin()
  order.push('join')
  bench.join([0], { protocol: 'eager' })
  expect(order).toEqual(['revoking 0,1', 'join'])
  expect(listening.revocations.map(numbersOf)).toEqual([[0, 1]])
  expect(listening.assignments.map(({ partition }) => partition)).toEqual([0])
  expect(listening.assignments).not.toContainEqual(before)
})

test('a join that failed is asked for again: the listener has handed over and waits for a new generation', async () => {
  const { bench, listening, events } = setUp()
  bench.join([0], { protocol: 'eager' })
  events.rebalancing()
  await events.beforeJoin()
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
  events.rebalancing()
  await events.beforeJoin()
  expect(listening.revokings.length).toBe(1)
  bench.join([0], { protocol: 'eager' })
  events.fetchStarting()
  expect(listening.joins.length).toBe(2)
})

test('a member of an eager group that has nothing hands nothing over', async () => {
  const { bench, listening, events } = setUp()
  bench.join([], { protocol: 'eager' })
  await events.beforeJoin()
  bench.join([0], { protocol: 'eager' })
  expect(listening.revokings).toEqual([])
})

test('an eager hand-over is waited for at most for the drain timeout', async () => {
  const { bench, clock, listening, events } = setUp()
  bench.join([0], { protocol: 'eager' })
  listening.onRevoking = () => latch().passed
  let isOver = false
  const waiting = (async () => {
    await events.beforeJoin()
    isOver = true
  })()
  clock.advance(19_999)
  await turn()
  expect(isOver).toBe(false)
  clock.advance(1)
  await waiting
})

test('from cooperative to eager: everything begins anew, what was leaving is another’s already', async () => {
  const { bench, listening, events } = setUp()
  await bench.begin(0, 1, 2)
  listening.onRevoking = () => latch().passed
  bench.join([0, 1])
  bench.join([0], { protocol: 'eager' })
  expect(new Set(listening.revocations.flatMap(numbersOf))).toEqual(new Set([0, 1, 2]))
  expect(listening.revocations.length).toBe(1)
  expect(numbersOf(events.owned())).toEqual([0])
  await bench.pass(20_000)
  expect(listening.revocations.length).toBe(1)
  expect(() => events.fetchStarting()).not.toThrow()
})

test('from eager to cooperative: what was handed over before the join is not handed over again, and the next round is asked for', async () => {
  const { bench, listening, events } = setUp()
  bench.join([0, 1], { protocol: 'eager' })
  await turn()
  await events.beforeJoin()
  bench.join([0])
  expect(listening.revokings.map(numbersOf)).toEqual([[0, 1]])
  expect(listening.revocations.map(numbersOf)).toEqual([[0, 1]])
  expect(numbersOf(events.owned())).toEqual([0])
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
  bench.join([0])
  await events.beforeJoin()
  expect(listening.revokings.length).toBe(1)
})

test('every assignment that begins has an epoch that no other had', async () => {
  const { bench, listening } = setUp()
  const seen: Assignment[] = []
  for (const partitions of [[0, 1], [0], [0, 1], [1], [0, 1]]) {
    bench.join(partitions, { protocol: 'eager' })
    seen.push(...listening.assignments.filter(each => !seen.includes(each)))
  }
  expect(new Set(seen.map(({ epoch }) => epoch)).size).toBe(seen.length)
  expect(seen.length).toBe(8)
})
