/** Snappy as Kafka's clients write it: Java in chunks behind a header ("xerial"), librdkafka and others as one bare block. */
import { uncompressSync } from 'snappy'
import { Cursor, Malformed } from './bytes.ts'

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** The magic number and two versions. */
const XERIAL_HEADER_BYTES = 16

/** Three bytes of a block can at most say "64 bytes again", which is the format's best. */
const RATIO_MAX = 22

export function inflateSnappy(input: Buffer, limitBytes: number): Buffer {
  if (!input.subarray(0, XERIAL.length).equals(XERIAL)) return inflateBlock(input, limitBytes)
  const cursor = new Cursor(input)
  cursor.take(XERIAL_HEADER_BYTES)
  const blocks: Buffer[] = []
  let inflated = 0
  while (cursor.left > 0) {
    const bytes = cursor.int32()
    const at = cursor.take(bytes)
    const block = inflateBlock(input.subarray(at, at + bytes), limitBytes - inflated)
    blocks.push(block)
    inflated += block.length
  }
  const [first] = blocks
  return first !== undefined && blocks.length === 1 ? first : Buffer.concat(blocks, inflated)
}

/** The library allocates what the block's first bytes say, before it looks at the rest: so we look first. */
function inflateBlock(block: Buffer, limitBytes: number): Buffer {
  const announced = announcedBytes(block)
  if (announced > limitBytes) throw new Malformed('inflates', `a block announces ${announced} bytes`)
  if (announced > block.length * RATIO_MAX)
    throw new Malformed('compressed', `a block of ${block.length} bytes announces ${announced}`)
  const read = uncompressSync(block, { asBuffer: true })
  return typeof read === 'string' ? Buffer.from(read) : read
}

function announcedBytes(block: Buffer): number {
  let announced = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at]
    if (byte === undefined) break
    announced += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return announced
  }
  throw new Malformed('compressed', 'a block does not begin with its length')
}
