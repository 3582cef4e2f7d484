/** One record, as a view of its batch. */
import type { Headers, RawRecord } from '../../../consumer/ports.ts'
import type { WireBatch } from './batch.ts'
import { Cursor, exact, Malformed } from './bytes.ts'

/**
 * Key, value and headers are made when they are asked for, each time anew, and are views of the batch's bytes: one record
 * keeps all of them alive, until `detach`. They are accessors, so a copy by spread has none of them.
 */
export class WireRecord implements RawRecord {
  readonly offset: number
  readonly timestampMs: number
  #bytes: Buffer
  /** What is its own begins with the key, and ends with the headers at `#end`. */
  #keyAt: number
  /** -1 stands for null, here and for the value. */
  readonly #keyBytes: number
  #valueAt: number
  readonly #valueBytes: number
  #end: number

  /** Reads the record that begins at the cursor, headers included, and moves behind it. Throws Malformed. */
  constructor(cursor: Cursor, batch: WireBatch) {
    const length = cursor.varint()
    const { at } = cursor
    cursor.int8()
    const timestamp = exact(batch.firstTimestamp + cursor.varlong(), at)
    this.timestampMs = batch.logAppendTime ? batch.maxTimestamp : timestamp
    this.offset = batch.baseOffset + cursor.varint()
    this.#bytes = cursor.bytes
    this.#keyBytes = lengthOrNull(cursor)
    this.#keyAt = cursor.take(Math.max(this.#keyBytes, 0))
    this.#valueBytes = lengthOrNull(cursor)
    this.#valueAt = cursor.take(Math.max(this.#valueBytes, 0))
    readHeaders(cursor, null)
    this.#end = cursor.at
    if (cursor.at - at !== length)
      throw new Malformed('record', `the record at byte ${at} announces ${length} bytes and has ${cursor.at - at}`)
  }

  get key(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keyBytes)
  }

  get value(): Buffer | null {
    return this.#valueBytes < 0 ? null : this.#bytes.subarray(this.#valueAt, this.#valueAt + this.#valueBytes)
  }

  get headers(): Headers {
    const pairs: [string, Buffer | null][] = []
    readHeaders(new Cursor(this.#bytes, this.#valueAt + Math.max(this.#valueBytes, 0), this.#end), pairs)
    return pairs
  }

  /** What its key, value and headers weigh: the bytes that `detach` copies. */
  get bytes(): number {
    return this.#end - this.#keyAt
  }

  /** From now on it keeps a copy of its own bytes alive and no batch. Views that were taken before stay as they are. A second call does nothing. */
  detach(): void {
    // A record begins with its lengths, so in a batch's bytes its key is never the first.
    if (this.#keyAt === 0) return
    // Not from Buffer's pool, of which the copy would keep a whole piece alive.
    const own = Buffer.allocUnsafeSlow(this.bytes)
    this.#bytes.copy(own, 0, this.#keyAt, this.#end)
    this.#bytes = own
    this.#valueAt -= this.#keyAt
    this.#end -= this.#keyAt
    this.#keyAt = 0
  }
}

/** Moves over the headers; where a list is given, they are put there. */
function readHeaders(cursor: Cursor, into: [string, Buffer | null][] | null): void {
  const { at } = cursor
  const count = cursor.varint()
  if (count < 0) throw new Malformed('headers', `${count} headers at byte ${at}`)
  for (let left = count; left > 0; left--) {
    const nameBytes = cursor.varint()
    if (nameBytes < 0)
      throw new Malformed('headers', `a header's name has ${nameBytes} bytes, before byte ${cursor.at}`)
    const nameAt = cursor.take(nameBytes)
    const valueBytes = lengthOrNull(cursor)
    const valueAt = cursor.take(Math.max(valueBytes, 0))
    into?.push([
      cursor.bytes.toString('utf8', nameAt, nameAt + nameBytes),
      valueBytes < 0 ? null : cursor.bytes.subarray(valueAt, valueAt + valueBytes),
    ])
  }
}

/** -1 is null; nothing else is negative. */
function lengthOrNull(cursor: Cursor): number {
  const length = cursor.varint()
  if (length < -1) throw new Malformed('record', `a length of ${length} before byte ${cursor.at}`)
  return length
}
