/**
 * `lag` asks the brokers alone, and is right where offsets and records differ: compaction, transactions, retention, commits that are
 * missing or stand above the end. Nothing of the group changes by being looked at.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Transaction } from 'kafkajs'
import kafkajs from 'kafkajs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { cli } from '../cli/terminal.ts'
import { Listening } from '../contracts/listening.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

let world: KafkaWorld
const stops: (() => Promise<void>)[] = []

beforeAll(() => {
  world = new KafkaWorld(parts().brokers)
})

afterEach(() => Promise.all(stops.splice(0).map(stop => stop())))

afterAll(() => world.close())

/** KAFKA_* alone: nothing else of a service's environment. */
const envOf = (group: string, more: Readonly<Record<string, string>> = {}) => ({
  KAFKA_BROKERS: world.brokers.join(','),
  KAFKA_GROUP_ID: group,
  ...more,
})

interface Row {
  readonly partition: number
  readonly committed: number | null
  readonly end: number
  readonly lagRecords: number
  readonly lagSeconds: number | null
  readonly oldestUnsettled: number | null
  readonly settledAbove: number
  readonly notes: readonly string[]
}

async function lagOf(group: string, args: readonly string[] = [], more: Readonly<Record<string, string>> = {}) {
  const { code, out, err } = await cli(['lag', '--json', ...args], envOf(group, more))
  expect({ code, err }).toEqual({ code: 0, err: '' })
  // Boundary: the shape that `lag --help` promises.
  return JSON.parse(out) as { state: string; lagRecords: number; lagSeconds: number; partitions: readonly Row[] }
}

const AGE_MS = 3_600_000
const records = (count: number, timestampMs: number) =>
  Array.from({ length: count }, (_, at) => ({ value: Buffer.from(`v${at}`), timestampMs: timestampMs + at * 1_000 }))

/** As a service would, and left at once. */
async function commit(group: string, topic: string, offsets: Readonly<Record<number, number>>): Promise<void> {
  const source = kafkaSource(world.sourceOptions({ groupId: group, topics: [topic] }))
  const listening = new Listening()
  await source.start(listening)
  const count = Object.keys(offsets).length
  await until('an assignment', () => listening.assignments.length >= count)
  const asked = listening.assignments.flatMap(assignment => {
    const nextOffset = offsets[assignment.partition]
    return nextOffset === undefined ? [] : [{ assignment, nextOffset, metadata: '' }]
  })
  source.pause(listening.assignments)
  await until('a commit', async () => (await source.commit(asked)).ok)
  await source.stop()
}

