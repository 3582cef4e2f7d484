/** Record batches and Fetch answers as a broker writes them, checksums right; for the logs of tests. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import {
  type BatchParts,
  batchOf,
  CONTROL,
  int16,
  int32,
  markerOf,
  recordOf,
  TRANSACTIONAL,
} from '../adapters/kafka/wire/writing.ts'

const COMPRESSED = [
  (bytes: Buffer) => bytes,
  (bytes: Buffer) => gzipSync(bytes),
  (bytes: Buffer) => compressSync(bytes),
  (bytes: Buffer) => compressFrameSync(bytes),
  (bytes: Buffer) => zstdCompressSync(bytes),
] as const

export interface Written extends BatchParts {
  readonly baseOffset: number
  /** One record each. */
  readonly values?: readonly (string | null)[]
  /** 0 to 4: none, gzip, snappy, lz4, zstd. */
  readonly codec?: number
  readonly leaderEpoch?: number
}

/** The values' records, from the base offset on without gaps. */
export function written({ values = [], codec = 0, leaderEpoch = 0, ...parts }: Written): Buffer {
  const payload = Buffer.concat(
    values.map((value, delta) => recordOf({ delta, value: value === null ? null : Buffer.from(value) })),
  )
  const compress = COMPRESSED[codec] ?? COMPRESSED[0]
  const batch = batchOf({
    count: values.length,
    payload: values.length === 0 ? payload : compress(payload),
    ...parts,
    attributes: (parts.attributes ?? 0) | codec,
  })
  return atEpoch(batch, leaderEpoch)
}

/** So many records of one batch, `v<offset>` each. */
export function numbers(baseOffset: number, count: number, more: Partial<Written> = {}): Buffer {
  return written({ baseOffset, values: Array.from({ length: count }, (_, delta) => `v${baseOffset + delta}`), ...more })
}

export function abortMarker(baseOffset: number, producerId: number): Buffer {
  return atEpoch(markerOf(baseOffset, producerId, 'abort'), 0)
}

export const TRANSACTIONAL_RECORDS = TRANSACTIONAL
export const CONTROL_RECORDS = TRANSACTIONAL | CONTROL

/** The leader epoch is no part of what the checksum covers: the broker writes it. */
function atEpoch(batch: Buffer, leaderEpoch: number): Buffer {
  batch.writeInt32BE(leaderEpoch, 12)
  return batch
}

/** A copy with its last byte turned over: damage of a network or a disk. */
export function damaged(batch: Buffer): Buffer {
  const copy = Buffer.from(batch)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 0xff, copy.length - 1)
  return copy
}

/** A copy whose header is of a record format that does not exist. */
export function headless(batch: Buffer): Buffer {
  const copy = Buffer.from(batch)
  copy.writeInt8(9, 16)
  return copy
}

export function lastOffsetOf(batch: Buffer): number {
  return Number(batch.readBigInt64BE(0)) + batch.readInt32BE(23)
}

export interface Answered {
  readonly topic: string
  readonly partition: number
  readonly errorCode?: number
  /** The broker says -1 to all of these beside an error. */
  readonly highWatermark?: number
  readonly logStart?: number
  /** Producer and first offset. */
  readonly aborted?: readonly (readonly [producerId: number, firstOffset: number])[]
  readonly batches?: readonly Buffer[]
}

/** The body of an answer to Fetch, version 11. */
export function fetchAnswer(...partitions: readonly Answered[]): Buffer {
  return Buffer.concat([int32(0), int16(0), int32(0), int32(partitions.length), ...partitions.map(partitionAnswer)])
}

function partitionAnswer(answered: Answered): Buffer {
  const { topic, partition, errorCode = 0, highWatermark = -1, logStart = -1, aborted = [], batches = [] } = answered
  const records = Buffer.concat(batches)
  return Buffer.concat([
    int16(Buffer.byteLength(topic)),
    Buffer.from(topic),
    int32(1),
    int32(partition),
    int16(errorCode),
    ...[highWatermark, highWatermark, logStart].map(int64),
    int32(aborted.length),
    ...aborted.flat().map(int64),
    int32(-1),
    int32(records.length),
    records,
  ])
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}
