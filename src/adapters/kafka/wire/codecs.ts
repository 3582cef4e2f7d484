/**
 * What a batch's records are compressed with, and how it is undone without giving more than a limit: compressed bytes can
 * stand for a thousand times as many.
 */
import { gunzipSync } from 'node:zlib'
import { describe } from '../../../consumer/errors.ts'
import { Malformed } from './bytes.ts'
import { inflateLz4 } from './lz4.ts'
import { inflateSnappy } from './snappy.ts'
import { inflateZstd } from './zstd.ts'

/** By their numbers in a batch's attributes. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Output beyond it comes in pieces that are put together at the end. A guess, never tuned. */
const CHUNK_BYTES_MAX = 1024 * 1024
/** What records compress to, roughly; so that one piece is enough mostly. */
const RATIO_USUAL = 4

/**
 * The inflated bytes, at most `limitBytes` of them; `input` itself where it is not compressed. Throws Malformed: `codec`,
 * `inflates` for what is too large (found before it is in memory), `compressed` for anything that is not the codec's.
 *
 * Memory that snappy and lz4 give back comes free at a turn of the event loop and not before (20,000 batches in one turn held
 * 4 GB), so a caller inflates a bounded amount at a time.
 */
export function inflate(codec: number, input: Buffer, limitBytes: number): Buffer {
  const name = CODECS[codec]
  if (name === undefined)
    throw new Malformed('codec', `the records are compressed with codec ${codec}, which is nobody's`)
  try {
    if (name === 'none') return input
    const inflated = inflateNamed(name, input, limitBytes)
    // zlib takes no limit of 0.
    if (inflated.length > limitBytes) throw new Malformed('inflates', 'no bytes are allowed, and there are some')
    return unpinned(inflated)
  } catch (error) {
    throw new Malformed(
      isTooMuch(error) ? 'inflates' : 'compressed',
      `${input.length} bytes of ${name} cannot be inflated (to ${limitBytes} bytes at most): ${describe(error)}`,
      { cause: error },
    )
  }
}

function inflateNamed(name: Exclude<(typeof CODECS)[number], 'none'>, input: Buffer, limitBytes: number): Buffer {
  switch (name) {
    case 'gzip':
      return gunzipSync(input, zlibOptions(input, limitBytes))
    case 'snappy':
      return inflateSnappy(input, limitBytes)
    case 'lz4':
      return inflateLz4(input, limitBytes)
    case 'zstd':
      return inflateZstd(input, zlibOptions(input, limitBytes))
    default:
      return name satisfies never
  }
}

/** Pieces have 64 bytes at least, or zlib refuses them. */
function zlibOptions(input: Buffer, limitBytes: number): { maxOutputLength: number; chunkSize: number } {
  const chunkSize = Math.min(input.length * RATIO_USUAL, limitBytes, CHUNK_BYTES_MAX)
  return { maxOutputLength: Math.max(limitBytes, 1), chunkSize: Math.max(chunkSize, 64) }
}

function isTooMuch(error: unknown): boolean {
  if (error instanceof Malformed) return error.reason === 'inflates'
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}

/** A small result may be a view of something large (zlib's piece, Buffer's pool), which its records would keep alive. */
function unpinned(inflated: Buffer): Buffer {
  if (inflated.buffer.byteLength <= 2 * inflated.length) return inflated
  const own = Buffer.allocUnsafeSlow(inflated.length)
  inflated.copy(own)
  return own
}
