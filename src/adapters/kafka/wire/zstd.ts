/** Zstandard frames. node:zlib inflates the first frame of its input and says nothing of others: so they are told apart here. */
import { constants, zstdDecompressSync } from 'node:zlib'
import { Cursor, Malformed } from './bytes.ts'

const FRAME = 0xfd2fb528
/** 16 magic numbers, for what is no data. */
const SKIPPABLE_FRAME = 0x184d2a50

/** A frame may ask for a window, which is memory, of any size. The highest level of Java's client asks for 2^27 bytes. */
const WINDOW_LOG_MAX = 27

const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

/** Every frame of `input`, one behind the other. */
export function inflateZstd(input: Buffer, options: { maxOutputLength: number; chunkSize: number }): Buffer {
  const cursor = new Cursor(input)
  const frames: Buffer[] = []
  let left = options.maxOutputLength
  do {
    const { at } = cursor
    if (!walkFrame(cursor)) continue
    if (left <= 0) throw new Malformed('inflates', 'frames follow what has filled the limit')
    const frame = zstdDecompressSync(input.subarray(at, cursor.at), {
      ...options,
      maxOutputLength: left,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    })
    frames.push(frame)
    left -= frame.length
  } while (cursor.left > 0)
  const [first] = frames
  return first !== undefined && frames.length === 1 ? first : Buffer.concat(frames)
}

/** Moves over one frame; whether it holds data. */
function walkFrame(cursor: Cursor): boolean {
  const magic = cursor.bytes.readUInt32LE(cursor.take(4))
  if ((magic & ~0x0f) >>> 0 === SKIPPABLE_FRAME) {
    cursor.take(cursor.bytes.readUInt32LE(cursor.take(4)))
    return false
  }
  if (magic !== FRAME) throw new Malformed('compressed', 'no frame begins here')
  const hasChecksum = walkHeader(cursor)
  while (!walkBlock(cursor));
  if (hasChecksum) cursor.take(4)
  return true
}

/** Whether a checksum ends the frame. */
function walkHeader(cursor: Cursor): boolean {
  const descriptor = cursor.int8()
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = (descriptor >>> 6) & 3
  // A single segment has no window of its own, and its size in a byte at least.
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0)
  cursor.take((isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + sizeBytes)
  return (descriptor & 0x04) !== 0
}

const REPEATED_BYTE = 1

/** Whether it was the last one. */
function walkBlock(cursor: Cursor): boolean {
  const header = cursor.bytes.readUIntLE(cursor.take(3), 3)
  cursor.take(((header >>> 1) & 3) === REPEATED_BYTE ? 1 : header >>> 3)
  return (header & 1) !== 0
}