async function transaction(): Promise<Transaction> {
  const producer = world.kafka.producer({
    transactionalId: `test-${crypto.randomUUID()}`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  stops.push(() => producer.disconnect())
  return await producer.transaction()
}

/** Within what the test itself may take. */
function expectAge(seconds: number | null | undefined, timestampMs: number): void {
  expect(seconds).toBeGreaterThanOrEqual((Date.now() - timestampMs) / 1_000 - 30)
  expect(seconds).toBeLessThanOrEqual((Date.now() - timestampMs) / 1_000)
}

test('each partition is told as it stands: behind, even, empty, uncommitted, missed, above the end', async () => {
  const topic = freshName('lag')
  const group = `group-${topic}`
  await world.createTopic(topic, 6)
  const fromMs = Date.now() - AGE_MS
  for (const partition of [0, 1, 3, 4, 5]) await world.append(topic, partition, records(10, fromMs))
  await world.removeBefore(topic, 4, 7)
  await commit(group, topic, { 0: 4, 1: 10, 2: 0, 4: 5, 5: 99 })
  const before = await world.allCommitted(group, topic)
  const { state, partitions, lagRecords, lagSeconds } = await lagOf(group)
  expect(state).toBe('Empty')
  const told = partitions.map(({ committed, end, lagRecords, oldestUnsettled }) => [
    committed,
    end,
    lagRecords,
    oldestUnsettled,
  ])
  expect(told).toEqual([
    [4, 10, 6, 4],
    [10, 10, 0, null],
    [0, 0, 0, null],
    [null, 10, 10, 0],
    // Contract: end minus committed, what is gone included; the oldest is what is left.
    [5, 10, 5, 7],
    [99, 10, 10, 0],
  ])
  expect(partitions.map(({ notes }) => notes.map(note => note.split(':')[0]))).toEqual([
    [],
    [],
    [],
    ['no commit'],
    ['missed'],
    ['the commit stands above the end'],
  ])
  expect(partitions[4]?.notes).toEqual(['missed: 2 offsets from 5 on are gone from the log, which begins at 7'])
  expect([lagRecords, partitions[1]?.lagSeconds, partitions[2]?.lagSeconds]).toEqual([31, 0, 0])
  expectAge(partitions[0]?.lagSeconds, fromMs + 4_000)
  expectAge(partitions[4]?.lagSeconds, fromMs + 7_000)
  expectAge(lagSeconds, fromMs)
  expect(await world.allCommitted(group, topic)).toEqual(before)
})

test('offsets without a record behind them have no age: markers, aborted transactions; open ones end the log', async () => {
  const topic = freshName('lag')
  const group = `group-${topic}`
  await world.createTopic(topic, 4)
  const fromMs = Date.now() - AGE_MS
  for (const partition of [0, 1, 2, 3]) await world.append(topic, partition, records(2, fromMs))
  // Only a marker behind the commit.
  const committed = await transaction()
  await committed.send({ topic, messages: [{ partition: 0, value: 'seen' }] })
  await committed.commit()
  // Aborted in many batches, one that commits above them, and another aborted one.
  await world.appendAborted(topic, 1, 300)
  for (let each = 0; each < 40; each++) await world.appendAborted(topic, 2, 5)
  await world.append(topic, 2, records(1, fromMs + 60_000))
  await world.appendAborted(topic, 2, 10)
  const open = await transaction()
  await open.send({
    topic,
    messages: [
      { partition: 3, value: 'later' },
      { partition: 3, value: 'later' },
    ],
  })
  await commit(group, topic, { 0: 3, 1: 2, 2: 2, 3: 1 })
  const { partitions } = await lagOf(group)
  const none = 'there is no record in its lag: markers, aborted transactions or gaps that compaction left'
  expect(partitions.map(({ lagRecords, oldestUnsettled, notes }) => [lagRecords, oldestUnsettled, notes])).toEqual([
    [1, null, [none]],
    [300, null, [none]],
    [211, 202, []],
    [1, 1, ['2 offsets above the end: transactions that are still open']],
  ])
  expect(partitions.slice(0, 2).map(({ lagSeconds }) => lagSeconds)).toEqual([0, 0])
  expectAge(partitions[2]?.lagSeconds, fromMs + 60_000)
  await open.abort()
})

test('a gap that compaction left is passed over to the first record behind it', async () => {
  const topic = freshName('lag')
  const group = `group-${topic}`
  const config = { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001' }
  await world.createTopic(topic, 1, config)
  const fromMs = Date.now() - AGE_MS
  const keyed = (key: string, at: number) => ({
    key: Buffer.from(key),
    value: Buffer.from('v'),
    timestampMs: fromMs + at * 1_000,
  })
  await world.append(topic, 0, [keyed('a', 0), keyed('b', 1), keyed('b', 2), keyed('b', 3), keyed('c', 4)])
  await commit(group, topic, { 0: 1 })
  const oldest = async () => (await lagOf(group)).partitions[0]
  expect(await oldest()).toMatchObject({ lagRecords: 4, oldestUnsettled: 1 })
  await until(
    'the cleaner',
    async () => {
      // A segment is closed by the next record only.
      await world.append(topic, 0, [keyed('z', 5)])
      return (await oldest())?.oldestUnsettled === 3
    },
    { timeoutMs: 90_000 },
  )
  expectAge((await oldest())?.lagSeconds, fromMs + 3_000)
})

test('START_FROM says where a group without a commit begins, for a topic that has none at all', async () => {
  const [fresh, other] = [freshName('lag'), freshName('lag')]
  const group = `group-${fresh}`
  for (const topic of [fresh, other]) {
    await world.createTopic(topic, 2)
    await world.append(topic, 1, records(3, Date.now()))
  }
  await commit(group, other, { 0: 0 })
  const topics = ['--topic', fresh, '--topic', other]
  const lags = async (startFrom: string) =>
    (await lagOf(group, topics, { START_FROM: startFrom })).partitions.map(({ lagRecords }) => lagRecords)
  const inOrder = (ofFresh: number[], ofOther: number[]) =>
    fresh < other ? [...ofFresh, ...ofOther] : [...ofOther, ...ofFresh]
  expect(await lags('earliest')).toEqual(inOrder([0, 3], [0, 3]))
  expect(await lags('latest')).toEqual(inOrder([0, 0], [0, 3]))
})

test('what is not there is said by its name, with 1', async () => {
  const topic = freshName('lag')
  await world.createTopic(topic, 1)
  const nobody = await cli(['lag'], envOf('nobody-knows-me'))
  expect(nobody).toMatchObject({ code: 1, out: '' })
  expect(nobody.err).toContain('the brokers know no group nobody-knows-me')
  await commit(`group-${topic}`, topic, { 0: 0 })
  const missing = await cli(['lag', '--topic', `${topic}-not`], envOf(`group-${topic}`))
  expect(missing).toEqual({ code: 1, out: '', err: `topic ${topic}-not does not exist\n` })
  expect((await cli(['lag', '--group', `group-${topic}`], { KAFKA_BROKERS: world.brokers.join(',') })).code).toBe(0)
})

test('--watch looks again and again, and an interruption ends it with 0', async () => {
  const topic = freshName('lag')
  await world.createTopic(topic, 1)
  await world.append(topic, 0, records(5, Date.now()))
  await commit(`group-${topic}`, topic, { 0: 2 })
  const program = new URL('../../src/cli.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, 'lag', '--watch', '--every', '0.2', '--json'], {
    env: envOf(`group-${topic}`),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', chunk => void (out += chunk))
  await until('three looks', () => out.split('\n').length > 3)
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  const [first, second] = out.split('\n').map(line => (line === '' ? null : JSON.parse(line)))
  expect(first.partitions[0]).toMatchObject({ lagRecords: 3, consumedPerSecond: null })
  expect(second.partitions[0]).toMatchObject({ lagRecords: 3, consumedPerSecond: 0, drainSeconds: null })
})
