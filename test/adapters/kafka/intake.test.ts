/** From answers of real record batches to the listener, and what kafkajs is told meanwhile. */
import { expect, test } from 'vitest'
import type { PartitionAnswer } from '../../../src/consumer/ports.ts'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { abortMarker, fetchAnswer, numbers, TRANSACTIONAL_RECORDS, written } from '../../support/record-batch.ts'

const ranges = (answers: readonly PartitionAnswer[]) =>
  answers.map(({ positionBefore, positionAfter, records }) => [positionBefore, positionAfter, records.length])

test('a group without a commit begins where the log does', async () => {
  const bench = new KafkaBench()
  bench.at(0).logStart = 40
  bench.at(0).batches = [numbers(40, 3)]
  await bench.begin(0)
  await bench.fetch()
  expect(ranges(bench.listening.answers)).toEqual([[40, 43, 3]])
})

test('the first position is the committed one, and records of its batch that lie below it are dropped', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 50)]
  bench.at(0).committed = { offset: '23', metadata: 'mine' }
  await bench.begin(0)
  await bench.fetch()
  expect(ranges(bench.listening.answers)).toEqual([[23, 50, 27]])
  expect(bench.listening.values[0]).toBe('v23')
  expect(bench.listening.restores).toMatchObject([{ committed: 23, metadata: 'mine' }])
})

test('an answer from where we do not stand is resolved back, and nothing of it is delivered', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 10), numbers(10, 10)]
  await bench.begin(0)
  await bench.fetch()
  expect(bench.positionOf(0)).toBe(20)
  await bench.answer({ from: 10 })
  await bench.answer({ from: 0 })
  expect(bench.listening.records.length).toBe(20)
  expect(bench.positionOf(0)).toBe(20)
})

test('a position of kafkajs that is not the restored one is set right before anything is read', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 10)]
  bench.answersQuestions = false
  await bench.begin(0)
  bench.at(0).committed = { offset: '7', metadata: '' }
  bench.answersQuestions = true
  await bench.pass(100)
  await bench.fetch()
  expect(bench.listening.answers).toEqual([])
  await bench.fetch()
  expect(ranges(bench.listening.answers)).toEqual([[7, 10, 3]])
  expect(bench.fetches).toEqual([0, 7])
})

test('batch by batch while nobody pauses, each with its own range, and kafkajs goes on behind the last', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 3, { leaderEpoch: 4 }), numbers(5, 2, { leaderEpoch: 5 })]
  bench.at(0).logStart = 0
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.answers).toMatchObject([
    { positionBefore: 0, positionAfter: 3, highWatermark: 7, leaderEpoch: 4, bytes: 12 },
    { positionBefore: 3, positionAfter: 7, highWatermark: 7, leaderEpoch: 5, bytes: 8 },
  ])
  expect(bench.resolved).toEqual(['0@6'])
  expect(bench.isPaused(0)).toBe(false)
})

test('a pause in the middle of an answer stops at once; what was fetched is given after the resume, without a fetch', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2), numbers(2, 2), numbers(4, 2)]
  bench.listening.onAnswered = ({ assignment }) => bench.consuming.pause([assignment])
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  expect(bench.isPaused(0)).toBe(true)
  await turn()
  expect(bench.listening.records.length).toBe(2)
  bench.consuming.resume([bench.assignment(0)])
  // Not within the call: whoever resumes may be in the middle of something.
  expect(bench.listening.records.length).toBe(2)
  await turn()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v2', 'v3'])
  bench.listening.onAnswered = () => {}
  bench.consuming.resume([bench.assignment(0)])
  await turn()
  expect(bench.listening.records.length).toBe(6)
  expect(bench.fetches).toEqual([0])
  expect(bench.isPaused(0)).toBe(false)
})

test('kafkajs stays paused while batches wait, also where the listener has resumed', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2), numbers(2, 2)]
  bench.listening.onAnswered = ({ assignment }) => bench.consuming.pause([assignment])
  await bench.begin(0)
  await bench.fetch()
  bench.listening.onAnswered = () => {}
  bench.consuming.resume([bench.assignment(0)])
  expect(bench.isPaused(0)).toBe(true)
  expect(await bench.fetch()).toBe(false)
  await turn()
  expect(bench.isPaused(0)).toBe(false)
})

