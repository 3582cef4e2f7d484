import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeFetchAnswer, type WireBatch } from '../../../../src/adapters/kafka/wire/answer.ts'
import { Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import {
  answerOf,
  type BatchParts,
  batchOf,
  CONTROL,
  LOG_APPEND_TIME,
  type RecordParts,
  recordOf,
  TRANSACTIONAL,
  varint,
} from './writing.ts'

const LIMIT_BYTES = 1024 * 1024

const batchIn = (bytes: Buffer): WireBatch => decodeFetchAnswer(answerOf({ records: bytes })).partitions[0]!.batches[0]!
const read = (parts: BatchParts, from = 0) => readRecords(batchIn(batchOf(parts)), from, LIMIT_BYTES)

const odd: RecordParts[] = [
  { key: null, value: null },
  { key: Buffer.alloc(0), value: Buffer.alloc(0), timeDelta: -5_000 },
  {
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    timeDelta: 3,
    headers: [
      ['trace', Buffer.from('1')],
      ['trace', null],
      ['', Buffer.alloc(0)],
      ['trace', Buffer.from('2')],
      ['héader', Buffer.from('ü')],
    ],
  },
]

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

describe.each([
  ['bare', (parts: BatchParts) => parts],
  [
    'compressed',
    (parts: BatchParts) => ({
      attributes: 1,
      count: parts.records!.length,
      payload: gzipSync(Buffer.concat(parts.records!.map((record, delta) => recordOf({ delta, ...record })))),
      ...parts,
    }),
  ],
])('%s', (_how, packed) => {
  test('null and empty, order and repetition are kept', () => {
    const records = read(packed({ baseOffset: 40, records: odd }))
    expect(
      records.map(({ offset, timestampMs, key, value, headers }) => ({
        at: [offset, timestampMs],
        key: text(key),
        value: text(value),
        headers: headers.map(([name, content]) => [name, text(content)]),
      })),
    ).toEqual([
      { at: [40, 1_000], key: null, value: null, headers: [] },
      { at: [41, -4_000], key: '', value: '', headers: [] },
      {
        at: [42, 1_003],
        key: 'key',
        value: 'value',
        headers: [
          ['trace', '1'],
          ['trace', null],
          ['', ''],
          ['trace', '2'],
          ['héader', 'ü'],
        ],
      },
    ])
  })

  test('a detached record is the same, in bytes of its own and no more', () => {
    const [, , record] = read(packed({ baseOffset: 40, records: odd }))
    const { key, value, headers, bytes } = record!
    const shared = value!.buffer
    expect(shared.byteLength).toBeGreaterThan(bytes)
    record!.detach()
    expect([record!.key, record!.value, record!.headers]).toEqual([key, value, headers])
    expect([record!.offset, record!.timestampMs, record!.bytes]).toEqual([42, 1_003, bytes])
    const own = record!.value!.buffer
    expect(own.byteLength).toBe(bytes)
    expect([record!.key!.buffer, record!.headers[0]![1]!.buffer]).toEqual([own, own])
    // What was taken before lies where it lay.
    expect([text(value), value!.buffer]).toEqual(['value', shared])
    record!.detach()
    expect(record!.value!.buffer).toBe(own)
  })

  test('nothing but lengths is detached of a record without anything', () => {
    const [record] = read(packed({ baseOffset: 40, records: odd }))
    record!.detach()
    record!.detach()
    expect([record!.key, record!.value, record!.headers, record!.bytes]).toEqual([null, null, [], 2])
  })

  test('what lies below is left out', () => {
    const parts = packed({ baseOffset: 40, records: odd })
    expect([0, 40, 41, 42, 43].map(from => read(parts, from).map(({ offset }) => offset))).toEqual([
      [40, 41, 42],
      [40, 41, 42],
      [41, 42],
      [42],
      [],
    ])
  })
})

test("with the broker's time every record has the batch's", () => {
  const records = read({ attributes: LOG_APPEND_TIME, records: odd })
  expect(records.map(({ timestampMs }) => timestampMs)).toEqual([2_000, 2_000, 2_000])
})

test('a batch that compaction has emptied', () => {
  for (const attributes of [0, 1, 2, 3, 4]) expect(read({ attributes, count: 0, lastOffsetDelta: 9 })).toEqual([])
})

test('holes of compaction', () => {
  const records = [{ delta: 3 }, { delta: 9 }]
  expect(read({ baseOffset: 10, lastOffsetDelta: 20, records }).map(({ offset }) => offset)).toEqual([13, 19])
})

function refusal(batch: WireBatch, from = 0): Malformed {
  try {
    readRecords(batch, from, LIMIT_BYTES)
  } catch (error) {
    if (error instanceof Malformed) return error
    throw error
  }
  throw new Error('it was read')
}

/** A record of these parts, numbers as varints, behind its length. */
function body(...parts: (number | Buffer)[]): Buffer {
  const bytes = Buffer.concat(parts.map(part => (typeof part === 'number' ? varint(part) : part)))
  return Buffer.concat([varint(bytes.length), bytes])
}

describe('all or none: a batch is refused for', () => {
  const fine = recordOf({ delta: 1, key: Buffer.from('k') })
  const zero = Buffer.from([0])
  test.each([
    [
      'a record that is longer than it says',
      'record',
      Buffer.concat([varint(6), body(zero, 0, 0, -1, -1, 0).subarray(1), zero]),
    ],
    [
      'a record that is shorter than it says',
      'record',
      Buffer.concat([varint(7), body(zero, 0, 0, -1, -1, 0).subarray(1), zero]),
    ],
    ['a record of negative length', 'record', Buffer.concat([varint(-1), body(zero, 0, 0, -1, -1, 0).subarray(1)])],
    ['a key of length -2', 'record', body(zero, 0, 0, -2, -1, 0)],
    ['a value of length -2', 'record', body(zero, 0, 0, -1, -2, 0)],
    ['a key beyond the batch', 'short', body(zero, 0, 0, 1_000_000_000, -1, 0)],
    ['a value beyond the batch', 'short', body(zero, 0, 0, -1, 1_000_000_000, 0)],
    ['a key that reaches into the next record', 'record', body(zero, 0, 0, 4, -1, 0)],
    ['a negative number of headers', 'headers', body(zero, 0, 0, -1, -1, -1)],
    ['a header without a name', 'headers', body(zero, 0, 0, -1, -1, 1, -1, -1)],
    ["a header's value of length -2", 'record', body(zero, 0, 0, -1, -1, 1, 0, -2)],
    ['fewer headers than it says', 'short', body(zero, 0, 0, -1, -1, 1_000_000_000)],
    ['a time beyond 2^53', 'range', body(zero, Buffer.from('feffffffffffffffff01', 'hex'), 0, -1, -1, 0)],
    ['a number that does not end', 'varint', body(zero, 0, Buffer.alloc(6, 0x80), -1, -1, 0)],
    ['an offset below the batch', 'offset', body(zero, 0, -1, -1, -1, 0)],
    ['an offset beyond the batch', 'offset', body(zero, 0, 2, -1, -1, 0)],
    ['an offset that was there', 'offset', body(zero, 0, 1, -1, -1, 0)],
  ])('%s', (_what, reason, bad) => {
    // The same in the second place, behind one that could be read; and below the offset that is wanted.
    const batch = batchIn(batchOf({ baseOffset: 70, payload: Buffer.concat([bad, fine]), count: 2 }))
    for (const from of [0, 71]) expect([refusal(batch, from).reason, refusal(batch, from).offset]).toEqual([reason, 70])
    const payload = Buffer.concat([recordOf({ delta: 0 }), fine, bad])
    expect(refusal(batchIn(batchOf({ baseOffset: 70, payload, count: 3, lastOffsetDelta: 1 }))).offset).toBe(70)
  })
  test.each([
    ['bytes behind the last record', 'trailing', { payload: Buffer.concat([recordOf({}), zero]), count: 1 }],
    ['records that it does not count', 'trailing', { payload: recordOf({}), count: 0 }],
    [
      'compressed records that it does not count',
      'trailing',
      { payload: gzipSync(recordOf({})), attributes: 1, count: 0 },
    ],
    [
      'a record that ends before it should',
      'record',
      { payload: Buffer.concat([varint(7), recordOf({}).subarray(1)]), count: 1 },
    ],
    [
      'a time that is beyond 2^53 only as a sum',
      'range',
      { firstTimestamp: 2 ** 53 - 1, maxTimestamp: 0, records: [{ timeDelta: 1 }] },
    ],
    ['fewer records than it counts', 'short', { payload: recordOf({}), count: 2 }],
    ['a number of records that nobody has memory for', 'short', { payload: recordOf({}), count: 2 ** 31 - 1 }],
    ['codec 5', 'codec', { payload: recordOf({}), count: 1, attributes: 5 }],
    ['codec 6', 'codec', { payload: recordOf({}), count: 1, attributes: 6 }],
    ['codec 7', 'codec', { payload: recordOf({}), count: 1, attributes: 7 }],
    ['compressed bytes that are none', 'compressed', { payload: recordOf({}), count: 1, attributes: 1 }],
    ['no compressed bytes at all', 'compressed', { payload: Buffer.alloc(0), count: 1, attributes: 1 }],
    [
      'what inflates beyond the limit',
      'inflates',
      { payload: gzipSync(Buffer.alloc(LIMIT_BYTES + 1)), count: 1, attributes: 1 },
    ],
  ])('%s', (_what, reason, parts) => {
    const error = refusal(batchIn(batchOf({ baseOffset: 70, ...parts })))
    expect([error.reason, error.offset]).toEqual([reason, 70])
  })
})

describe('the checksum', () => {
  const bytes = batchOf({ baseOffset: 70, records: odd })
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 0x10
    return copy
  }
  test('tells any flipped bit behind it, and says who did it not', () => {
    for (let at = 17; at < bytes.length; at++) {
      const { batches, broken } = decodeFetchAnswer(answerOf({ records: flipped(at) })).partitions[0]!
      // Some of the header is implausible at once.
      const error = broken ?? refusal(batches[0]!)
      expect(error.reason).toMatch(/^(?:checksum|offset|range|count)$/)
    }
    expect(refusal(batchIn(flipped(bytes.length - 1))).message).toMatch(
      /damaged on the network or on a disk, not by the producer/,
    )
  })
  test.each([
    ['compressed', 22, 0x01, 0],
    ['control', 22, CONTROL, 0],
    ['transactional', 22, TRANSACTIONAL, 0],
    ['empty', 60, odd.length, 0],
    ['of lower offsets', 26, 0x02, 71],
  ])('is asked before a batch is believed to be %s', (_what, at, bits, from) => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= bits
    expect(refusal(batchIn(copy), from).reason).toBe('checksum')
  })
  test('and before it is left out as aborted', () =>
    expect(refusal({ ...batchIn(flipped(bytes.length - 1)), aborted: true }).reason).toBe('checksum'))
})

test('an error has no payload in it', () => {
  const secret = Buffer.from('secret-secret-secret')
  const payload = Buffer.concat([recordOf({ key: secret, value: secret, headers: [['secret', secret]] }), secret])
  const error = refusal(batchIn(batchOf({ payload, count: 1 })))
  expect(`${error.message} ${error.stack}`).not.toMatch(/secret-|c2VjcmV0|736563/)
})
