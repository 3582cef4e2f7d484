import { describe, expect, test } from 'vitest'
import { decodeFetchAnswer, type WirePartition } from '../../../../src/adapters/kafka/wire/answer.ts'
import { Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { answerOf, batchOf, int16, int32, LOG_APPEND_TIME, TRANSACTIONAL } from './writing.ts'

const only = (records: Buffer): WirePartition => decodeFetchAnswer(answerOf({ records })).partitions[0]!

const three = [{ value: Buffer.from('a') }, { value: Buffer.from('b') }, { value: Buffer.from('c') }]
const good = batchOf({ baseOffset: 10, records: three })

test('what an answer says of a partition and a batch', () => {
  const attributes = 4 | LOG_APPEND_TIME | TRANSACTIONAL
  const batch = batchOf({ baseOffset: 10, attributes, producerId: 77, records: three, lastOffsetDelta: 5 })
  const raw = answerOf({ topic: 'orders', partition: 4, errorCode: 6, records: batch })
  const begin = raw.length - batch.length
  expect(decodeFetchAnswer(raw)).toEqual({
    throttleTimeMs: 7,
    errorCode: 0,
    sessionId: 0,
    partitions: [
      {
        topic: 'orders',
        partition: 4,
        errorCode: 6,
        highWatermark: 1_000,
        lastStableOffset: 900,
        logStartOffset: 5,
        preferredReadReplica: -1,
        broken: null,
        batches: [
          {
            bytes: raw,
            at: begin,
            end: raw.length,
            baseOffset: 10,
            lastOffset: 15,
            leaderEpoch: 3,
            codec: 4,
            logAppendTime: true,
            transactional: true,
            control: false,
            producerId: 77,
            firstTimestamp: 1_000,
            maxTimestamp: 2_000,
            count: 3,
            aborted: false,
            crc: batch.readUInt32BE(17),
          },
        ],
      },
    ],
  })
})

test('no bytes, null bytes and no partitions are answers', () => {
  expect(decodeFetchAnswer(answerOf()).partitions).toEqual([])
  for (const records of [null, Buffer.alloc(0)])
    for (const aborted of [null, []])
      expect(decodeFetchAnswer(answerOf({ records, aborted })).partitions[0]).toMatchObject({
        batches: [],
        broken: null,
      })
})

function refusal(bytes: Buffer): string {
  try {
    decodeFetchAnswer(bytes)
    return 'read'
  } catch (error) {
    return error instanceof Malformed ? `${error.reason} ${error.offset}` : String(error)
  }
}

describe('the frame of an answer', () => {
  const raw = answerOf({ records: good, aborted: [[1, 2]] })
  const edited = (at: number, bytes: Buffer): Buffer => {
    const copy = Buffer.from(raw)
    bytes.copy(copy, at)
    return copy
  }
  test('is broken by every cut', () => {
    for (let length = 0; length < raw.length; length++) expect(refusal(raw.subarray(0, length))).toBe('short null')
  })
  test('is broken by bytes behind it', () =>
    expect(refusal(Buffer.concat([raw, Buffer.alloc(1)]))).toBe('trailing null'))
  // The topics at byte 10, the name's length at 14, the partitions at 22; the aborted at 56, the records at 80.
  test.each([
    ['a negative number of topics', edited(10, int32(-1)), 'count null'],
    ['more topics than bytes', edited(10, int32(2 ** 31 - 1)), 'short null'],
    ['a topic without a name', edited(14, int16(-1)), 'count null'],
    ['a negative number of partitions', edited(22, int32(-1)), 'count null'],
    ['more aborted transactions than bytes', edited(56, int32(2)).subarray(0, 90), 'short null'],
    ['fewer than no aborted transactions', edited(56, int32(-2)), 'count null'],
    ['more records than bytes', edited(80, int32(good.length + 1)), 'short null'],
    ['fewer than no records', edited(80, int32(-2)), 'count null'],
    ['a high watermark beyond 2^53', edited(32, Buffer.from([0x7f])), 'range null'],
  ])('is broken by %s', (_what, bytes, expected) => expect(refusal(bytes)).toBe(expected))
})

/** A message of the format before: offset, length, checksum, magic, attributes, key and value. */
function old(magic: number): Buffer {
  return Buffer.concat([Buffer.alloc(8), int32(14), int32(0), Buffer.from([magic, 0]), int32(-1), int32(-1)])
}

describe('a partition is broken where its records are', () => {
  const edited = (at: number, bytes: Buffer): Buffer => {
    const copy = Buffer.from(batchOf({ baseOffset: 13, records: three }))
    bytes.copy(copy, at)
    return copy
  }
  test.each([
    ['record format 0', old(0), 'magic'],
    ['record format 1', old(1), 'magic'],
    ['a record format to come', edited(16, Buffer.from([3])), 'magic'],
    ['a batch smaller than a header', edited(8, int32(48)), 'length'],
    ['a batch of negative length', edited(8, int32(-1)), 'length'],
    ['a batch of no length', edited(8, int32(-12)), 'length'],
    ['a negative base offset', batchOf({ baseOffset: -1, records: three }), 'offset'],
    ['a negative last offset', batchOf({ baseOffset: 13, lastOffsetDelta: -1, records: three }), 'offset'],
    ['a base offset beyond 2^53', batchOf({ baseOffset: 2n ** 53n, records: three }), 'range'],
    ['a last offset beyond 2^53', batchOf({ baseOffset: 2n ** 53n - 2n, records: three }), 'range'],
    ['a producer beyond 2^53', batchOf({ baseOffset: 13, producerId: 2n ** 60n, records: three }), 'range'],
    ['a time beyond 2^53', batchOf({ baseOffset: 13, firstTimestamp: -(2n ** 60n), records: three }), 'range'],
    ['a last time beyond 2^53', batchOf({ baseOffset: 13, maxTimestamp: 2n ** 60n, records: three }), 'range'],
    ['a negative number of records', batchOf({ baseOffset: 13, lastOffsetDelta: 0, count: -1 }), 'count'],
    ['offsets that were there already', batchOf({ baseOffset: 12, records: three }), 'offset'],
  ])('%s', (_what, bad, reason) => {
    const { batches, broken } = only(Buffer.concat([good, bad, good]))
    expect(batches.map(({ baseOffset }) => baseOffset)).toEqual([10])
    expect(broken).toBeInstanceOf(Malformed)
    expect([broken?.reason, broken?.offset]).toEqual([reason, 13])
  })
  test('and nobody knows at which offset, where nothing was read before', () => {
    const { broken } = only(old(1))
    expect([broken?.reason, broken?.offset]).toEqual(['magic', null])
  })
  test('a negative offset needs none before it', () =>
    expect(only(batchOf({ baseOffset: -1, records: three })).broken?.reason).toBe('offset'))
  test('and the other partitions are not', () => {
    const { partitions } = decodeFetchAnswer(
      answerOf({ records: old(1) }, { topic: 'b', records: good }, { topic: 'c' }),
    )
    expect(partitions.map(({ topic, batches, broken }) => [topic, batches.length, broken?.reason])).toEqual([
      ['orders', 0, 'magic'],
      ['b', 1, undefined],
      ['c', 0, undefined],
    ])
  })
})

test('a batch that the limit cut is left out, unless it is the first', () => {
  const next = batchOf({ baseOffset: 13, records: three })
  for (let cut = 0; cut < next.length; cut++) {
    const { batches, broken } = only(Buffer.concat([good, next.subarray(0, cut)]))
    expect([batches.length, broken]).toEqual([1, null])
    expect(only(next.subarray(0, cut)).broken?.reason).toBe(cut === 0 ? undefined : 'cut')
  }
})