test('a turn of the event loop takes a bounded number of batches, and others run between', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = Array.from({ length: 45 }, (_, index) => numbers(index, 1))
  await bench.begin(0)
  await bench.fetch()
  const seen = [bench.listening.answers.length]
  for (let turns = 0; turns < 3; turns++) {
    await turn()
    seen.push(bench.listening.answers.length)
  }
  expect(seen).toEqual([20, 40, 45, 45])
  expect(bench.fetches).toEqual([0])
})

test('a turn of the event loop takes a bounded number of records', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [0, 1, 2].map(index => numbers(index * 6_000, 6_000))
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.answers.length).toBe(2)
  await turn()
  expect(bench.listening.answers.length).toBe(3)
})

test('control records, aborted transactions and batches that compaction has emptied move the position and show no record', async () => {
  const bench = new KafkaBench()
  bench.at(0).aborted = [[7, 3]]
  bench.at(0).batches = [
    numbers(0, 3),
    numbers(3, 2, { producerId: 7, attributes: TRANSACTIONAL_RECORDS }),
    abortMarker(5, 7),
    written({ baseOffset: 6, lastOffsetDelta: 9, producerId: 7, codec: 1 }),
  ]
  await bench.begin(0)
  await bench.fetch()
  expect(ranges(bench.listening.answers)).toEqual([
    [0, 3, 3],
    [3, 5, 0],
    [5, 6, 0],
    [6, 16, 0],
  ])
  expect(bench.positionOf(0)).toBe(16)
})

test('one answer with the leader epoch of another log is damage, when the next one is right', async () => {
  const bench = new KafkaBench()
  const whole = [numbers(0, 10, { leaderEpoch: 6 }), numbers(10, 2, { leaderEpoch: 6 })]
  bench.at(0).batches = whole.slice(0, 1)
  await bench.begin(0)
  await bench.fetch()
  for (let round = 0; round < 3; round++) {
    bench.at(0).batches = [numbers(0, 10, { leaderEpoch: 6 }), numbers(10 + 2 * round, 2, { leaderEpoch: 2 })]
    await bench.fetch()
    bench.at(0).batches = [numbers(0, 10, { leaderEpoch: 6 }), numbers(10 + 2 * round, 2, { leaderEpoch: 6 })]
    await bench.pass(1_000)
    await bench.fetch()
  }
  expect(bench.listening.renewals).toEqual([])
  expect(bench.listening.values.length).toBe(16)
})

test("what lies beyond the high watermark is nobody's to give: it is asked for again, and said when that lasts", async () => {
  const bench = new KafkaBench()
  const batches = [numbers(0, 2), numbers(2, 2)]
  await bench.begin(0)
  await bench.give(0, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 3, batches }))
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 1_000) {
    await bench.give(2, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 3, batches: [numbers(2, 2)] }))
    await bench.pass(1_000)
  }
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  expect(bench.listening.holds.at(-1)?.why).toContain('offset 2')
  await bench.pass(5_000)
  await bench.give(2, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 4, batches: [numbers(2, 2)] }))
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v2', 'v3'])
})

test('a batch that seems to end below what was asked for, and is damaged, is not passed over', async () => {
  const bench = new KafkaBench()
  const first = numbers(0, 5)
  // The last offset's delta, which the checksum covers.
  first.writeInt32BE(1, 23)
  bench.at(0).committed = { offset: '3', metadata: '' }
  await bench.begin(0)
  const batches = [first, numbers(5, 5)]
  await bench.give(3, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 10, batches }))
  expect(bench.listening.values).toEqual([])
  expect(bench.listening.holds.at(-1)?.why).toContain('checksum')
})

test('a batch that ends below what was asked for is passed over', async () => {
  const bench = new KafkaBench()
  const batches = [numbers(0, 5), numbers(5, 5)]
  bench.at(0).committed = { offset: '5', metadata: '' }
  await bench.begin(0)
  await bench.give(5, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 10, batches }))
  expect(ranges(bench.listening.answers)).toEqual([[5, 10, 5]])
})

test('what was fetched is not given when its partition is lost before its turn', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = Array.from({ length: 45 }, (_, index) => numbers(index, 1))
  await bench.begin(0)
  await bench.fetch()
  bench.consuming.events.sign({ kind: 'expelled' })
  await turn()
  expect(bench.listening.answers.length).toBe(20)
})

