/**
 * Reading what came from the network. Everything in this folder is pure: bytes in, values out, no clock, no I/O, and no
 * trust. No read leaves the bytes it was given, and nothing is allocated by a length that was only read.
 */

/** Why bytes cannot be read, in one word: a metric's label, and what a decision may stand on. */
export type MalformedReason =
  /** They end before what they announce. */
  | 'short'
  /** A number of variable length that does not end. */
  | 'varint'
  /** A number beyond 2^53, which is where ours stop being exact. */
  | 'range'
  /** A count or a length that is negative. */
  | 'count'
  /** Bytes are left over where nothing may follow. */
  | 'trailing'
  /** A batch that says it is smaller than its own header. */
  | 'length'
  /** Records, but not one whole batch: the broker cuts later batches, never the first one. */
  | 'cut'
  /** A record format other than 2: written before Kafka 0.11 and never rewritten since. */
  | 'magic'
  /** Offsets that do not rise, or leave their batch. */
  | 'offset'
  /** The bytes changed after they were written. */
  | 'checksum'
  /** A transaction's marker that is none. */
  | 'control'
  /** A compression that is not known. */
  | 'codec'
  /** Compressed bytes that do not inflate. */
  | 'compressed'
  /** They would inflate beyond the limit. */
  | 'inflates'
  /** A record whose parts do not fill its frame. */
  | 'record'
  /** Headers that are none. */
  | 'headers'

/** These bytes are not what the protocol says. The message has positions and lengths, and nothing of a payload. */
export class Malformed extends Error {
  override readonly name = 'Malformed'
  readonly reason: MalformedReason
  /** Nothing can be read from this offset on; null where that is not known. What lies before it is whole. */
  readonly offset: number | null
  constructor(reason: MalformedReason, sentence: string, options: { offset?: number; cause?: unknown } = {}) {
    super(sentence, options)
    this.reason = reason
    this.offset = options.offset ?? null
  }

  /** The same, by somebody who knows where in the log it was met. */
  from(offset: number): Malformed {
    return this.offset === offset ? this : new Malformed(this.reason, this.message, { offset, cause: this })
  }
}

/** A place in a buffer that moves on with each read, and stops at `end`. */
export class Cursor {
  readonly bytes: Buffer
  readonly end: number
  at: number
  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  /** Moves over `length` bytes; the answer is where they begin. */
  take(length: number): number {
    const { at } = this
    if (length < 0) throw new Malformed('count', `a length of ${length} at byte ${at}`)
    if (length > this.end - at)
      throw new Malformed('short', `${length} bytes are announced at byte ${at}, and it ends at ${this.end}`)
    this.at = at + length
    return at
  }

  int8(): number {
    return this.bytes.readInt8(this.take(1))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.take(2))
  }

  int32(): number {
    return this.bytes.readInt32BE(this.take(4))
  }

  /** Refused beyond 2^53. */
  int64(): number {
    const at = this.take(8)
    return exact(this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4), at)
  }

  /** A 16 bit length and UTF-8. */
  string(): string {
    const length = this.int16()
    const at = this.take(length)
    return this.bytes.toString('utf8', at, at + length)
  }

  /** Zigzag in at most 5 bytes. Bits beyond the 32nd are dropped, as Kafka's own client drops them. */
  varint(): number {
    // Nearly every number in a record fits into one byte.
    const first = this.at < this.end ? (this.bytes[this.at] ?? 0) : 0x80
    if (first < 0x80) {
      this.at++
      return (first >>> 1) ^ -(first & 1)
    }
    const at = this.at
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    throw endless(at, 5)
  }

  /** Zigzag in at most 10 bytes. Refused beyond 2^52 already, where the sign, which is the lowest bit, could be lost. */
  varlong(): number {
    const { at } = this
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    let unit = 2 ** 28
    for (let count = 4; count < 10; count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * unit
      unit *= 128
      if (byte < 0x80) return exact(value, at) % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw endless(at, 10)
  }

  #byte(): number {
    return this.bytes[this.take(1)] ?? 0
  }
}

/** `value` where it is a safe integer; `at` says where it was read. */
export function exact(value: number, at: number): number {
  if (!Number.isSafeInteger(value)) throw new Malformed('range', `the number at byte ${at} is beyond 2^53`)
  return value
}

function endless(at: number, bytesMax: number): Malformed {
  return new Malformed('varint', `the number at byte ${at} does not end within ${bytesMax} bytes`)
}
