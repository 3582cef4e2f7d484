import { createHash } from 'node:crypto'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync, compressSync as compressLz4 } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { inflate } from '../../../../src/adapters/kafka/wire/codecs.ts'
import { int32 } from './writing.ts'

const MEBIBYTE = 1024 * 1024

function refusal(codec: number, input: Buffer, limitBytes = MEBIBYTE): string {
  try {
    return `${inflate(codec, input, limitBytes).length} bytes`
  } catch (error) {
    return error instanceof Malformed ? error.reason : String(error)
  }
}

/** Bytes that compress, but not to nothing. */
const somewhatRandom = (length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 32) {
    const digest = createHash('md5').update(String(at)).digest()
    digest.copy(bytes, at)
    digest.copy(bytes, at + 16, 0, 8)
  }
  return bytes
}

const xerial = (input: Buffer, chunkBytes = 32 * 1024): Buffer => {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])]
  for (let at = 0; at < input.length; at += chunkBytes) {
    const chunk = Buffer.from(compressSync(input.subarray(at, at + chunkBytes)))
    parts.push(int32(chunk.length), chunk)
  }
  return Buffer.concat(parts)
}

const littleEndian = (value: number): Buffer => Buffer.from(int32(value | 0).toReversed())

/** lz4 without a frame, behind its length. */
const lz4Block = (input: Buffer): Buffer => compressLz4(input).subarray(4)

/** What lz4 was before it had frames. */
const lz4Legacy = (...blocks: readonly Buffer[]): Buffer =>
  Buffer.concat([
    littleEndian(0x184c2102),
    ...blocks.flatMap(block => [littleEndian(lz4Block(block).length), lz4Block(block)]),
  ])

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

/** XXH32 of less than 16 bytes, which a frame's header has at its end (the second byte of it). */
function xxh32(bytes: Buffer): number {
  let hash = 0x165667b1 + bytes.length
  let at = 0
  for (; at + 4 <= bytes.length; at += 4)
    hash = Math.imul(rotated(hash + Math.imul(bytes.readUInt32LE(at), 0xc2b2ae3d), 17), 0x27d4eb2f)
  for (; at < bytes.length; at++) hash = Math.imul(rotated(hash + Math.imul(bytes[at]!, 0x165667b1), 11), 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Blocks of 64 KiB behind a header that says how long it all is; `stored` leaves them as they are. */
function lz4Sized(input: Buffer, stored: boolean): Buffer {
  const size = Buffer.concat([littleEndian(input.length), littleEndian(0)])
  const descriptor = Buffer.concat([Buffer.from([0x68, 0x40]), size])
  const parts = [littleEndian(0x184d2204), descriptor, Buffer.from([(xxh32(descriptor) >>> 8) & 0xff])]
  for (let at = 0; at < input.length; at += 65_536) {
    const block = input.subarray(at, at + 65_536)
    const packed = stored ? block : lz4Block(block)
    parts.push(littleEndian(stored ? packed.length | 0x80000000 : packed.length), packed)
  }
  return Buffer.concat([...parts, littleEndian(0)])
}

const compressors: [name: string, codec: number, compress: (input: Buffer) => Buffer][] = [
  ['none', 0, input => input],
  ['gzip', 1, input => gzipSync(input)],
  ['snappy, bare', 2, input => Buffer.from(compressSync(input))],
  ['snappy in chunks', 2, input => xerial(input)],
  ['lz4', 3, input => compressFrameSync(input)],
  ['lz4 with a checksum a block', 3, input => compressFrameSync(input, { blockChecksums: true })],
  ['lz4 with a checksum at the end', 3, input => compressFrameSync(input, { contentChecksum: true })],
  ['lz4 with both', 3, input => compressFrameSync(input, { blockChecksums: true, contentChecksum: true })],
  ['lz4, the old format', 3, input => lz4Legacy(input)],
  ['lz4 that says its length', 3, input => lz4Sized(input, false)],
  ['lz4 of stored blocks', 3, input => lz4Sized(input, true)],
  ['zstd', 4, input => zstdCompressSync(input)],
  ['zstd with a checksum', 4, input => zstdCompressSync(input, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
  [
    'zstd at its highest level',
    4,
    input => zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: 22 } }),
  ],
]

const inputs = [Buffer.from('a'), Buffer.from('records, '.repeat(50)), Buffer.alloc(70_000), somewhatRandom(300_000)]

describe.each(compressors)('%s', (_name, codec, compress) => {
  test('inflates to what it was', () => {
    for (const input of inputs) expect(inflate(codec, compress(input), MEBIBYTE).equals(input)).toBe(true)
  })
  test('gives up to the limit, and not a byte more', () => {
    for (const input of inputs) {
      expect(refusal(codec, compress(input), input.length)).toBe(`${input.length} bytes`)
      const none = codec === 0
      expect(refusal(codec, compress(input), input.length - 1)).toBe(none ? `${input.length} bytes` : 'inflates')
    }
  })
  test('pins little more than it gives', () => {
    for (const input of inputs) {
      const { buffer, length } = inflate(codec, Buffer.from(new Uint8Array(compress(input)).buffer), MEBIBYTE)
      expect(buffer.byteLength).toBeLessThanOrEqual(2 * length)
    }
  })
})

describe.each(compressors.slice(1))('%s, damaged', (_name, codec, compress) => {
  const whole = compress(somewhatRandom(50_000))
  test('every cut is refused', () => {
    const step = Math.ceil(whole.length / 200)
    for (let length = 0; length < whole.length; length += step)
      expect(refusal(codec, whole.subarray(0, length))).toBe('compressed')
    expect(refusal(codec, whole.subarray(0, whole.length - 1))).toBe('compressed')
  })
  test('what is no such thing at all is refused', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(64), Buffer.alloc(64, 0xff), Buffer.from('records '.repeat(9))])
      expect(refusal(codec, bytes)).toMatch(/^(?:compressed|inflates)$/)
  })
})

