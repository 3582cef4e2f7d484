/** The first record that a partition's reader would be given, found in bytes as a leader sends them. */
import { expect, test } from 'vitest'
import { type Oldest, oldestOf, type Search } from '../../../src/adapters/kafka/oldest.ts'
import { decodeFetchAnswer, type WirePartition } from '../../../src/adapters/kafka/wire/answer.ts'
import {
  type Answered,
  abortMarker,
  damaged,
  fetchAnswer,
  lastOffsetOf,
  numbers,
  TRANSACTIONAL_RECORDS,
} from '../../support/record-batch.ts'

/** As a leader answers: from the batch that has the offset on, one at least, and then as many as there is room for. */
function logOf(batches: readonly Buffer[], more: Partial<Answered> = {}) {
  const asked: [from: number, bytesMax: number][] = []
  const fetch = async (from: number, bytesMax: number): Promise<WirePartition | null> => {
    asked.push([from, bytesMax])
    const left = batches.filter(batch => lastOffsetOf(batch) >= from)
    let bytes = 0
    const given = left.filter((batch, index) => {
      bytes += batch.length
      return index === 0 || bytes <= bytesMax
    })
    if (given.length === 0 && more.errorCode === undefined) return null
    const raw = fetchAnswer({ topic: 'orders', partition: 0, batches: given, ...more })
    return decodeFetchAnswer(raw).partitions[0] ?? null
  }
  return { fetch, asked }
}

const search = (more: Pick<Search, 'fetch' | 'end'> & Partial<Search>): Promise<Oldest> =>
  oldestOf({ from: 0, isSettled: () => false, isLate: () => false, ...more })

const AT_MS = 1_700_000_000_000
const TIMES = { firstTimestamp: BigInt(AT_MS), maxTimestamp: BigInt(AT_MS) }
const aborted = (offset: number) => numbers(offset, 1, { attributes: TRANSACTIONAL_RECORDS, producerId: 7n })

test('it is the record at the offset, and one batch is asked for', async () => {
  const log = logOf([numbers(0, 5, TIMES), numbers(5, 5)])
  expect(await search({ ...log, from: 3, end: 10 })).toEqual({ kind: 'record', offset: 3, timestampMs: AT_MS })
  expect(log.asked).toEqual([[3, 1]])
})

test('a gap leads to the first record behind it', async () => {
  const log = logOf([numbers(0, 2), numbers(7, 2, TIMES)])
  expect(await search({ ...log, from: 2, end: 9 })).toEqual({ kind: 'record', offset: 7, timestampMs: AT_MS })
})

test('what is settled already is passed over, unless it was written under a later leader', async () => {
  const log = logOf([numbers(0, 4, { leaderEpoch: 2 }), numbers(4, 4, { leaderEpoch: 3 })])
  const found = await search({ ...log, end: 8, isSettled: (offset, leaderEpoch) => offset < 6 && leaderEpoch <= 2 })
  expect(found).toMatchObject({ kind: 'record', offset: 4 })
})

test('nothing but markers and aborted records up to the end is nothing', async () => {
  const log = logOf([aborted(3), aborted(4), abortMarker(5, 7)], { aborted: [[7, 3]] })
  expect(await search({ ...log, from: 3, end: 6 })).toEqual({ kind: 'none' })
  expect(log.asked.length).toBeLessThanOrEqual(3)
})

test('a record at the end or beyond, which came meanwhile, is none of the lag', async () => {
  const log = logOf([aborted(3), abortMarker(4, 7), numbers(5, 1)], { aborted: [[7, 3]] })
  expect(await search({ ...log, from: 3, end: 5 })).toEqual({ kind: 'none' })
})

test('nothing where the leader has nothing, and where there is nothing to look through', async () => {
  const log = logOf([])
  expect(await search({ ...log, from: 3, end: 6 })).toEqual({ kind: 'none' })
  expect(await search({ ...log, from: 6, end: 6 })).toEqual({ kind: 'none' })
  expect(log.asked.length).toBe(1)
})

test('it is not looked further for ever, nor when the time is up, and how far it was is said', async () => {
  const batches = Array.from({ length: 100 }, (_, at) => aborted(at))
  const log = logOf(batches, { aborted: [[7, 0]] })
  const oneByOne = { fetch: (from: number) => log.fetch(from, 1) }
  const tired = await search({ ...oneByOne, end: 100 })
  expect(tired).toEqual({ kind: 'unknown', why: 'no record among offsets 0 to 31; it was not looked further' })
  expect(log.asked.length).toBe(32)
  const late = await search({ ...oneByOne, end: 100, isLate: () => log.asked.length >= 34 })
  expect(late).toEqual({ kind: 'unknown', why: 'no record among offsets 0 to 1; it was not looked further' })
})

test('bytes that cannot be read are said, and so is what the broker refuses', async () => {
  expect(await search({ ...logOf([damaged(numbers(0, 3))]), end: 3 })).toMatchObject({
    kind: 'unknown',
    why: expect.stringMatching(/^its records cannot be read: the batch at offset 0 says checksum/),
  })
  const why = async (errorCode: number) => await search({ ...logOf([], { errorCode }), end: 3 })
  expect(await why(29)).toMatchObject({ why: expect.stringContaining('lacks the ACL READ on topic orders') })
  expect(await why(1)).toMatchObject({ why: expect.stringContaining('look again') })
  expect(await why(6)).toMatchObject({ why: expect.stringContaining('error 6') })
})