test('all five codecs', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [0, 1, 2, 3, 4].map(codec => numbers(codec * 10, 10, { codec }))
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.values).toEqual(Array.from({ length: 50 }, (_, offset) => `v${offset}`))
})

test('an answer for a partition that is leaving, gone, paused or not restored is not taken and not resolved', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 5)]
  bench.join([0, 1, 2])
  await bench.answer({ from: 0 })
  expect(bench.resolved).toEqual([])
  await turn()
  bench.consuming.pause([bench.assignment(0)])
  await bench.answer({ from: 0 })
  bench.consuming.resume([bench.assignment(0)])
  bench.listening.onRevoking = () => Promise.withResolvers<void>().promise
  bench.join([1, 2])
  expect(bench.listening.leaving).toMatchObject([{ partition: 0 }])
  await bench.answer({ from: 0 })
  bench.join([2], { protocol: 'eager' })
  await bench.answer({ from: 0 })
  await bench.answer({ from: 0, partition: 1 })
  expect(bench.listening.answers).toEqual([])
  expect(bench.resolved).toEqual([])
})

test('what was fetched of a partition that leaves is dropped, and fetched again where it stays after all', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [1, 1, 9].map((leaderEpoch, index) => numbers(2 * index, 2, { leaderEpoch }))
  bench.listening.onAnswered = ({ assignment }) => bench.consuming.pause([assignment])
  await bench.begin(0)
  await bench.fetch()
  bench.listening.onAnswered = () => {}
  const assignment = bench.assignment(0)
  bench.listening.onRevoking = () => Promise.withResolvers<void>().promise
  bench.join([])
  bench.consuming.resume([assignment])
  await turn()
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  bench.join([0])
  expect(bench.positionOf(0)).toBe(2)
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v2', 'v3', 'v4', 'v5'])
  expect(bench.listening.assignments).toEqual([assignment])
  expect(bench.listening.renewals).toEqual([])
})

test('leader epochs that fall are of another log: it begins anew under a new epoch, and that is said', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 10, { leaderEpoch: 6 })]
  bench.at(0).committed = { offset: '2', metadata: 'of the old one' }
  await bench.begin(0)
  await bench.fetch()
  const gone = bench.assignment(0)
  // Deleted, created again, and longer than it was.
  bench.at(0).batches = [numbers(0, 12, { leaderEpoch: 0 })]
  await bench.fetch()
  expect(bench.listening.renewals, 'one answer may be damaged').toEqual([])
  await bench.pass(200)
  await bench.fetch()
  const assignment = bench.assignment(0)
  expect(assignment.epoch).not.toBe(gone.epoch)
  expect(bench.listening.renewals).toEqual([{ gone, assignment }])
  expect(bench.listening.restores.at(-1)).toEqual({ assignment, committed: null, metadata: '' })
  expect(bench.listening.misses).toEqual([{ assignment, from: 0, to: 0, cause: 'reset' }])
  await bench.fetch()
  expect(bench.listening.answers.at(-1)).toMatchObject({ assignment, positionBefore: 0, positionAfter: 12 })
  expect(bench.log.lines.filter(({ level }) => level === 'error').length).toBe(1)
})

test('leader epochs that rise, or that nobody knows, are of the same log', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2, { leaderEpoch: 3 })]
  await bench.begin(0)
  await bench.drain()
  bench.at(0).batches.push(numbers(2, 2, { leaderEpoch: -1 }), numbers(4, 2, { leaderEpoch: 3 }))
  await bench.drain()
  bench.at(0).batches.push(numbers(6, 2, { leaderEpoch: 8 }))
  await bench.drain()
  expect(bench.listening.renewals).toEqual([])
  expect(bench.listening.records.length).toBe(8)
})

test('a listener that throws is a defect of ours: nothing goes on after it', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2)]
  bench.listening.onAnswered = () => {
    throw new TypeError('a defect')
  }
  await bench.begin(0)
  await bench.give(0, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 2, batches: bench.at(0).batches }))
  bench.listening.violations.length = 0
  expect(bench.listening.failures).toMatchObject([{ message: 'a defect' }])
  expect(bench.consuming.alive).toBe(false)
})