test.each([-1, 5, 6, 7])('codec %d is nobody’s', codec => expect(refusal(codec, Buffer.alloc(8))).toBe('codec'))

describe('one after the other', () => {
  const parts = [Buffer.from('first '.repeat(9)), Buffer.alloc(0), somewhatRandom(200_000), Buffer.from('last')]
  const all = Buffer.concat(parts)
  const skippable = Buffer.concat([littleEndian(0x184d2a53), littleEndian(5), Buffer.from('extra')])
  test.each([
    ['members of gzip', 1, Buffer.concat(parts.map(part => gzipSync(part)))],
    ['frames of zstd', 4, Buffer.concat(parts.map(part => zstdCompressSync(part)))],
    [
      'frames of zstd with others between them',
      4,
      Buffer.concat(parts.flatMap(part => [skippable, zstdCompressSync(part), skippable])),
    ],
    ['blocks of old lz4', 3, lz4Legacy(...parts.filter(({ length }) => length > 0))],
  ])('%s', (_what, codec, input) => {
    expect(inflate(codec, input, all.length).equals(all)).toBe(true)
    expect(refusal(codec, input, all.length - 1)).toBe('inflates')
    expect(refusal(codec, input, 54)).toBe('inflates')
    expect(refusal(codec, input.subarray(0, input.length - 1))).toBe('compressed')
  })
  test('an lz4 frame is alone, as with Java: what follows it is not looked at', () =>
    expect(inflate(3, Buffer.concat(parts.map(part => compressFrameSync(part))), MEBIBYTE).equals(parts[0]!)).toBe(
      true,
    ))
})

describe('lengths are not believed', () => {
  test('a snappy block that announces more than it can hold', () => {
    const announced = Buffer.from([0x80, 0x80, 0x40, 0, 0])
    expect(refusal(2, announced, 64 * MEBIBYTE)).toBe('compressed')
    // By us, before the library has made room for it.
    expect(() => inflate(2, announced, 64 * MEBIBYTE)).toThrow(/a block of 5 bytes announces 1048576/)
    expect(refusal(2, announced, MEBIBYTE - 1)).toBe('inflates')
  })
  test('a snappy length that does not end', () => expect(refusal(2, Buffer.alloc(9, 0xff))).toBe('compressed'))
  test('a snappy chunk of negative length', () =>
    expect(refusal(2, Buffer.concat([xerial(Buffer.from('a')), int32(-5)]))).toBe('compressed'))
  test('an lz4 block that is stored and longer than the input', () => {
    const frame = compressFrameSync(Buffer.from('a'))
    frame.writeUInt32LE(0xffffffff, 7)
    expect(refusal(3, frame)).toBe('compressed')
  })
})

test('small lz4 blocks are counted by what they hold, not by what they might', () => {
  // 100 blocks of a frame whose blocks may have 4 MiB; the header's checksum is XXH32 of the two bytes before it.
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73])
  const block = Buffer.from('records, '.repeat(10))
  const packed = lz4Block(block)
  const blocks = Array.from({ length: 100 }, () => [littleEndian(packed.length), packed]).flat()
  const frame = Buffer.concat([header, ...blocks, int32(0)])
  expect(inflate(3, frame, block.length * 100).length).toBe(block.length * 100)
  expect(refusal(3, frame, block.length * 100 - 1)).toBe('inflates')
})
