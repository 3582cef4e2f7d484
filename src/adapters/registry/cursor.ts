/**
 * Reads Avro's primitives from bytes that nobody has checked. Every length is compared with what is left before anything is
 * allocated, every varint ends where its type must end, and the values of a record are counted: a few bytes can declare
 * millions of nulls, and a recursive schema nests as deep as its bytes allow.
 */
import { isUtf8 } from 'node:buffer'
import { UndecodableRecord } from '../../consumer/errors.ts'

export interface DecodeLimits {
  /** Fields, items and entries of one record, all levels together. */
  readonly valuesMax: number
  /** Records, arrays and maps inside one another. */
  readonly depthMax: number
}

export class Cursor {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #values: number
  #depth: number
  readonly #limits: DecodeLimits

  constructor(bytes: Uint8Array, from: number, limits: DecodeLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = from
    this.#end = bytes.byteLength
    this.#values = limits.valuesMax
    this.#depth = limits.depthMax
    this.#limits = limits
  }

  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.#end - this.#at
  }

  /** Counts what is about to be made. */
  spend(values: number): void {
    this.#values -= values
    if (this.#values < 0)
      throw new UndecodableRecord('too-large', `more than ${this.#limits.valuesMax} values in one record`)
  }

  enter(): void {
    this.#depth -= 1
    if (this.#depth < 0) throw new UndecodableRecord('too-large', `nested deeper than ${this.#limits.depthMax} levels`)
  }

  leave(): void {
    this.#depth += 1
  }

  boolean(): boolean {
    const byte = this.#byte()
    if (byte > 1) throw new UndecodableRecord('undecodable', 'a boolean is neither 0 nor 1')
    return byte === 1
  }

  int(): number {
    const value = this.safeLong()
    if (value !== (value | 0)) throw new UndecodableRecord('undecodable', 'an int has more than 32 bits')
    return value
  }

  long(): bigint {
    let low = 0
    let high = 0
    let byte = this.#byte()
    low = byte & 0x7f
    for (let shift = 7; byte > 0x7f; shift += 7) {
      byte = this.#byte()
      // 28 bits fit a small integer; what is above them goes into a second number, which ends at bit 63.
      if (shift < 28) low |= (byte & 0x7f) << shift
      else high += (byte & 0x7f) * 2 ** (shift - 28)
      if (shift === 63 && byte > 1) throw new UndecodableRecord('undecodable', 'a long has more than 64 bits')
    }
    const half = high * 2 ** 27 + (low >>> 1)
    const magnitude = half <= Number.MAX_SAFE_INTEGER ? BigInt(half) : (BigInt(high) << 27n) | BigInt(low >>> 1)
    return (low & 1) === 0 ? magnitude : -magnitude - 1n
  }

  /** A long that must fit a number exactly: lengths, counts and times. */
  safeLong(): number {
    const byte = this.#bytes[this.#at]
    if (byte !== undefined && byte < 0x80) {
      this.#at += 1
      return (byte >>> 1) ^ -(byte & 1)
    }
    const value = Number(this.long())
    if (!Number.isSafeInteger(value))
      throw new UndecodableRecord('undecodable', 'a number is larger than its use allows')
    return value
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#take(4))
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  string(): string {
    const length = this.length()
    const from = this.#take(length)
    const text = this.#bytes.toString('utf8', from, from + length)
    // Bytes that are no UTF-8 become U+FFFD, silently: another text than was written.
    if (text.includes('\uFFFD') && !isUtf8(this.#bytes.subarray(from, from + length))) {
      throw new UndecodableRecord('undecodable', 'a string is not UTF-8')
    }
    return text
  }

  /** A copy: a view would pin the whole answer that the record came in. */
  fixed(size: number): Uint8Array {
    const from = this.#take(size)
    return new Uint8Array(this.#bytes.subarray(from, from + size))
  }

  skip(size: number): void {
    this.#take(size)
  }

  /** Of bytes and strings. */
  length(): number {
    const length = this.safeLong()
    if (length < 0) throw new UndecodableRecord('undecodable', 'a negative length')
    return length
  }

  index(count: number, of: string): number {
    const index = this.safeLong()
    if (index < 0 || index >= count) throw new UndecodableRecord('undecodable', `no ${of} of that number`)
    return index
  }

  /** Calls `item` for each item of an array or entry of a map; `bytesMin` is the least that one can take. */
  blocks(bytesMin: number, item: (cursor: Cursor) => void): void {
    this.enter()
    for (let count = this.safeLong(); count !== 0; count = this.safeLong()) {
      // A negative count is followed by the block's size in bytes.
      const end = count < 0 ? this.length() + this.#at : -1
      const items = Math.abs(count)
      // A count that the bytes cannot hold is found before anything is made of it.
      if (items * bytesMin > this.left) throw new UndecodableRecord('undecodable', TRUNCATED)
      this.spend(items)
      for (let index = 0; index < items; index++) item(this)
      if (end >= 0 && this.#at !== end) throw new UndecodableRecord('undecodable', 'a block is not as long as it says')
    }
    this.leave()
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new UndecodableRecord('undecodable', TRUNCATED)
    this.#at += 1
    return byte
  }

  /** Where the next `size` bytes begin. */
  #take(size: number): number {
    const from = this.#at
    if (size > this.#end - from) throw new UndecodableRecord('undecodable', TRUNCATED)
    this.#at = from + size
    return from
  }
}

const TRUNCATED = 'the value ends before its schema does'
