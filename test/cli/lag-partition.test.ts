/** What a commit means for the log as it is now. */
import { expect, test } from 'vitest'
import { standingOf } from '../../src/cli/lag/partition.ts'
import { encodeCompletions } from '../../src/core/completions.ts'

const ENDS = { topic: 'orders', partition: 0, logStart: 10, end: 100, written: 100 }
const standing = (committed: number | null, { ends = ENDS, metadata = '', startsAtEnd = false } = {}) => {
  const { from, lagRecords, completions, notes } = standingOf(ends, { committed, metadata }, startsAtEnd)
  return { from, lagRecords, settled: completions?.size ?? 0, notes }
}
const plain = { settled: 0, notes: [] }

test('behind, even, and at the start of the log', () => {
  expect(standing(40)).toEqual({ ...plain, from: 40, lagRecords: 60 })
  expect(standing(100)).toEqual({ ...plain, from: 100, lagRecords: 0 })
  expect(standing(10)).toEqual({ ...plain, from: 10, lagRecords: 90 })
})

test('without a commit, START_FROM decides', () => {
  expect(standing(null)).toMatchObject({ from: 10, lagRecords: 90, notes: [expect.stringMatching(/start of the log/)] })
  const atEnd = standing(null, { startsAtEnd: true })
  expect(atEnd).toMatchObject({ from: 100, lagRecords: 0, notes: [expect.stringMatching(/at the end/)] })
})

test('of an empty log there is nothing to say', () => {
  expect(standing(null, { ends: { ...ENDS, logStart: 100 } })).toEqual({ ...plain, from: 100, lagRecords: 0 })
})

test('what is gone from the log is missed, counted, and part of the lag until it is committed past', () => {
  expect(standing(4)).toEqual({
    settled: 0,
    from: 10,
    lagRecords: 96,
    notes: ['missed: 6 offsets from 4 on are gone from the log, which begins at 10'],
  })
  expect(standing(9).notes).toEqual(['missed: 1 offset from 9 on are gone from the log, which begins at 10'])
})

test('a commit above all that was ever written is of another log, and so is what it says is settled', () => {
  const metadata = encodeCompletions({ base: 101, leaderEpoch: 0, settled: [103] })
  expect(standing(101, { metadata })).toEqual({
    settled: 0,
    from: 10,
    lagRecords: 90,
    notes: [expect.stringMatching(/above the end.*read anew from 10/)],
  })
})

test('transactions that are open end the log, and a commit among them is no commit above it', () => {
  const ends = { ...ENDS, end: 50 }
  const open = ['50 offsets above the end: transactions that are still open']
  expect(standing(50, { ends })).toEqual({ settled: 0, from: 50, lagRecords: 0, notes: open })
  expect(standing(70, { ends })).toEqual({ settled: 0, from: 70, lagRecords: 0, notes: open })
})

test("what is settled above the commit is counted, of this program's metadata for this commit alone", () => {
  const metadata = encodeCompletions({ base: 40, leaderEpoch: 0, settled: [42, 43, 60] })
  expect(standing(40, { metadata })).toEqual({ ...plain, from: 40, lagRecords: 60, settled: 3 })
  expect(standing(41, { metadata }).settled).toBe(0)
  expect(standing(40, { metadata: 'somebody else' }).settled).toBe(0)
})
