/**
 * A hundred thousand damaged answers: bytes changed, lengths replaced, cut. In most of them the checksums are made right
 * again, for a checksum alone would refuse nearly all, and what stands behind it would never be tried.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Chance, chanceFrom } from '../../../../dev/random.ts'
import { decodeFetchAnswer, type WireBatch } from '../../../../src/adapters/kafka/wire/answer.ts'
import { Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { crc32c } from '../../../../src/adapters/kafka/wire/crc32c.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import { CAPTURED } from './captured.ts'

const ANSWERS = 100_000
const SEED = 20_260_721
/** For a batch; the small one is a limit that batches do meet. */
const LIMITS_BYTES = [8 * 1024 * 1024, 8 * 1024 * 1024, 8 * 1024 * 1024, 2_000]
/** Of CPU, for one answer. */
const ANSWER_MS_MAX = 50
/** What snappy and lz4 give back comes free at a turn of the event loop. */
const ANSWERS_PER_TURN = 20

const sources = CAPTURED.filter(({ raw }) => raw.length < 6_000).map(({ raw }) => ({
  raw,
  /** Where the first batch begins. */
  begin: decodeFetchAnswer(raw).partitions[0]!.batches[0]!.at,
}))

interface Damaged {
  readonly bytes: Buffer
  /** Its checksums are right. */
  readonly repaired: boolean
  readonly limitBytes: number
}

const LENGTHS = [0, -1, 1, -2, 0x7fffffff, -0x80000000, 0x10000, 0x7fff0000]
const BYTES = [0, 0xff, 0x7f, 0x80, 1, 0xfe]

function damaged(chance: Chance): Damaged {
  const { raw, begin } = chance.pick(sources)
  const bytes = Buffer.from(raw)
  // Half of the damage is where numbers stand that lead the way: the answer's frame, the first batch's header and first record.
  const place = (): number =>
    chance.below(2) === 0 ? chance.below(Math.min(bytes.length, begin + 90)) : chance.below(bytes.length)
  for (let edits = 1 + chance.below(4); edits > 0; edits--) edit(bytes, place(), chance)
  if (chance.below(50) === 0) bytes[begin + 22] = chance.below(8)
  const repaired = chance.below(10) < 7
  if (repaired) repairChecksums(bytes, begin)
  const limitBytes = chance.pick(LIMITS_BYTES)
  if (chance.below(8) > 0) return { bytes, repaired, limitBytes }
  const length = chance.below(bytes.length)
  // Half of the cuts are told to the frame, as a broker would.
  if (length >= begin && chance.below(2) === 0) bytes.writeInt32BE(length - begin, begin - 4)
  return { bytes: bytes.subarray(0, length), repaired, limitBytes }
}

function edit(bytes: Buffer, at: number, chance: Chance): void {
  switch (chance.below(5)) {
    case 0:
      bytes[at] = chance.below(256)
      break
    case 1:
      bytes[at] = chance.pick(BYTES)
      break
    case 2:
      bytes[at]! ^= 1 << chance.below(8)
      break
    case 3:
      bytes.writeInt32BE(chance.pick(LENGTHS), Math.min(at, bytes.length - 4))
      break
    default:
      bytes.copyWithin(at, chance.below(bytes.length), bytes.length)
  }
}

/** Every batch that can be found gets the checksum of the bytes that it has now. */
function repairChecksums(bytes: Buffer, begin: number): void {
  for (let at = begin; at + 61 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    if (end < at + 61 || end > bytes.length) return
    bytes.writeUInt32BE(crc32c(bytes, at + 21, end), at + 17)
    at = end
  }
}

interface Tally {
  readonly reasons: Map<string, number>
  /** Of answers whose checksums are right. */
  readonly behindChecksum: Set<string>
  records: number
}

/** Anything but a Malformed goes through, and ends the test. */
function refused(error: unknown): Malformed {
  if (!(error instanceof Malformed)) throw error
  return error
}

