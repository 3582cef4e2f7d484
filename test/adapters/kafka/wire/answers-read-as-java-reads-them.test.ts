/**
 * The same answers of a real broker, read by us and by Kafka's own consumer: every codec, odd keys, values and headers, both
 * kinds of time, compaction, transactions in each other's way; from many offsets, and cut where a broker's limit might.
 */
import { describe, expect, test } from 'vitest'
import { decodeFetchAnswer, type WirePartition } from '../../../../src/adapters/kafka/wire/answer.ts'
import { readRecords } from '../../../../src/adapters/kafka/wire/records.ts'
import { CAPTURED, type Captured, javaRead, type Line, lineOf, SEVERAL, WHOLE } from './captured.ts'

const LIMIT_BYTES = 64 * 1024 * 1024

const onlyPartition = (raw: Buffer): WirePartition => {
  const [partition, ...others] = decodeFetchAnswer(raw).partitions
  expect(others).toEqual([])
  return partition!
}

const linesOf = ({ batches }: WirePartition, from: number): Line[] =>
  batches.flatMap(batch => readRecords(batch, from, LIMIT_BYTES).map(lineOf))

const lastOf = ({ batches }: WirePartition): number => batches.at(-1)?.lastOffset ?? -1

/** Of what Java read, what lies in the answer. */
const javaLines = (captured: Captured, partition: WirePartition): Line[] =>
  javaRead(captured).filter(({ offset }) => offset <= lastOf(partition))

test.each(CAPTURED)('$name', captured => {
  const partition = onlyPartition(captured.raw)
  expect(partition).toMatchObject({
    topic: captured.topic,
    partition: 0,
    errorCode: 0,
    broken: null,
    logStartOffset: 0,
  })
  expect(partition.lastStableOffset).toBe(partition.highWatermark)
  expect(linesOf(partition, captured.from)).toEqual(javaLines(captured, partition))
  for (const { crc, bytes, at, leaderEpoch } of partition.batches)
    expect([crc, leaderEpoch]).toEqual([bytes.readUInt32BE(at + 17), 0])
})

const unlimited = CAPTURED.filter(({ bytesMax }) => bytesMax === WHOLE)

// The cleaner leaves several segments, and an answer ends with its segment.
test.each(unlimited.filter(({ topic }) => !topic.startsWith('compacted')))('$name reaches the end', ({ raw }) => {
  const partition = onlyPartition(raw)
  expect(lastOf(partition) + 1).toBe(partition.highWatermark)
})

test.each(unlimited)('$name, cut', captured => {
  const { batches } = onlyPartition(captured.raw)
  const begin = batches[0]!.at
  const bytes = captured.raw.length - begin
  // Some forty places, and every one near the ends of batches.
  const cuts = new Set(Array.from({ length: 40 }, (_, i) => Math.floor((bytes * i) / 40)))
  for (const { end } of batches.slice(0, 3))
    for (const near of [-1, 0, 1, 11, 12, 13, 60, 61, 62]) cuts.add(end - begin + near)
  for (const length of cuts) {
    if (length < 0 || length > bytes) continue
    const raw = Buffer.from(captured.raw.subarray(0, begin + length))
    raw.writeInt32BE(length, begin - 4)
    const partition = onlyPartition(raw)
    expect(partition.batches.map(({ end }) => end)).toEqual(
      batches.map(({ end }) => end).filter(end => end <= begin + length),
    )
    expect(linesOf(partition, captured.from)).toEqual(javaLines(captured, partition))
    // A broker gives the first batch whole or nothing at all.
    const isFirstCut = length > 0 && partition.batches.length === 0
    expect(partition.broken?.reason).toBe(isFirstCut ? 'cut' : undefined)
  }
})

test('several partitions of several topics, errors among them', () => {
  const { throttleTimeMs, errorCode, partitions } = decodeFetchAnswer(SEVERAL)
  expect({ throttleTimeMs, errorCode }).toEqual({ throttleTimeMs: 0, errorCode: 0 })
  const byTopic = new Map(partitions.map(partition => [partition.topic, partition]))
  const unknown = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, batches: [], broken: null }
  expect(byTopic.get('append-time')).toMatchObject({ partition: 0, errorCode: 1, ...unknown })
  expect(byTopic.get('java-lz4')).toMatchObject({ partition: 7, errorCode: 3, ...unknown })
  expect(byTopic.get('java-gzip')).toMatchObject({ errorCode: 0, highWatermark: 160, batches: [], broken: null })
  for (const [topic, from] of [
    ['java-none', 0],
    ['tx-overlap', 0],
  ] as const) {
    const whole = CAPTURED.find(one => one.topic === topic && one.from === from && one.bytesMax === WHOLE)!
    const partition = byTopic.get(topic)!
    expect(partition.batches.length).toBeGreaterThan(0)
    expect(linesOf(partition, 0)).toEqual(javaLines(whole, partition))
  }
})

describe('what the fixtures hold', () => {
  const answers = CAPTURED.map(({ raw, from }) => ({ from, batches: onlyPartition(raw).batches }))
  const batches = answers.flatMap(({ batches }) => batches)
  test.each([
    ['every codec', () => new Set(batches.map(({ codec }) => codec)).size === 5],
    ['both kinds of time', () => new Set(batches.map(({ logAppendTime }) => logAppendTime)).size === 2],
    ['aborted batches', () => batches.some(({ aborted }) => aborted)],
    ['gaps', () => batches.some(({ count, baseOffset, lastOffset }) => count > 0 && count <= lastOffset - baseOffset)],
    ['batches that compaction emptied', () => batches.some(({ count }) => count === 0)],
    [
      'batches that begin below what was asked for',
      () => answers.some(({ from, batches }) => batches[0]!.baseOffset < from),
    ],
    ['answers of markers alone', () => answers.some(({ batches }) => batches.every(({ control }) => control))],
    [
      'answers of aborted records and their marker alone',
      () =>
        answers.some(
          ({ batches }) => batches.some(({ aborted }) => aborted) && batches.every(one => one.aborted || one.control),
        ),
    ],
  ])('%s', (_what, holds) => expect(holds()).toBe(true))
})
