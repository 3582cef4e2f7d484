/** The broker has nothing at our position: what is said and where reading goes on. The others are not touched. */
import { expect, test } from 'vitest'
import { latch, turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

async function atOffset(committed: number): Promise<KafkaBench> {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: String(committed), metadata: 'kept' }
  bench.at(1).batches = [numbers(0, 3)]
  await bench.begin(0, 1)
  return bench
}

test('records that retention has taken: exactly their range is missed, and reading goes on at the log start', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  bench.at(0).batches = [numbers(150, 25)]
  const before = bench.listening.assignments
  await bench.fetch(0)
  expect(bench.isPaused(0)).toBe(true)
  await bench.fetch(1)
  await bench.pass(0)
  expect(bench.listening.misses).toEqual([{ assignment: bench.assignment(0), from: 100, to: 150, cause: 'retention' }])
  await bench.fetch(0)
  expect(bench.listening.answers).toMatchObject([
    { assignment: { partition: 1 }, positionBefore: 0, positionAfter: 3 },
    { assignment: { partition: 0 }, positionBefore: 150, positionAfter: 175 },
  ])
  expect(bench.listening.assignments).toEqual(before)
  expect(bench.listening.joins.length).toBe(1)
  expect(bench.listening.holds).toEqual([])
})

test('while it is in doubt nothing is committed for it, and the others are', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  bench.answersQuestions = false
  await bench.fetch(0)
  await bench.fetch(1)
  const offsets = [0, 1].map(partition => ({ assignment: bench.assignment(partition), nextOffset: 3, metadata: '' }))
  expect(await bench.consuming.commit(offsets)).toMatchObject({ ok: false })
  expect(bench.commits).toMatchObject([{ topics: [{ partitions: [{ partition: 1 }] }] }])
  bench.answersQuestions = true
  await bench.pass(5_000)
  await bench.consuming.commit(offsets)
  expect(bench.commits[1]).toMatchObject({ topics: [{ partitions: [{ partition: 0 }, { partition: 1 }] }] })
})

test('an end below our position: it is another log, read from its beginning under a new epoch', async () => {
  const bench = await atOffset(100)
  bench.at(0).batches = [numbers(0, 60)]
  const gone = bench.assignment(0)
  await bench.fetch(0)
  await bench.pass(0)
  const assignment = bench.assignment(0)
  expect(bench.listening.renewals).toEqual([{ gone, assignment }])
  expect(bench.listening.restores.at(-1)).toEqual({ assignment, committed: null, metadata: '' })
  expect(bench.listening.misses).toEqual([{ assignment, from: 0, to: 0, cause: 'reset' }])
  await bench.fetch(0)
  expect(bench.listening.answers).toMatchObject([{ assignment, positionBefore: 0, positionAfter: 60 }])
  await bench.consuming.commit([{ assignment: gone, nextOffset: 100, metadata: '' }])
  expect(bench.commits).toEqual([])
})

test('a position that is in range again: nothing is said, and reading goes on', async () => {
  const bench = await atOffset(100)
  bench.at(0).batches = [numbers(0, 60)]
  await bench.fetch(0)
  bench.at(0).batches.push(numbers(60, 50))
  await bench.pass(0)
  await bench.fetch(0)
  expect(bench.listening.answers).toMatchObject([{ positionBefore: 100, positionAfter: 110 }])
  expect([bench.listening.misses, bench.listening.renewals]).toEqual([[], []])
})

test.each([
  ['begin', 0],
  ['end', 60],
])('the very %s of the log is in range', async (_which, committed) => {
  const bench = await atOffset(committed)
  bench.at(0).errorCode = 1
  bench.at(0).batches = [numbers(0, 60)]
  await bench.fetch(0)
  await bench.pass(0)
  expect([bench.listening.misses, bench.listening.renewals]).toEqual([[], []])
})

test('a broker that answers out of range again and again is not asked in a hot loop', async () => {
  const bench = await atOffset(60)
  bench.at(0).errorCode = 1
  bench.at(0).batches = [numbers(0, 60)]
  let fetches = 0
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
    if (await bench.fetch(0)) fetches++
    await bench.pass(50)
  }
  expect(fetches).toBeLessThan(10)
  expect(bench.listening.holds.length).toBe(1)
})

test('a partition that the brokers do not know any more is asked for again, and nothing is decided', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  bench.at(0).isHidden = true
  await bench.fetch(0)
  await bench.pass(0)
  expect([bench.listening.misses, bench.listening.renewals]).toEqual([[], []])
  expect(bench.isPaused(0)).toBe(true)
})

test('an answer that comes when the partition is gone changes nothing', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  await bench.fetch(0)
  const answered = latch()
  bench.answering = answered.passed
  await bench.pass(0)
  bench.join([1], { protocol: 'eager' })
  answered.open()
  await turn()
  expect(bench.listening.misses).toEqual([])
  expect(bench.resolved).toEqual([])
})

test('a partition that is leaving when the answer comes is left alone, and repositioned where it stays after all', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  await bench.fetch(0)
  const answered = latch()
  bench.answering = answered.passed
  await bench.pass(0)
  bench.listening.onRevoking = () => latch().passed
  bench.join([1])
  answered.open()
  await turn()
  expect(bench.listening.misses).toEqual([])
  bench.join([0, 1])
  await bench.fetch(0)
  await bench.pass(200)
  expect(bench.listening.misses).toMatchObject([{ from: 100, to: 150 }])
})

test('the commit of what was missed goes on from the new position', async () => {
  const bench = await atOffset(100)
  bench.at(0).logStart = 150
  await bench.fetch(0)
  await bench.pass(0)
  await bench.consuming.commit([{ assignment: bench.assignment(0), nextOffset: 150, metadata: 'kept' }])
  expect(bench.commits).toEqual([
    { topics: [{ topic: 'orders', partitions: [{ partition: 0, offset: '150', metadata: 'kept' }] }] },
  ])
})
