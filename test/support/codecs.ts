/** The compression codecs that kafkajs does not bring, for producers of tests. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'

interface Codec {
  readonly compress: (input: Buffer) => Buffer
  readonly decompress: (input: Buffer) => Buffer
}

const CODECS: readonly (readonly [kafkajs.CompressionTypes, Codec])[] = [
  [
    kafkajs.CompressionTypes.Snappy,
    { compress: input => compressSync(input), decompress: input => Buffer.from(uncompressSync(input)) },
  ],
  [
    kafkajs.CompressionTypes.LZ4,
    { compress: input => compressFrameSync(input), decompress: input => decompressFrameSync(input) },
  ],
  [
    kafkajs.CompressionTypes.ZSTD,
    { compress: input => zstdCompressSync(input), decompress: input => zstdDecompressSync(input) },
  ],
]

/** Registered for the whole process; a second call changes nothing. */
export function registerCodecs(): void {
  for (const [type, { compress, decompress }] of CODECS) {
    Object.assign(kafkajs.CompressionCodecs, {
      [type]: () => ({
        compress: async ({ buffer }: { buffer: Buffer }) => compress(buffer),
        decompress: async (input: Buffer) => decompress(input),
      }),
    })
  }
}
