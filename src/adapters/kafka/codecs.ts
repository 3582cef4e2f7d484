/**
 * The compression codecs that kafkajs does not bring: it knows gzip only, and stops for good at the first batch of another.
 * Registered once for the process. Reading is bounded: a batch may not inflate beyond `INFLATED_BYTES_MAX`.
 */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'
import { Misconfigured } from '../../consumer/errors.ts'

/** A batch is at most `message.max.bytes` (1 MiB by default) compressed; real ones inflate tenfold. A guess, never tuned. */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024

/** Larger windows than 2^27, which is what the Java client's highest level asks for, are refused. */
const ZSTD_WINDOW_LOG_MAX = 27

/** What kafkajs calls a codec. It hands over an encoder of its own, which holds the bytes. */
interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(input: Buffer): Promise<Buffer>
}

const codec = (compress: (input: Buffer) => Buffer, decompress: (input: Buffer) => Buffer): (() => Codec) => {
  const made: Codec = {
    compress: async ({ buffer }) => compress(buffer),
    decompress: async input => decompress(input),
  }
  return () => made
}

/** A second call changes nothing. gzip is replaced too: the built-in one has no limit. */
export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs
  const limits = { maxOutputLength: INFLATED_BYTES_MAX }
  const zstd = { ...limits, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }
  CompressionCodecs[CompressionTypes.GZIP] = codec(
    input => gzipSync(input),
    input => gunzipSync(input, limits),
  )
  CompressionCodecs[CompressionTypes.ZSTD] = codec(
    input => zstdCompressSync(input),
    input => zstdDecompressSync(input, zstd),
  )
  CompressionCodecs[CompressionTypes.Snappy] = codec(input => compressSync(input), readSnappy)
  CompressionCodecs[CompressionTypes.LZ4] = codec(
    input => compressFrameSync(input),
    input => decompressFrameSync(boundedLz4(input)),
  )
}

/** The header that Java's snappy stream writes; librdkafka and we write one bare block. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

function readSnappy(input: Buffer): Buffer {
  if (!input.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return readSnappyBlock(input, INFLATED_BYTES_MAX)
  const blocks: Buffer[] = []
  let inflated = 0
  for (let at = XERIAL_HEADER_BYTES; at < input.length; ) {
    const bytes = at + 4 <= input.length ? input.readInt32BE(at) : -1
    if (bytes < 0 || at + 4 + bytes > input.length) throw damaged('snappy', 'a block reaches beyond the batch')
    const block = readSnappyBlock(input.subarray(at + 4, at + 4 + bytes), INFLATED_BYTES_MAX - inflated)
    blocks.push(block)
    inflated += block.length
    at += 4 + bytes
  }
  return Buffer.concat(blocks)
}

/** A block begins with its inflated length as a varint; the library allocates that much before it looks at the rest. */
function readSnappyBlock(block: Buffer, bytesMax: number): Buffer {
  let inflated = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at] ?? 0
    inflated += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) break
  }
  if (inflated > bytesMax) throw damaged('snappy', `a block says it inflates to ${inflated} bytes`)
  const read = uncompressSync(block)
  return typeof read === 'string' ? Buffer.from(read) : read
}

const LZ4_MAGIC = 0x184d2204

/** The library has no limit, but no block may inflate beyond the size its frame's header names: counting blocks bounds it. */
function boundedLz4(input: Buffer): Buffer {
  if (input.length < 7 || input.readUInt32LE(0) !== LZ4_MAGIC) throw damaged('lz4', 'no frame begins here')
  const flags = input.readUInt8(4)
  const blockBytesMax = 2 ** (8 + 2 * ((input.readUInt8(5) >> 4) & 7))
  const checksumBytes = flags & 0x10 ? 4 : 0
  let blocks = 0
  for (let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0); ; blocks++) {
    if (at + 4 > input.length) throw damaged('lz4', 'the frame has no end')
    const bytes = input.readUInt32LE(at) & 0x7fffffff
    if (bytes === 0) break
    at += 4 + bytes + checksumBytes
  }
  // The last block may be a short one; all before it are full, or the writer would not have begun another.
  if ((blocks - 1) * blockBytesMax >= INFLATED_BYTES_MAX)
    throw damaged('lz4', `${blocks} blocks of ${blockBytesMax} bytes`)
  return input
}

const damaged = (codec: string, what: string): Misconfigured =>
  new Misconfigured(`a ${codec} batch cannot be read: ${what} (limit ${INFLATED_BYTES_MAX} bytes inflated)`)
