/**
 * The same bytes through kafkajs' own decoder and through ours: equal records, except aborted ones that kafkajs delivers. It
 * enters one aborted transaction for each record that it looks at, so an answer that begins inside two lets some of the second
 * one's through; and it takes any record with a key of four zero bytes for the end of its transaction.
 */
import { createRequire } from 'node:module'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeFetchAnswer } from '../../../../src/adapters/kafka/wire/answer.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import type { RawRecord } from '../../../../src/consumer/ports.ts'
import { CAPTURED, type Captured, WHOLE } from './captured.ts'

interface Message {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>
}

const require = createRequire(import.meta.url)
const response = require('kafkajs/src/protocol/requests/fetch/v11/response') as {
  decode(raw: Buffer): Promise<{ responses: { partitions: object[] }[] }>
}
const Batch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: object,
) => { messages: Message[] }

const codecs: Record<number, unknown> = kafkajs.CompressionCodecs
const before = { ...codecs }
const plainly = (decompress: (input: Buffer) => Buffer) => () => ({
  decompress: (input: Buffer) => Promise.resolve(decompress(input)),
})

beforeAll(() => {
  codecs[1] = plainly(input => gunzipSync(input))
  codecs[2] = plainly(input => chunksOf(input))
  codecs[3] = plainly(input => decompressFrameSync(input))
  codecs[4] = plainly(input => zstdDecompressSync(input))
})
afterAll(() => void Object.assign(codecs, before))

/** Java's framing of snappy. */
function chunksOf(input: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 16; at < input.length; at += 4 + input.readInt32BE(at)) {
    const chunk = input.subarray(at + 4, at + 4 + input.readInt32BE(at))
    chunks.push(Buffer.from(uncompressSync(chunk, { asBuffer: true })))
  }
  return Buffer.concat(chunks)
}

const hex = (bytes: Uint8Array | null): string => (bytes === null ? '-' : `x${Buffer.from(bytes).toString('hex')}`)

/** kafkajs keeps the order of headers of one name only. */
function byName(pairs: readonly (readonly [string, Uint8Array | null])[]): string {
  const names = [...new Set(pairs.map(([name]) => name))].toSorted()
  return JSON.stringify(
    names.map(name => [name, pairs.filter(([other]) => other === name).map(([, value]) => hex(value))]),
  )
}

async function theirs({ topic, from }: Captured, raw: Buffer): Promise<string[]> {
  const { responses } = await response.decode(raw)
  const { messages } = new Batch(topic, String(from), responses[0]!.partitions[0]!)
  return messages.map(({ offset, timestamp, key, value, headers }) => {
    const pairs = Object.entries(headers).flatMap(([name, values]) =>
      (Array.isArray(values) ? values : [values]).map((each: Buffer | null) => [name, each] as const),
    )
    return [offset, timestamp, hex(key), hex(value), byName(pairs)].join(' ')
  })
}

const ours = ({ offset, timestampMs, key, value, headers }: RawRecord): string =>
  [offset, timestampMs, hex(key), hex(value), byName(headers)].join(' ')

/** What kafkajs delivers and we do not. That we deliver nothing that it does not is checked on the way. */
async function difference(captured: Captured, raw: Buffer): Promise<{ extra: number[]; aborted: number[] }> {
  const { batches } = decodeFetchAnswer(raw).partitions[0]!
  const mine = batches.flatMap(batch => readRecords(batch, captured.from, WHOLE).map(ours))
  const other = await theirs(captured, raw)
  const extra = other.filter(line => !mine.includes(line))
  expect(other.filter(line => mine.includes(line))).toEqual(mine)
  const aborted = batches
    .filter(({ aborted }) => aborted)
    .flatMap(batch => readRecords({ ...batch, aborted: false }, captured.from, WHOLE).map(({ offset }) => offset))
  return { extra: extra.map(line => Number(line.split(' ')[0])), aborted }
}

test.each(CAPTURED)('$name', async captured => {
  const { extra, aborted } = await difference(captured, captured.raw)
  expect(extra.filter(offset => !aborted.includes(offset))).toEqual([])
})

test.each(CAPTURED.filter(({ bytesMax }) => bytesMax === WHOLE))('$name, cut', async captured => {
  const begin = decodeFetchAnswer(captured.raw).partitions[0]!.batches[0]!.at
  const bytes = captured.raw.length - begin
  for (let part = 1; part < 16; part++) {
    const length = Math.floor((bytes * part) / 16)
    // It throws for a set of records that ends within the first batch's first 17 bytes.
    if (length < 17) continue
    const raw = Buffer.from(captured.raw.subarray(0, begin + length))
    raw.writeInt32BE(length, begin - 4)
    const { extra, aborted } = await difference(captured, raw)
    expect(extra.filter(offset => !aborted.includes(offset))).toEqual([])
  }
})

const named = (name: string): Captured => CAPTURED.find(one => one.name === `${name}~${WHOLE}.bin`)!

test('an answer that begins in three aborted transactions: kafkajs is in the third one only with its third record', async () => {
  const captured = named('tx-overlap~read_committed~7')
  const { extra, aborted } = await difference(captured, captured.raw)
  expect(aborted.slice(0, 4)).toEqual([7, 8, 9, 10])
  expect(extra).toEqual([7, 8])
})

test('a key of four zero bytes: kafkajs delivers it and what follows of its aborted transaction', async () => {
  const captured = named('tx-key0~read_committed~0')
  const { extra, aborted } = await difference(captured, captured.raw)
  expect(aborted).toEqual([0, 1, 2, 3, 4, 5])
  expect(extra).toEqual([2, 3, 4, 5])
})
