/** LZ4 frames. The library that inflates them has no limit, so a frame is walked first: what it inflates to can be counted. */
import { decompressFrameSync } from 'lz4-napi'
import { Cursor, Malformed } from './bytes.ts'

const FRAME = 0x184d2204
/** The format before frames: blocks to the end of the input, no flags, no end mark. */
const LEGACY_FRAME = 0x184c2102

/** Flags of a frame's header, and what of the frame they stand for. */
const BLOCK_CHECKSUM = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const DICTIONARY = 0x01

/** The highest bit of a block's length: it is stored as it is. */
const STORED = 0x80000000

/** The first frame of `input`, and nothing behind it: so does Kafka's own client, which writes one. */
export function inflateLz4(input: Buffer, limitBytes: number): Buffer {
  const frame = new Cursor(input)
  const inflatedBytes = walkFrame(frame, limitBytes)
  const inflated = decompressFrameSync(input.subarray(0, frame.at))
  if (inflated.length !== inflatedBytes)
    throw new Malformed('compressed', `${inflated.length} bytes came out of a frame of ${inflatedBytes}`)
  return inflated
}

/** What the frame inflates to. The cursor stands behind it then. */
function walkFrame(cursor: Cursor, limitBytes: number): number {
  const magic = uint32(cursor)
  if (magic !== FRAME && magic !== LEGACY_FRAME) throw new Malformed('compressed', 'no frame begins here')
  const legacy = magic === LEGACY_FRAME
  const flags = legacy ? 0 : headerFlags(cursor)
  let inflated = 0
  for (;;) {
    if (legacy && cursor.left === 0) break
    const word = uint32(cursor)
    if (!legacy && word === 0) break
    const bytes = word % STORED
    const at = cursor.take(bytes)
    inflated += word >= STORED ? bytes : inflatedBlockBytes(new Cursor(cursor.bytes, at, cursor.at))
    if (inflated > limitBytes) throw new Malformed('inflates', `it holds ${inflated} bytes and more`)
    if (flags & BLOCK_CHECKSUM) cursor.take(4)
  }
  if (flags & CONTENT_CHECKSUM) cursor.take(4)
  return inflated
}

function headerFlags(cursor: Cursor): number {
  const flags = cursor.int8()
  // The largest block's size, and the header's checksum at its end.
  cursor.take(1 + (flags & CONTENT_SIZE ? 8 : 0) + (flags & DICTIONARY ? 4 : 0) + 1)
  return flags
}

/** The sequences of a block without what they copy: literals, then a match of four bytes or more; the last has no match. */
function inflatedBlockBytes(cursor: Cursor): number {
  let inflated = 0
  while (cursor.left > 0) {
    const token = uint8(cursor)
    const literals = extended(cursor, token >>> 4)
    cursor.take(literals)
    inflated += literals
    if (cursor.left === 0) break
    cursor.take(2)
    inflated += extended(cursor, token & 0x0f) + 4
  }
  return inflated
}

/** Four bits; when all are set, bytes follow that add to it, the last of them not 255. */
function extended(cursor: Cursor, nibble: number): number {
  let length = nibble
  if (nibble < 15) return length
  for (;;) {
    const byte = uint8(cursor)
    length += byte
    if (byte < 255) return length
  }
}

const uint8 = (cursor: Cursor): number => cursor.bytes[cursor.take(1)] ?? 0
const uint32 = (cursor: Cursor): number => cursor.bytes.readUInt32LE(cursor.take(4))
