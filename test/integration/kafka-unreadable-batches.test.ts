/**
 * A bomb, a codec of nobody's and a broken header, each in one of four partitions, between good records. Those three partitions hold with
 * their offsets and the way out, everything before the bad batch is given and can be committed, the fourth one goes on, and
 * memory stays bounded. Then an operator names the offsets, and everything behind them is read to the end.
 */
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Skip } from '../../src/adapters/kafka/skips.ts'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { decodeFetchAnswer, type WireBatch } from '../../src/adapters/kafka/wire/answer.ts'
import { crc32c } from '../../src/adapters/kafka/wire/crc32c.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'
import { bomb, produceRaw } from '../support/raw-produce.ts'
import { written } from '../support/record-batch.ts'

const BOMB_MEBIBYTES = 400
/** Of 400 MiB: the limit of one batch (64 MiB), and the pieces that it is put together from. */
const GROWTH_BYTES_MAX = 200 * 1024 * 1024

/** What happens on the way from the broker, by partition and first offset. */
const damages = new Map<string, (batch: WireBatch) => void>()
let world: KafkaWorld
const stops: (() => Promise<void>)[] = []

beforeAll(() => {
  world = new KafkaWorld(parts().brokers)
  damageAnswers()
})

afterEach(async () => {
  damages.clear()
  await Promise.all(stops.splice(0).map(stop => stop()))
})

afterAll(() => world.close())

/** Under our decoder, where a network or a disk would do it. */
function damageAnswers(): void {
  const require = createRequire(import.meta.url)
  const response = require('kafkajs/src/protocol/requests/fetch/v11/response') as { decode(raw: Buffer): unknown }
  const decode = response.decode.bind(response)
  response.decode = raw => {
    const { partitions } = decodeFetchAnswer(raw)
    for (const { partition, batches } of partitions)
      for (const batch of batches) damages.get(`${partition}@${batch.baseOffset}`)?.(batch)
    return decode(raw)
  }
}

/** As a producer's bug would: the checksum is right. */
function withCodecSix({ bytes, at, end }: WireBatch): void {
  bytes.writeUInt8(6, at + 22)
  bytes.writeUInt32BE(crc32c(bytes, at + 21, end), at + 17)
}

function withFormatNine({ bytes, at }: WireBatch): void {
  bytes.writeUInt8(9, at + 16)
}

function turnedOver({ bytes, end }: WireBatch): void {
  bytes.writeUInt8(bytes.readUInt8(end - 1) ^ 0xff, end - 1)
}

const ten = Array.from({ length: 10 }, (_, index) => ({ value: Buffer.from(`v${index}`) }))

/** Ten good records, one bad batch, ten good records. */
async function fill(topic: string, partition: number, bad: () => Promise<void>): Promise<void> {
  await world.append(topic, partition, ten)
  await bad()
  await world.append(topic, partition, ten)
}

async function begin(topic: string, skips: readonly Skip[] = []) {
  const source = kafkaSource(world.sourceOptions({ groupId: `group-${topic}`, topics: [topic], skips }))
  const listening = new Listening()
  stops.push(() => source.stop())
  await source.start(listening)
  return { source, listening, countOf: (partition: number) => countOf(listening, partition) }
}

function countOf({ answers }: Listening, partition: number): number {
  return answers
    .filter(({ assignment }) => assignment.partition === partition)
    .reduce((sum, { records }) => sum + records.length, 0)
}

test('three partitions hold with their reasons, the fourth goes on, memory stays bounded; then what an operator names is passed over', async () => {
  const topic = freshName('unreadable')
  await world.createTopic(topic, 4)
  const one = async (partition: number): Promise<void> => await world.append(topic, partition, ten.slice(0, 1))
  const payload = await bomb(BOMB_MEBIBYTES)
  const batch = written({
    baseOffset: 0,
    attributes: 1,
    count: 1,
    payload,
    firstTimestamp: Date.now(),
    maxTimestamp: Date.now(),
  })
  await fill(topic, 0, () => produceRaw(world.brokers[0] ?? '', { topic, partition: 0, batch }))
  await fill(topic, 1, () => one(1))
  await fill(topic, 2, () => one(2))
  await fill(topic, 3, () => one(3))
  damages.set('1@10', withCodecSix)
  damages.set('2@10', withFormatNine)
  expect(batch.length).toBeLessThan(1_000_000)

  const maxRssBefore = process.resourceUsage().maxRSS * 1024
  const { source, listening, countOf } = await begin(topic)
  await until('three partitions are held', () => listening.holds.length === 3)
  for (let times = 0; times < 10; times++) {
    await world.append(topic, 3, ten)
    await source.commit(listening.everything())
  }
  await until('the fourth flows', () => countOf(3) === 121)
  expect([0, 1, 2].map(countOf)).toEqual([10, 10, 10])
  const whys = listening.holds.toSorted((one, other) => one.assignment.partition - other.assignment.partition)
  expect(whys.map(({ why }) => why)).toEqual([
    expect.stringMatching(/^offset 10 cannot be read: .*gzip cannot be inflated.*KAFKA_SKIP_OFFSETS=\S+\/0@10-11$/),
    expect.stringMatching(/^offset 10 cannot be read: .*codec 6.*KAFKA_SKIP_OFFSETS=\S+\/1@10-11$/),
    expect.stringMatching(/^offset 10 cannot be read: .*format 9.*KAFKA_SKIP_OFFSETS=\S+\/2@10-<next offset>$/),
  ])
  expect(process.resourceUsage().maxRSS * 1024 - maxRssBefore).toBeLessThan(GROWTH_BYTES_MAX)
  expect(await source.commit(listening.everything())).toEqual({ ok: true })
  await source.stop()
  expect(await world.allCommitted(`group-${topic}`, topic)).toEqual([10, 10, 10, 121])
  expect(listening.violations).toEqual([])
  expect(listening.joins.length).toBe(1)

  const skips = [0, 1, 2].map(partition => ({ topic, partition, from: 10, to: 11 }))
  const second = await begin(topic, skips)
  await until('the rest of three partitions', () => [0, 1, 2].every(partition => second.countOf(partition) === 10))
  expect(second.listening.misses.map(({ from, to, cause }) => [from, to, cause])).toEqual(
    skips.map(() => [10, 11, 'unreadable']),
  )
  expect(await second.source.commit(second.listening.everything())).toEqual({ ok: true })
  await second.source.stop()
  expect(await world.allCommitted(`group-${topic}`, topic)).toEqual([21, 21, 21, 121])
  expect(second.listening.violations).toEqual([])
})

test('bytes that were turned over on the way are fetched again, and read when they come whole', async () => {
  const topic = freshName('unreadable')
  await world.createTopic(topic, 1)
  await world.append(topic, 0, ten)
  await world.append(topic, 0, ten)
  damages.set('0@10', batch => {
    turnedOver(batch)
    damages.clear()
  })
  const { listening, countOf } = await begin(topic)
  await until('all twenty', () => countOf(0) === 20)
  expect(listening.holds.map(({ why }) => why)).toEqual([expect.stringContaining('checksum'), null])
  expect(listening.violations).toEqual([])
})
