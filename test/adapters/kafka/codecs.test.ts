import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { expect, test } from 'vitest'
import { registerCodecs } from '../../../src/adapters/kafka/codecs.ts'

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>
  decompress(input: Buffer): Promise<Buffer>
}

function codec(type: 1 | 2 | 3 | 4): Codec {
  registerCodecs()
  const codecs: Record<number, () => unknown> = kafkajs.CompressionCodecs
  // Boundary: kafkajs types its codecs as any.
  return codecs[type]?.() as Codec
}

const TYPES = [
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
] as const
const SIZE = 70 * 1024 * 1024
const bomb = Buffer.alloc(SIZE)

test.each(TYPES)('%s reads what it writes', async (_name, type) => {
  for (const input of [Buffer.alloc(0), Buffer.from('a'), Buffer.from('records, '.repeat(50_000))]) {
    expect((await codec(type).decompress(await codec(type).compress({ buffer: input }))).equals(input)).toBe(true)
  }
})

test.each([
  ['gzip', 1, () => gzipSync(bomb, { level: 1 })],
  ['snappy', 2, () => compressSync(bomb)],
  ['lz4', 3, () => compressFrameSync(bomb)],
  ['zstd', 4, () => zstdCompressSync(bomb, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })],
] as const)('a %s batch that inflates beyond the limit is refused', async (_name, type, make) => {
  await expect(codec(type).decompress(Buffer.from(make()))).rejects.toThrow(Error)
})

test.each(TYPES)('damaged %s bytes are an error, nothing worse', async (_name, type) => {
  const whole = await codec(type).compress({ buffer: Buffer.from('records, '.repeat(1_000)) })
  for (const damaged of [
    Buffer.alloc(0),
    whole.subarray(0, 3),
    whole.subarray(0, whole.length - 5),
    Buffer.alloc(64, 0xff),
  ]) {
    await expect(codec(type).decompress(damaged)).rejects.toThrow(Error)
  }
})

test('snappy in the framing of Java clients is read', async () => {
  const parts = ['first ', 'second ', 'third'].map(part => Buffer.from(compressSync(part.repeat(100))))
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  const framed = parts.flatMap(part => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(part.length)
    return [length, part]
  })
  const read = await codec(2).decompress(Buffer.concat([header, ...framed]))
  expect(read.toString()).toBe('first '.repeat(100) + 'second '.repeat(100) + 'third'.repeat(100))
})
