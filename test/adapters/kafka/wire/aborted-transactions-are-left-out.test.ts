import { expect, test } from 'vitest'
import { decodeFetchAnswer, type WirePartition } from '../../../../src/adapters/kafka/wire/answer.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import { answerOf, batchOf, CONTROL, markerOf, type PartitionParts, TRANSACTIONAL } from './writing.ts'

const LIMIT_BYTES = 1024 * 1024

function read(
  aborted: PartitionParts['aborted'],
  ...batches: readonly Buffer[]
): WirePartition & { offsets: number[] } {
  const partition = decodeFetchAnswer(answerOf({ aborted: aborted ?? null, records: Buffer.concat(batches) }))
    .partitions[0]!
  const offsets = partition.batches.flatMap(batch => readRecords(batch, 0, LIMIT_BYTES).map(({ offset }) => offset))
  return { ...partition, offsets }
}

/** One record of a transaction. */
const of = (producerId: number, baseOffset: number, key = 'k'): Buffer =>
  batchOf({ baseOffset, producerId, attributes: TRANSACTIONAL, records: [{ key: Buffer.from(key, 'latin1') }] })
const plain = (producerId: number, baseOffset: number): Buffer =>
  batchOf({ baseOffset, producerId, records: [{ key: null }] })

test('from its first offset to its marker, and no further', () =>
  expect(read([[1, 5]], of(1, 4), of(1, 5), of(1, 6), markerOf(7, 1, 'abort'), of(1, 8), plain(-1, 9)).offsets).toEqual(
    [4, 8, 9],
  ))

test('several at once, each to its own marker; a begin in the middle enters them all', () => {
  const answer = read(
    [
      [3, 2],
      [1, 0],
      [2, 1],
    ],
    of(2, 10),
    of(1, 11),
    of(3, 12),
    of(4, 13),
    markerOf(14, 1, 'abort'),
    of(1, 15),
    of(2, 16),
    markerOf(17, 3, 'abort'),
    of(3, 18),
    of(2, 19),
    markerOf(20, 2, 'abort'),
    of(2, 21),
  )
  expect(answer.offsets).toEqual([13, 15, 18, 21])
})

test('two of one producer, with a committed one between them', () => {
  const batches = [
    of(1, 0),
    markerOf(1, 1, 'abort'),
    of(1, 2),
    markerOf(3, 1, 'commit'),
    of(1, 4),
    markerOf(5, 1, 'abort'),
    of(1, 6),
  ]
  expect(
    read(
      [
        [1, 0],
        [1, 4],
      ],
      ...batches,
    ).offsets,
  ).toEqual([2, 6])
})

test('a key that looks like a marker ends nothing', () =>
  expect(read([[1, 0]], of(1, 0), of(1, 1, '\0\0\0\0'), of(1, 2), markerOf(3, 1, 'abort'), of(1, 4)).offsets).toEqual([
    4,
  ]))

test("another producer's marker, and a commit, end nothing", () =>
  expect(read([[1, 0]], of(1, 0), markerOf(1, 2, 'abort'), markerOf(2, 1, 'commit'), of(1, 3)).offsets).toEqual([]))

test('what is not of a transaction is never aborted', () => {
  expect(read([[1, 0]], plain(1, 0), of(1, 1), plain(1, 2)).offsets).toEqual([0, 2])
  expect(read([[-1, 0]], plain(-1, 0)).offsets).toEqual([0])
})

test('a transaction that begins in the middle of a batch takes the batch', () => {
  const records = [{ value: null }, { value: null }, { value: null }]
  const batch = batchOf({ baseOffset: 10, producerId: 1, attributes: TRANSACTIONAL, records })
  expect(read([[1, 12]], batch).offsets).toEqual([])
  expect(read([[1, 13]], batch).offsets).toEqual([10, 11, 12])
})

test('an emptied marker ends nothing, an emptied batch is no trouble', () => {
  const attributes = TRANSACTIONAL | CONTROL
  const emptied = batchOf({ baseOffset: 1, producerId: 1, attributes, count: 0, lastOffsetDelta: 0 })
  const empty = batchOf({ baseOffset: 2, producerId: 1, attributes: TRANSACTIONAL | 3, count: 0, lastOffsetDelta: 4 })
  const answer = read([[1, 0]], of(1, 0), emptied, empty, of(1, 7), markerOf(8, 1, 'abort'), of(1, 9))
  expect([answer.broken, answer.offsets]).toEqual([null, [9]])
})

test('without a list every record is there, no marker is', () => {
  for (const aborted of [null, []])
    expect(read(aborted, of(1, 0), markerOf(1, 1, 'abort'), of(1, 2)).offsets).toEqual([0, 2])
})

const marker = { baseOffset: 1, producerId: 1, attributes: TRANSACTIONAL | CONTROL }
const damaged = markerOf(1, 1, 'abort')
damaged[damaged.length - 9] = 1

test.each([
  ['checksum', 'is damaged', damaged],
  ['control', 'has a short key', batchOf({ ...marker, records: [{ key: Buffer.from([0, 0, 0]) }] })],
  ['control', 'has no key', batchOf({ ...marker, records: [{ key: null }] })],
  [
    'control',
    'is compressed',
    batchOf({ ...marker, attributes: marker.attributes | 1, records: [{ key: Buffer.alloc(4) }] }),
  ],
  ['short', 'has no bytes', batchOf({ ...marker, count: 1 })],
])('%s: a marker that %s is not believed where it matters', (reason, _what, bytes) => {
  const { broken, batches } = read([[1, 0]], of(1, 0), bytes, of(1, 2))
  expect([broken?.reason, broken?.offset, batches.length]).toEqual([reason, 1, 1])
  expect(read([[2, 0]], of(1, 0)).broken).toBeNull()
})
