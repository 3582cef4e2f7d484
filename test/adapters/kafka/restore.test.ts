/** What the group has stored, before anything of a new partition is read. */
import { expect, test } from 'vitest'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

test('offset and metadata are told once for each new assignment, and nothing is fetched before', async () => {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: '7', metadata: 'above it' }
  bench.join([0, 1])
  expect([bench.isPaused(0), bench.isPaused(1)]).toEqual([true, true])
  await turn()
  expect([bench.isPaused(0), bench.isPaused(1)]).toEqual([false, false])
  expect(bench.listening.restores).toEqual([
    { assignment: bench.assignment(0), committed: 7, metadata: 'above it' },
    { assignment: bench.assignment(1), committed: null, metadata: '' },
  ])
})

test.each(['-1', '-2'])('a stored %s is no offset, and what stands beside it belongs to none', async offset => {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset, metadata: 'of before' }
  await bench.begin(0)
  expect(bench.listening.restores).toMatchObject([{ committed: null, metadata: '' }])
})

test('a partition that stays over a join is not restored again', async () => {
  const bench = new KafkaBench()
  await bench.begin(0)
  await bench.begin(0, 1)
  expect(bench.listening.restores.map(({ assignment }) => assignment.partition)).toEqual([0, 1])
})

test('a broker that does not answer is asked again with longer waits; it is said per partition, logged once, and over with the answer', async () => {
  const bench = new KafkaBench()
  bench.answersQuestions = false
  await bench.begin(0)
  await bench.pass(100)
  await bench.pass(200)
  expect(bench.isPaused(0)).toBe(true)
  expect(bench.listening.restores).toEqual([])
  expect(bench.listening.holds.at(-1)?.why).toContain('what the group has stored for it cannot be read')
  bench.answersQuestions = true
  await bench.pass(399)
  expect(bench.listening.restores).toEqual([])
  await bench.pass(1)
  expect(bench.listening.restores.length).toBe(1)
  expect(bench.listening.holds.at(-1)).toEqual({ assignment: bench.assignment(0), why: null })
  expect(bench.log.lines.filter(({ level }) => level === 'warn').length).toBe(1)
})

test('a partition that is gone meanwhile is not restored, the others are', async () => {
  const bench = new KafkaBench()
  bench.answersQuestions = false
  await bench.begin(0, 1)
  bench.join([1], { protocol: 'eager' })
  bench.answersQuestions = true
  await bench.pass(5_000)
  expect(bench.listening.restores.map(({ assignment }) => assignment.partition)).toEqual([1])
})

test('an offset that numbers cannot hold keeps its partition from being read, and no other', async () => {
  const bench = new KafkaBench()
  bench.at(1).committed = { offset: '9223372036854775000', metadata: '' }
  await bench.begin(0, 1, 2)
  expect(bench.listening.holds).toMatchObject([
    { assignment: bench.assignment(1), why: expect.stringContaining('2^53') },
  ])
  expect([0, 1, 2].map(partition => bench.isPaused(partition))).toEqual([false, true, false])
  bench.at(1).committed = { offset: '3', metadata: '' }
  await bench.pass(100)
  expect(bench.isPaused(1)).toBe(false)
  expect(bench.listening.holds.at(-1)).toEqual({ assignment: bench.assignment(1), why: null })
})

test('the first answer begins exactly at the restored offset', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 4), numbers(4, 4)]
  bench.at(0).committed = { offset: '4', metadata: '' }
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.answers).toMatchObject([{ positionBefore: 4, positionAfter: 8 }])
})
