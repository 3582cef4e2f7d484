/**
 * What reading a record costs: `node bench/wire.ts`. An answer of 1,000 batches of 100 records of 160 bytes with two headers
 * each; the least of seven rounds, microseconds of CPU a record.
 */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { decodeFetchAnswer } from '../src/adapters/kafka/wire/answer.ts'
import { crc32c } from '../src/adapters/kafka/wire/crc32c.ts'
import { readRecords } from '../src/adapters/kafka/wire/records.ts'
import { answerOf, batchOf, recordOf } from '../test/adapters/kafka/wire/writing.ts'

const BATCHES = 1_000
const RECORDS = 100
const RECORD_BYTES = 160
const ROUNDS = 7
const LIMIT_BYTES = 64 * 1024 * 1024

const codecs: [name: string, compress: (input: Buffer) => Buffer][] = [
  ['none', input => input],
  ['gzip', input => gzipSync(input)],
  ['snappy', input => Buffer.from(compressSync(input))],
  ['lz4', input => compressFrameSync(input)],
  ['zstd', input => zstdCompressSync(input)],
]

function record(index: number): Buffer {
  const headers = ['trace', 'source'].map(name => [name, Buffer.from(`${name}-${index}`)] as const)
  const key = Buffer.from(`customer-${index % 997}`)
  const bare = recordOf({ key, headers, delta: index, timeDelta: index * 3, value: Buffer.alloc(0) })
  const value = Buffer.from(
    JSON.stringify({ id: index, note: 'x'.repeat(200) }).slice(0, RECORD_BYTES - bare.length - 1),
  )
  return recordOf({ key, headers, delta: index, timeDelta: index * 3, value })
}

/** The least of the rounds, microseconds a record. */
function least(round: () => void): string {
  const spent = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage()
    round()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / (BATCHES * RECORDS)
  })
  return Math.min(...spent).toFixed(3)
}

const plain = Buffer.concat(Array.from({ length: RECORDS }, (_, index) => record(index)))
for (const [attributes, [name, compress]] of codecs.entries()) {
  const payload = compress(plain)
  const batches = Array.from({ length: BATCHES }, (_, index) =>
    batchOf({ baseOffset: index * RECORDS, attributes, payload, count: RECORDS, lastOffsetDelta: RECORDS - 1 }),
  )
  const raw = answerOf({ records: Buffer.concat(batches) })
  const scan = () => decodeFetchAnswer(raw).partitions.flatMap(({ batches }) => batches)
  let seen = 0
  const touch = (withHeaders: boolean) => {
    for (const batch of scan())
      for (const one of readRecords(batch, 0, LIMIT_BYTES)) {
        seen += (one.key?.length ?? 0) + (one.value?.length ?? 0)
        if (withHeaders) seen += one.headers.length
      }
  }
  const figures = [
    `scan ${least(scan)}`,
    `checksum ${least(() => scan().map(({ bytes, at, end }) => crc32c(bytes, at + 21, end)))}`,
    `records ${least(() => scan().forEach(batch => void readRecords(batch, 0, LIMIT_BYTES)))}`,
    `key and value ${least(() => touch(false))}`,
    `headers, too ${least(() => touch(true))}`,
    `detached ${least(() => scan().forEach(batch => readRecords(batch, 0, LIMIT_BYTES).forEach(one => one.detach())))}`,
  ]
  process.stdout.write(
    `${name.padEnd(7)} ${Math.round(payload.length / RECORDS)} bytes a record; us: ${figures.join(', ')}${seen === 0 ? '!' : ''}\n`,
  )
}
