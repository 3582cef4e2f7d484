/**
 * The header of a record batch (format 2, the only one that is written since Kafka 0.11), and its checksum. At byte: base
 * offset 0, length 8, leader epoch 12, magic 16, checksum 17, attributes 21, last offset's delta 23, first timestamp 27, last
 * timestamp 35, producer id 43, epoch 51, sequence 53, count 57, records 61.
 */
import { Cursor, exact, Malformed } from './bytes.ts'
import { crc32c } from './crc32c.ts'

/** One batch where it lies in its answer, which it pins in memory whole. */
export interface WireBatch {
  /** The whole answer; the batch is [at, end). */
  readonly bytes: Buffer
  readonly at: number
  readonly end: number
  readonly baseOffset: number
  /** Of the batch as it was written: it stays when compaction takes the last record away, so reading goes on behind it. */
  readonly lastOffset: number
  /** Of the leader that appended it; -1 where nobody knows. */
  readonly leaderEpoch: number
  /** 0 to 4: none, gzip, snappy, lz4, zstd; 5 to 7 are nobody's. */
  readonly codec: number
  /** Every record's time is `maxTimestamp`, the broker's. */
  readonly logAppendTime: boolean
  readonly transactional: boolean
  /** A transaction's marker (or another note of the broker's): nothing in it is a record. */
  readonly control: boolean
  /** -1 where the producer is neither idempotent nor transactional. */
  readonly producerId: number
  /** Milliseconds; a record's time is a difference to it, which may be negative. */
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  /** Records that are left in it; 0 where compaction took all. */
  readonly count: number
  /** Of a transaction that was aborted: its records never happened. */
  readonly aborted: boolean
  /** As the batch carries it. Not checked yet: `readRecords` does that before it believes anything. */
  readonly crc: number
}

/** Offset and length, which every record format has had; the length counts what follows it. */
export const PREFIX_BYTES = 12
export const HEADER_BYTES = 61

const MAGIC_AT = 16
/** The checksum covers all from here on; so not the offset, the length and the leader epoch, which the broker writes. */
const ATTRIBUTES_AT = 21

/** The header of the batch in [at, end), which must lie within `bytes`. Throws Malformed. */
export function readBatchHeader(bytes: Buffer, at: number, end: number): WireBatch {
  // Before the length: the older formats' records are shorter than this header.
  const magic = end - at > MAGIC_AT ? bytes.readInt8(at + MAGIC_AT) : 2
  if (magic !== 2) throw ofOtherFormat(magic)
  if (end - at < HEADER_BYTES) throw new Malformed('length', `a batch of ${end - at} bytes at byte ${at}`)
  const cursor = new Cursor(bytes, at, end)
  const baseOffset = cursor.int64()
  cursor.take(4)
  const leaderEpoch = cursor.int32()
  cursor.take(1)
  const crc = cursor.int32() >>> 0
  const attributes = cursor.int16()
  const lastOffsetDelta = cursor.int32()
  const firstTimestamp = cursor.int64()
  const maxTimestamp = cursor.int64()
  const producerId = cursor.int64()
  cursor.take(6)
  const count = cursor.int32()
  if (baseOffset < 0 || lastOffsetDelta < 0)
    throw new Malformed('offset', `a batch from offset ${baseOffset} to ${baseOffset + lastOffsetDelta}`)
  if (count < 0) throw new Malformed('count', `a batch of ${count} records`)
  return {
    bytes,
    at,
    end,
    baseOffset,
    lastOffset: exact(baseOffset + lastOffsetDelta, at + 23),
    leaderEpoch,
    codec: attributes & 7,
    logAppendTime: (attributes & 8) !== 0,
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    producerId,
    firstTimestamp,
    maxTimestamp,
    count,
    aborted: false,
    crc,
  }
}

function ofOtherFormat(magic: number): Malformed {
  const sentence =
    magic === 0 || magic === 1
      ? `a batch of record format ${magic}, written before Kafka 0.11 or for such a consumer; only format 2 is read`
      : `a batch of record format ${magic}, which does not exist`
  return new Malformed('magic', sentence)
}

/** Throws Malformed where the bytes are not those that were written. */
export function verifyChecksum(batch: WireBatch): void {
  const { bytes, at, end, baseOffset, crc } = batch
  const found = crc32c(bytes, at + ATTRIBUTES_AT, end)
  if (found === crc) return
  throw new Malformed(
    'checksum',
    `the batch at offset ${baseOffset} says checksum ${hex(crc)} and has ${hex(found)}: its bytes were damaged on the network or on a disk, not by the producer, for the broker takes no batch whose checksum is wrong`,
    { offset: baseOffset },
  )
}

const hex = (checksum: number): string => checksum.toString(16).padStart(8, '0')
