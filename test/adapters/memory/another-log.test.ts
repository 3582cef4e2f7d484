/** A partition whose log was truncated or created again goes on under a new epoch, from where the group can still believe in. */
import { expect, test } from 'vitest'
import { bytes } from '../../support/bytes.ts'
import { GROUP, SourceBench, TOPIC } from '../../support/source-bench.ts'

async function having(count: number) {
  const bench = new SourceBench(2)
  bench.append(0, count)
  const reader = await bench.joined()
  await bench.until('all is read', () => reader.listening.records.length === count)
  const [before] = reader.listening.assignments
  if (before === undefined) throw new Error('it has two')
  const commit = (nextOffset: number, metadata: string) =>
    bench.outcome(reader.source.commit([{ assignment: before, nextOffset, metadata }]))
  const { renewals, restores } = reader.listening
  const renewed = async () => {
    await bench.until('it is another log', () => renewals.some(({ gone }) => gone === before))
    const assignment = renewals.find(({ gone }) => gone === before)?.assignment
    if (assignment === undefined) throw new Error('it was renewed')
    await bench.until('it is restored', () => restores.some(restored => restored.assignment === assignment))
    return assignment
  }
  return { bench, ...reader, before, commit, renewed }
}

test('truncated above what is committed: it goes on from there, and what comes is of another leader', async () => {
  const { bench, listening, before, commit, renewed } = await having(10)
  await commit(4, 'm')
  bench.broker.truncate(TOPIC, 0, 6)
  const assignment = await renewed()
  expect(listening.renewals).toEqual([{ gone: before, assignment }])
  expect(listening.restores.at(-1)).toEqual({ assignment, committed: 4, metadata: 'm' })
  expect(listening.misses).toEqual([{ assignment, from: 4, to: 4, cause: 'reset' }])
  bench.append(0, 2, 'new-')
  await bench.until('all is read', () => listening.values.includes('new-1'))
  expect(listening.values.slice(10)).toEqual(['v4', 'v5', 'new-0', 'new-1'])
  expect(listening.answers.slice(-2).map(({ leaderEpoch, positionBefore }) => [leaderEpoch, positionBefore])).toEqual([
    [0, 4],
    [1, 6],
  ])
  expect(bench.violations).toEqual([])
})

test('truncated below what is committed: that is no offset of this log, which is read from its beginning', async () => {
  const { bench, source, listening, commit, renewed } = await having(10)
  await commit(8, 'of another log')
  bench.broker.truncate(TOPIC, 0, 3)
  const assignment = await renewed()
  expect(listening.restores.at(-1)).toEqual({ assignment, committed: null, metadata: '' })
  await bench.until('what is left is read again', () => listening.records.length === 13)
  await bench.pass(10_000)
  expect(listening.lastOffsets.find(({ assignment: { partition } }) => partition === 0)).toMatchObject({
    committed: null,
    highWatermark: 3,
  })
  expect(await bench.outcome(source.commit([{ assignment, nextOffset: 3, metadata: '' }]))).toEqual({ ok: true })
  expect(bench.committed()).toBe(3)
})

test('a commit beyond the end of the log, found at the start, is another log too', async () => {
  const bench = new SourceBench(1)
  bench.append(0, 3)
  bench.broker.store(GROUP, { topic: TOPIC, partition: 0 }, { nextOffset: 7, metadata: 'm' })
  const { listening } = await bench.joined()
  await bench.until('three records', () => listening.records.length === 3)
  expect(listening.restores.map(({ committed, metadata }) => [committed, metadata])).toEqual([
    [7, 'm'],
    [null, ''],
  ])
  expect(listening.renewals.length).toBe(1)
  expect(bench.violations).toEqual([])
})

test('a topic that was created again is another log, though it has as many records', async () => {
  const { bench, listening, before, commit, renewed } = await having(5)
  await commit(5, 'm')
  bench.broker.deleteTopic(TOPIC)
  bench.broker.topic(TOPIC, 2)
  bench.broker.append(TOPIC, 0, ...Array.from({ length: 9 }, () => ({ value: bytes('new') })))
  const assignment = await renewed()
  expect(assignment.epoch).not.toBe(before.epoch)
  await bench.until('all of it is read', () => listening.values.filter(value => value === 'new').length === 9)
})

test('one whose topic is gone is revoked; it is shared out anew when the topic is back', async () => {
  const { bench, listening, before } = await having(5)
  bench.broker.deleteTopic(TOPIC)
  await bench.until('it is gone', () => listening.assignments.length === 0)
  expect(listening.revocations.flat()).toContainEqual(before)
  expect(listening.waits).toEqual([`topic ${TOPIC} does not exist; it is waited for`])
  bench.broker.topic(TOPIC, 3)
  bench.append(2, 4, 'new-')
  await bench.until('it is read', () => listening.values.includes('new-3'))
  expect(listening.assignments.length).toBe(3)
  expect(bench.violations).toEqual([])
})

test('partitions that are added to a topic are shared out and read from their beginning', async () => {
  const { bench, listening } = await having(1)
  bench.broker.topic(TOPIC, 4)
  bench.append(3, 2, 'added-')
  await bench.until('they are read', () => listening.values.includes('added-1'))
  expect(listening.partitions).toEqual([0, 1, 2, 3])
  expect(listening.revokings).toEqual([])
})
