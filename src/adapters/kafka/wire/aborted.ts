/**
 * Which batches are of aborted transactions. An answer to a read_committed fetch names the aborted transactions that overlap
 * it, by producer and first offset; where each ends is in the log, as the producer's abort marker.
 */
import { HEADER_BYTES, verifyChecksum, type WireBatch } from './batch.ts'
import { Cursor, Malformed } from './bytes.ts'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/**
 * Asked about each batch of the answer once, in the log's order. An answer that begins in the middle of several transactions
 * enters them all with its first batch. Throws Malformed for a marker that it would have to trust and cannot.
 */
export function abortedFilter(transactions: readonly AbortedTransaction[]): (batch: WireBatch) => boolean {
  const ahead = transactions.toSorted((left, right) => left.firstOffset - right.firstOffset)
  /** Producers whose transaction is one of the aborted, here. */
  const open = new Set<number>()
  let entered = 0
  return batch => {
    for (; entered < ahead.length && ahead[entered]!.firstOffset <= batch.lastOffset; entered++)
      open.add(ahead[entered]!.producerId)
    if (!open.has(batch.producerId)) return false
    // Only a control batch ends a transaction: the key of a marker is four bytes that any record may have, too.
    if (batch.control) {
      if (isAbortMarker(batch)) open.delete(batch.producerId)
      return false
    }
    return batch.transactional
  }
}

const ABORT = 0

/** A marker is one record, never compressed, whose key is a version and a type, 16 bits each. */
function isAbortMarker(batch: WireBatch): boolean {
  verifyChecksum(batch)
  // Compaction leaves an empty batch in the place of an old marker, when the transaction's records are gone.
  if (batch.count === 0) return false
  if (batch.codec !== 0) throw noMarker(batch, 'it is compressed')
  const cursor = new Cursor(batch.bytes, batch.at + HEADER_BYTES, batch.end)
  cursor.varint()
  cursor.int8()
  cursor.varlong()
  cursor.varint()
  const keyBytes = cursor.varint()
  if (keyBytes < 4) throw noMarker(batch, `its key has ${keyBytes} bytes`)
  cursor.int16()
  return cursor.int16() === ABORT
}

function noMarker({ baseOffset }: WireBatch, why: string): Malformed {
  return new Malformed('control', `the control batch at offset ${baseOffset} holds no marker: ${why}`, {
    offset: baseOffset,
  })
}
