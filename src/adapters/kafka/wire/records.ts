/** The records of one batch: checked, inflated, all or none. */
import { HEADER_BYTES, verifyChecksum, type WireBatch } from './batch.ts'
import { Cursor, Malformed } from './bytes.ts'
import { inflate } from './codecs.ts'
import { WireRecord } from './record.ts'

export type { WireRecord }

/**
 * The batch's records from offset `from` on, rising; none of a control batch or an aborted one. Throws Malformed, its `offset`
 * the batch's first, and gives nothing when any byte of the batch is not what it should be, those below `from` included.
 * `limitBytes` bounds what the batch inflates to.
 */
export function readRecords(batch: WireBatch, from: number, limitBytes: number): WireRecord[] {
  try {
    // First of all, even where nothing is read: that a batch is aborted, or ends below `from`, is in its bytes as well.
    verifyChecksum(batch)
    if (batch.control || batch.aborted || batch.lastOffset < from) return []
    return readAll(batch, recordBytes(batch, limitBytes), from)
  } catch (error) {
    throw error instanceof Malformed ? error.from(batch.baseOffset) : error
  }
}

function recordBytes({ bytes, at, end, codec, count }: WireBatch, limitBytes: number): Cursor {
  const from = at + HEADER_BYTES
  // Of a batch that compaction has emptied, only the header is left; the codec still stands in it.
  if (codec === 0 || count === 0) return new Cursor(bytes, from, end)
  return new Cursor(inflate(codec, bytes.subarray(from, end), limitBytes))
}

function readAll(batch: WireBatch, cursor: Cursor, from: number): WireRecord[] {
  const records: WireRecord[] = []
  let previous = batch.baseOffset - 1
  // Nothing is allocated by the count: each record takes bytes, and they end.
  for (let left = batch.count; left > 0; left--) {
    const record = new WireRecord(cursor, batch)
    if (record.offset <= previous || record.offset > batch.lastOffset)
      throw new Malformed(
        'offset',
        `offset ${record.offset} follows ${previous} in a batch from ${batch.baseOffset} to ${batch.lastOffset}`,
      )
    previous = record.offset
    if (record.offset >= from) records.push(record)
  }
  if (cursor.left > 0) throw new Malformed('trailing', `${cursor.left} bytes follow the ${batch.count} records`)
  return records
}
