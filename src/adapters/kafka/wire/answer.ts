/** A broker's answer to Fetch, version 11, as partitions and record batches. The records themselves are read by `records.ts`. */
import { type AbortedTransaction, abortedFilter } from './aborted.ts'
import { PREFIX_BYTES, readBatchHeader, type WireBatch } from './batch.ts'
import { Cursor, Malformed } from './bytes.ts'

export type { WireBatch }

export interface FetchAnswer {
  readonly throttleTimeMs: number
  /** Of the whole request (the fetch session's); 0 is none. */
  readonly errorCode: number
  readonly sessionId: number
  /** In the answer's order. A topic may stand at several places. */
  readonly partitions: readonly WirePartition[]
}

export interface WirePartition {
  readonly topic: string
  readonly partition: number
  /** The protocol's; 0 is none. */
  readonly errorCode: number
  /** This and the next two are -1 where the broker has an error instead. */
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** The node that this partition had better be fetched from, or -1. */
  readonly preferredReadReplica: number
  /**
   * Whole ones, offsets rising. A last one that the broker cut is left out: it comes first in the next answer. Which are
   * aborted stands on those before them, so where one cannot be read, those behind it are fetched again and not read.
   */
  readonly batches: readonly WireBatch[]
  /** What follows the batches is no batch, so nothing behind it can be reached. Its `offset` is where it would begin. */
  readonly broken: Malformed | null
}

/**
 * `raw` is the answer's body, behind the correlation id; the answer keeps views of it. Throws Malformed only where the
 * answer's own frame is broken. What is wrong in a partition's records stays with that partition.
 */
export function decodeFetchAnswer(raw: Buffer): FetchAnswer {
  const cursor = new Cursor(raw)
  const throttleTimeMs = cursor.int32()
  const errorCode = cursor.int16()
  const sessionId = cursor.int32()
  const partitions: WirePartition[] = []
  for (let topics = countOf(cursor); topics > 0; topics--) {
    const topic = cursor.string()
    for (let left = countOf(cursor); left > 0; left--) partitions.push(decodePartition(cursor, topic))
  }
  if (cursor.left > 0) throw new Malformed('trailing', `${cursor.left} bytes follow the answer`)
  return { throttleTimeMs, errorCode, sessionId, partitions }
}

function decodePartition(cursor: Cursor, topic: string): WirePartition {
  const partition = cursor.int32()
  const errorCode = cursor.int16()
  const highWatermark = cursor.int64()
  const lastStableOffset = cursor.int64()
  const logStartOffset = cursor.int64()
  const aborted = decodeAborted(cursor)
  const preferredReadReplica = cursor.int32()
  const bytes = countOrNull(cursor)
  const at = cursor.take(bytes)
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    preferredReadReplica,
    ...scanBatches(new Cursor(cursor.bytes, at, at + bytes), abortedFilter(aborted)),
  }
}

function decodeAborted(cursor: Cursor): AbortedTransaction[] {
  const transactions: AbortedTransaction[] = []
  for (let left = countOrNull(cursor); left > 0; left--)
    transactions.push({ producerId: cursor.int64(), firstOffset: cursor.int64() })
  return transactions
}

/** Nothing is allocated by it: whoever counts down from it ends with the bytes. */
function countOf(cursor: Cursor): number {
  const { at } = cursor
  const count = cursor.int32()
  if (count < 0) throw new Malformed('count', `a count of ${count} at byte ${at}`)
  return count
}

/** -1 stands for null, which is nothing as well. */
function countOrNull(cursor: Cursor): number {
  const { at } = cursor
  const count = cursor.int32()
  if (count < -1) throw new Malformed('count', `a count of ${count} at byte ${at}`)
  return Math.max(count, 0)
}

function scanBatches(
  cursor: Cursor,
  isAborted: (batch: WireBatch) => boolean,
): { batches: WireBatch[]; broken: Malformed | null } {
  const batches: WireBatch[] = []
  try {
    for (let batch = nextBatch(cursor); batch !== null; batch = nextBatch(cursor)) {
      const previous = batches.at(-1)
      if (previous !== undefined && batch.baseOffset <= previous.lastOffset)
        throw new Malformed(
          'offset',
          `a batch from offset ${batch.baseOffset} follows one that ends with ${previous.lastOffset}`,
        )
      batches.push(isAborted(batch) ? { ...batch, aborted: true } : batch)
    }
    // Since Fetch 3 the broker leaves records out altogether where the first batch would not be whole.
    if (batches.length === 0 && cursor.left > 0)
      throw new Malformed('cut', `${cursor.left} bytes of records hold no whole batch`)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    const last = batches.at(-1)
    return { batches, broken: last === undefined ? error : error.from(last.lastOffset + 1) }
  }
  return { batches, broken: null }
}

/** Null where the bytes end, or the broker's limit cut the batch. */
function nextBatch(cursor: Cursor): WireBatch | null {
  if (cursor.left < PREFIX_BYTES) return null
  const { at } = cursor
  const bytes = PREFIX_BYTES + cursor.bytes.readInt32BE(at + 8)
  if (bytes > cursor.left) return null
  const batch = readBatchHeader(cursor.bytes, at, at + bytes)
  cursor.at = batch.end
  return batch
}