function read({ bytes, repaired, limitBytes }: Damaged, tally: Tally | null): void {
  const hear = ({ reason }: Malformed): void => {
    tally?.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1)
    if (repaired) tally?.behindChecksum.add(reason)
  }
  try {
    for (const { batches, broken } of decodeFetchAnswer(bytes).partitions) {
      if (broken !== null) hear(broken)
      for (const batch of batches) {
        try {
          const records = readAll(batch, limitBytes)
          if (tally !== null) tally.records += records
        } catch (error) {
          hear(refused(error))
        }
      }
    }
  } catch (error) {
    hear(refused(error))
  }
}

/** A batch reads the same whether anything lies around it or not. */
function expectSameAlone({ bytes, limitBytes }: Damaged): void {
  const outcome = (batch: WireBatch): string => {
    try {
      return readRecords(batch, 0, limitBytes)
        .map(({ offset, key, value, headers }) => JSON.stringify([offset, key, value, headers]))
        .join()
    } catch (error) {
      return refused(error).reason
    }
  }
  try {
    for (const { batches } of decodeFetchAnswer(bytes).partitions)
      for (const batch of batches) {
        const alone = Buffer.from(batch.bytes.subarray(batch.at, batch.end))
        expect(outcome({ ...batch, bytes: alone, at: 0, end: alone.length })).toBe(outcome(batch))
      }
  } catch (error) {
    refused(error)
  }
}

/** Reads every part of every record, and looks where it lies. */
function readAll(batch: WireBatch, limitBytes: number): number {
  const records = readRecords(batch, 0, limitBytes)
  const begin = batch.bytes.byteOffset + batch.at + 61
  const end = batch.bytes.byteOffset + batch.end
  let previous = batch.baseOffset - 1
  for (const { offset, key, value, headers, bytes, timestampMs } of records) {
    if (offset <= previous || offset > batch.lastOffset) throw new Error(`offset ${offset} after ${previous}`)
    if (!Number.isSafeInteger(timestampMs) || bytes < 2) throw new Error(`time ${timestampMs}, ${bytes} bytes`)
    previous = offset
    for (const part of [key, value, ...headers.map(([, content]) => content)]) {
      if (part === null) continue
      const isInside = part.byteOffset >= begin && part.byteOffset + part.byteLength <= end
      if (batch.codec === 0 ? !isInside : part.buffer.byteLength > 2 * limitBytes)
        throw new Error(`the batch at offset ${batch.baseOffset}: a read outside of it, or more memory than the limit`)
    }
  }
  return records.length
}

/** CPU of this thread, in milliseconds. */
function cpuMs(run: () => void): number {
  const before = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}

/** The least of three more tries: a collection of garbage may have fallen into the first one. */
const againMs = (answer: Damaged): number => Math.min(...[1, 2, 3].map(() => cpuMs(() => read(answer, null))))

test('no crash, no other error, no read outside, and no answer that takes long', { timeout: 300_000 }, async () => {
  const chance = chanceFrom(SEED)
  const tally: Tally = { reasons: new Map(), behindChecksum: new Set(), records: 0 }
  const slowMs: number[] = []
  const rssBefore = process.memoryUsage().rss
  let rssMax = 0
  for (let i = 0; i < ANSWERS; i++) {
    const answer = damaged(chance)
    if (cpuMs(() => read(answer, tally)) > ANSWER_MS_MAX) slowMs.push(againMs(answer))
    if (i % 10 === 0) expectSameAlone(answer)
    if (i % ANSWERS_PER_TURN === 0) await turn()
    if (i % 500 === 0) rssMax = Math.max(rssMax, process.memoryUsage().rss)
  }
  expect(slowMs.filter(ms => ms > ANSWER_MS_MAX)).toEqual([])
  // A guess with room: what is not freed yet of garbage, and no more.
  expect(rssMax - rssBefore).toBeLessThan(512 * 1024 * 1024)
  // The damage did reach everything: each reason was met, and what was not hit was read.
  expect([...tally.reasons.keys()].toSorted()).toEqual(REASONS)
  expect([...tally.behindChecksum].toSorted()).toEqual(REASONS.filter(reason => reason !== 'checksum'))
  expect(tally.records).toBeGreaterThan(ANSWERS)
})

/** All of them. */
const REASONS = [
  'checksum',
  'codec',
  'compressed',
  'control',
  'count',
  'cut',
  'headers',
  'inflates',
  'length',
  'magic',
  'offset',
  'range',
  'record',
  'short',
  'trailing',
  'varint',
]
