/** Batches and answers written by hand, right or wrong as a test wants them. */
import { crc32c } from '../../../../src/adapters/kafka/wire/crc32c.ts'

export interface RecordParts {
  /** From the batch's base offset. */
  readonly delta?: number
  readonly timeDelta?: number
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  readonly headers?: readonly (readonly [name: string, value: Buffer | null])[]
}

export interface BatchParts {
  readonly baseOffset?: number | bigint
  readonly lastOffsetDelta?: number
  readonly magic?: number
  /** Codec in the lowest three bits, then log append time, transactional, control. */
  readonly attributes?: number
  readonly firstTimestamp?: number | bigint
  readonly maxTimestamp?: number | bigint
  readonly producerId?: number | bigint
  readonly count?: number
  /** What stands behind the header; written from `records` otherwise. */
  readonly payload?: Buffer
  readonly records?: readonly RecordParts[]
}

export const LOG_APPEND_TIME = 8
export const TRANSACTIONAL = 16
export const CONTROL = 32

/** Its checksum is right. */
export function batchOf(parts: BatchParts): Buffer {
  const { records = [], payload = Buffer.concat(records.map((record, delta) => recordOf({ delta, ...record }))) } =
    parts
  const count = parts.count ?? records.length
  const bytes = Buffer.concat([Buffer.alloc(61), payload])
  bytes.writeBigInt64BE(BigInt(parts.baseOffset ?? 0), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(3, 12)
  bytes.writeInt8(parts.magic ?? 2, 16)
  bytes.writeInt16BE(parts.attributes ?? 0, 21)
  bytes.writeInt32BE(parts.lastOffsetDelta ?? Math.max(count - 1, 0), 23)
  bytes.writeBigInt64BE(BigInt(parts.firstTimestamp ?? 1_000), 27)
  bytes.writeBigInt64BE(BigInt(parts.maxTimestamp ?? 2_000), 35)
  bytes.writeBigInt64BE(BigInt(parts.producerId ?? -1), 43)
  bytes.writeInt32BE(count, 57)
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

/** A transaction's end. */
export function markerOf(baseOffset: number, producerId: number, type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1])
  const records = [{ key, value: Buffer.alloc(6) }]
  return batchOf({ baseOffset, producerId, attributes: TRANSACTIONAL | CONTROL, records })
}

export function recordOf({ delta = 0, timeDelta = 0, key = null, value = null, headers = [] }: RecordParts): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(timeDelta),
    varint(delta),
    sized(key),
    sized(value),
    varint(headers.length),
    ...headers.flatMap(([name, content]) => [sized(Buffer.from(name)), sized(content)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

function sized(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])
}

/** Zigzag, as long as it takes. */
export function varint(value: number | bigint): Buffer {
  const wide = BigInt(value)
  let rest = wide < 0n ? -wide * 2n - 1n : wide * 2n
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}

export interface PartitionParts {
  readonly topic?: string
  readonly partition?: number
  readonly errorCode?: number
  /** Producer and first offset; null is no list. */
  readonly aborted?: readonly (readonly [producerId: number, firstOffset: number])[] | null
  /** Null is no bytes. */
  readonly records?: Buffer | null
}

/** One topic for each partition, which is how a broker may well answer. */
export function answerOf(...partitions: readonly PartitionParts[]): Buffer {
  return Buffer.concat([int32(7), int16(0), int32(0), int32(partitions.length), ...partitions.map(partitionOf)])
}

function partitionOf(parts: PartitionParts): Buffer {
  const { topic = 'orders', partition = 0, errorCode = 0, aborted = null, records = null } = parts
  return Buffer.concat([
    int16(Buffer.byteLength(topic)),
    Buffer.from(topic),
    int32(1),
    int32(partition),
    int16(errorCode),
    ...[1_000, 900, 5].map(int64),
    int32(aborted?.length ?? -1),
    ...(aborted ?? []).flat().map(int64),
    int32(-1),
    int32(records?.length ?? -1),
    records ?? Buffer.alloc(0),
  ])
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}
