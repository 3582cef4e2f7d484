/** A few kilobytes that stand for half a gigabyte, in every codec: refused at the limit, before there is memory for them. */
import { constants, gzipSync } from 'node:zlib'
import { compressSync as compressLz4 } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { decodeFetchAnswer } from '../../../../src/adapters/kafka/wire/answer.ts'
import { Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { inflate } from '../../../../src/adapters/kafka/wire/codecs.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import { answerOf, batchOf, int32 } from './writing.ts'

const MEBIBYTE = 1024 * 1024
const LIMIT_BYTES = 64 * MEBIBYTE
const BOMB_BYTES = 512 * MEBIBYTE

const times = (count: number, ...parts: readonly Buffer[]): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => parts).flat())
const littleEndian = (value: number): Buffer => Buffer.from(int32(value | 0).toReversed())

/** The fastest level: what comes out is the same. */
const gzip = (bytes: number): Buffer => gzipSync(Buffer.alloc(bytes), { level: constants.Z_BEST_SPEED })

/** A member of 32 MiB, again and again. */
const gzipMembers = (bytes: number): Buffer => {
  const part = Math.min(bytes, 32 * MEBIBYTE)
  return times(bytes / part, gzip(part))
}

/** One zero, then "64 bytes again" as often as it takes: three bytes each. */
const snappy = (bytes: number): Buffer => {
  const length = Buffer.alloc(5)
  for (let at = 0, rest = bytes; at < 5; at++, rest = Math.floor(rest / 128))
    length[at] = (rest % 128) | (at < 4 ? 128 : 0)
  const copies = Buffer.alloc(Math.floor((bytes - 1) / 64) * 3, Buffer.from([0xfe, 1, 0]))
  const rest = (bytes - 1) % 64
  return Buffer.concat([length, Buffer.from([0, 0]), copies, Buffer.from([((rest - 1) << 2) | 2, 1, 0])])
}

const snappyChunks = (bytes: number): Buffer => {
  const part = Math.min(bytes, 4 * MEBIBYTE)
  const chunk = Buffer.from(compressSync(Buffer.alloc(part)))
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  return Buffer.concat([header, times(bytes / part, int32(chunk.length), chunk)])
}

/** Blocks of 4 MiB in a frame that says nothing of its size. */
const lz4 = (bytes: number): Buffer => {
  const block = compressLz4(Buffer.alloc(Math.min(bytes, 4 * MEBIBYTE))).subarray(4)
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73])
  return Buffer.concat([
    header,
    times(Math.max(bytes / (4 * MEBIBYTE), 1), littleEndian(block.length), block),
    int32(0),
  ])
}

/** One frame of blocks that are a byte repeated, 128 KiB each in four bytes; a window of 128 KiB, no size. */
const zstd = (bytes: number): Buffer => {
  const size = 128 * 1024
  const block = (last: number): Buffer => littleEndian((size << 3) | (1 << 1) | last)
  const header = Buffer.concat([littleEndian(0xfd2fb528), Buffer.from([0, 7 << 3])])
  return Buffer.concat([header, times(bytes / size - 1, block(0)), block(1)])
}

const zstdFrames = (bytes: number): Buffer => times(bytes / MEBIBYTE, zstd(MEBIBYTE))

describe.each([
  ['gzip', 1, gzip],
  ['gzip, many members', 1, gzipMembers],
  ['snappy', 2, snappy],
  ['snappy, many chunks', 2, snappyChunks],
  ['lz4', 3, lz4],
  ['zstd', 4, zstd],
  ['zstd, many frames', 4, zstdFrames],
] as const)('%s', (_name, attributes, made) => {
  test('a small one inflates to zeros: it is what it should be', () =>
    expect(inflate(attributes, made(2 * MEBIBYTE), 2 * MEBIBYTE).equals(Buffer.alloc(2 * MEBIBYTE))).toBe(true))

  test('half a gigabyte is refused, and memory stays', { timeout: 60_000 }, () => {
    const batch = batchOf({ attributes, payload: made(BOMB_BYTES), count: 10, lastOffsetDelta: 9 })
    const answer = decodeFetchAnswer(answerOf({ records: batch }))
    // The highest ever, in KiB: nothing can be seen while the call runs.
    const before = process.resourceUsage().maxRSS
    let refused: unknown
    try {
      readRecords(answer.partitions[0]!.batches[0]!, 0, LIMIT_BYTES)
    } catch (error) {
      refused = error
    }
    expect(refused).toBeInstanceOf(Malformed)
    expect(refused).toMatchObject({ reason: 'inflates', offset: 0 })
    // What fits below the limit may be there, once more while it grows, and its pieces.
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan((2.5 * LIMIT_BYTES) / MEBIBYTE)
  })
})

test('a zstd frame that asks for a window of gigabytes is refused', () => {
  const frame = zstd(MEBIBYTE)
  frame[5] = 21 << 3
  expect(() => inflate(4, frame, LIMIT_BYTES)).toThrow(Malformed)
})
