/** A group with a member that cannot rebalance cooperatively: everything is handed over before every join, as long as it is there. */
import { expect, test } from 'vitest'
import { type Reader, SourceBench } from '../../support/source-bench.ts'

const shares = (...readers: readonly Reader[]): readonly number[] =>
  readers.map(({ listening }) => listening.assignments.length)

test('everything is revoked before a join, and begins anew with it', async () => {
  const bench = new SourceBench(4)
  const first = await bench.joined({ protocol: 'eager' })
  bench.append(0, 3)
  await bench.until('it is read', () => first.listening.records.length === 3)
  const before = first.listening.assignments
  const second = await bench.joined({ protocol: 'eager' })
  await bench.until('two each', () => shares(first, second).every(share => share === 2))
  expect(first.listening.revokings).toEqual([before])
  expect(first.listening.revocations.flat()).toEqual(before)
  for (const assignment of first.listening.assignments) expect(before).not.toContainEqual(assignment)
  expect(bench.violations).toEqual([])
})

test('nothing is read of any partition from the hand-over to the join', async () => {
  const bench = new SourceBench(2)
  const gate = Promise.withResolvers<void>()
  const first = await bench.joined({ protocol: 'eager' })
  await bench.until('both', () => first.listening.restores.length === 2)
  first.listening.onRevoking = () => gate.promise
  const second = bench.begin({ protocol: 'eager' })
  await bench.until('a hand-over', () => first.listening.revokings.length === 1)
  for (const partition of [0, 1]) bench.append(partition, 2)
  await bench.pass(1_000)
  expect(first.listening.records).toEqual([])
  expect(second.listening.joins).toEqual([])
  gate.resolve()
  await bench.until(
    'all is read, once',
    () => first.listening.records.length === 2 && second.listening.records.length === 2,
  )
  expect(bench.violations).toEqual([])
})

test('a hand-over that does not end is not waited for beyond its time', async () => {
  const bench = new SourceBench(2)
  const first = await bench.joined({ protocol: 'eager', handOverTimeoutMs: 2_000 })
  first.listening.onRevoking = () => Promise.withResolvers<void>().promise
  const second = bench.begin()
  await bench.until('one each', () => shares(first, second).every(share => share === 1))
  expect(bench.clock.nowMs()).toBeGreaterThan(2_000)
})

test('a migration: members that could do better are eager as long as one cannot, and go over by themselves when it leaves', async () => {
  const bench = new SourceBench(6)
  const old = await bench.joined({ protocol: 'eager' })
  const first = await bench.joined()
  const second = await bench.joined()
  await bench.until('two each', () => shares(old, first, second).every(share => share === 2))
  expect(first.listening.revokings.length).toBeGreaterThan(0)
  void old.source.stop()
  await bench.until('three each', () => shares(first, second).every(share => share === 3))
  // The round in which the old one is gone still begins with a hand-over of everything.
  const [revoked, third] = [first.listening.revokings.length, await bench.joined()]
  await bench.until('two each', () => shares(first, second, third).every(share => share === 2))
  expect(first.listening.revokings.slice(revoked).map(assignments => assignments.length)).toEqual([1])
  expect(bench.violations).toEqual([])
})

test('an eager member that comes to a cooperative group takes away without a hand-over what the join does not name', async () => {
  const bench = new SourceBench(2)
  const first = await bench.joined()
  await bench.until('both', () => first.listening.restores.length === 2)
  const old = await bench.joined({ protocol: 'eager' })
  await bench.until('one each', () => shares(first, old).every(share => share === 1))
  expect(first.listening.revokings).toEqual([])
  expect(first.listening.revocations.flat().length).toBe(2)
  expect(bench.violations).toEqual([])
})
