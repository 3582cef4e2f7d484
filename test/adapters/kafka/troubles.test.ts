/** What the broker answers for one partition in place of records: its cure, its patience, its sentence; the others go on. */
import { expect, test } from 'vitest'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { numbers } from '../../support/record-batch.ts'

/** Fetches whenever kafkajs may, four times a second; answers when it did. */
async function fetching(bench: KafkaBench, ms: number, partition = 0): Promise<number[]> {
  const fetchedAtMs: number[] = []
  for (let waitedMs = 0; waitedMs < ms; waitedMs += 50) {
    if (await bench.fetch(partition)) fetchedAtMs.push(bench.clock.nowMs())
    await bench.pass(50)
  }
  return fetchedAtMs
}

const errorsOf = ({ log }: KafkaBench) => log.lines.filter(({ level }) => level === 'error')

const MOVED = [
  [3, 'UNKNOWN_TOPIC_OR_PARTITION'],
  [5, 'LEADER_NOT_AVAILABLE'],
  [6, 'NOT_LEADER_OR_FOLLOWER'],
  [9, 'REPLICA_NOT_AVAILABLE'],
  [56, 'KAFKA_STORAGE_ERROR'],
  [74, 'FENCED_LEADER_EPOCH'],
  [75, 'UNKNOWN_LEADER_EPOCH'],
  [78, 'OFFSET_NOT_AVAILABLE'],
] as const

test.each(MOVED)(
  '%i (%s): the leaders are asked for, with patience, and nothing is said for five seconds',
  async (code, name) => {
    const bench = new KafkaBench()
    bench.at(0).errorCode = code
    await bench.begin(0)
    expect(await fetching(bench, 3_050)).toEqual([0, 200, 600, 1_400, 3_000])
    expect(bench.refreshes).toBe(4)
    expect(bench.listening.holds).toEqual([])
    await fetching(bench, 4_000)
    expect(bench.listening.holds).toMatchObject([{ assignment: bench.assignment(0) }])
    expect(bench.listening.holds[0]?.why).toContain(name)
    await fetching(bench, 30_000)
    expect(bench.listening.holds.length).toBe(1)
    expect(errorsOf(bench).length).toBe(1)
  },
)

test('a leader that is found again after a moment: nothing was said, nothing lost, and the next time begins with short waits', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2)]
  bench.at(0).errorCode = 6
  await bench.begin(0)
  await fetching(bench, 500)
  bench.at(0).errorCode = 0
  await fetching(bench, 500)
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  bench.at(0).errorCode = 6
  const beganAtMs = bench.clock.nowMs()
  expect(await fetching(bench, 250)).toEqual([beganAtMs, beganAtMs + 200])
  expect(bench.listening.holds).toEqual([])
})

test.each([
  [-1, 'UNKNOWN_SERVER_ERROR'],
  [2, 'CORRUPT_MESSAGE'],
  [76, 'UNSUPPORTED_COMPRESSION_TYPE'],
  [99, 'error 99'],
])('%i (%s): said at once and tried after 1, 2, 4 … 30 seconds', async (code, name) => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = code
  await bench.begin(0)
  expect(await fetching(bench, 65_000)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000])
  expect(bench.listening.holds.map(({ why }) => why)).toEqual([expect.stringContaining(name)])
})

test('a topic that we may not read any more is named, once for all of its partitions, and over when it is permitted', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 1)]
  for (const partition of [0, 1]) bench.at(partition).errorCode = 29
  await bench.begin(0, 1)
  await bench.fetch(0)
  await bench.fetch(1)
  expect(bench.listening.waits).toEqual([expect.stringContaining('grant Read on topic orders')])
  expect(bench.listening.waits[0]).toContain('orders')
  expect(bench.listening.holds.length).toBe(2)
  for (const partition of [0, 1]) bench.at(partition).errorCode = 0
  await bench.pass(5_000)
  await bench.fetch(0)
  expect(bench.listening.waits.length).toBe(1)
  // An answer without records is permitted reading as well.
  await bench.fetch(1)
  expect(bench.listening.waits.at(-1)).toBeNull()
  expect(bench.listening.holds.slice(2).map(({ why }) => why)).toEqual([null, null])
  expect(bench.listening.values).toEqual(['v0'])
})

test('a partition in trouble is not fetched, and the others are', async () => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 6
  bench.at(1).batches = [numbers(0, 3)]
  await bench.begin(0, 1)
  await bench.fetch(0)
  expect(bench.isPaused(0)).toBe(true)
  await bench.fetch(1)
  expect(bench.listening.values.length).toBe(3)
})

test('a pause of the listener outlives the trouble', async () => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 6
  await bench.begin(0)
  await bench.fetch()
  bench.consuming.pause([bench.assignment(0)])
  await bench.pass(200)
  expect(bench.isPaused(0)).toBe(true)
  bench.consuming.resume([bench.assignment(0)])
  expect(bench.isPaused(0)).toBe(false)
})

test('a resume by the listener does not end the trouble', async () => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 6
  await bench.begin(0)
  await bench.fetch()
  bench.consuming.pause([bench.assignment(0)])
  bench.consuming.resume([bench.assignment(0)])
  expect(bench.isPaused(0)).toBe(true)
})

test.each(['lost', 'revoked', 'missing'] as const)('a trouble is forgotten with its assignment: %s', async how => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 29
  await bench.begin(0)
  await bench.fetch()
  if (how === 'lost') bench.consuming.events.sign({ kind: 'expelled' })
  if (how === 'revoked') bench.join([], { protocol: 'eager' })
  if (how === 'missing') {
    bench.missing.add('orders')
    await bench.ask()
    bench.missing.clear()
    await bench.ask()
  }
  expect(bench.listening.waits.at(-1)).toBeNull()
  expect(bench.listening.assignments).toEqual([])
  await bench.pass(60_000)
  expect(bench.refreshes).toBe(0)
})

test('another trouble is said with its own words, and one end ends both', async () => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 2
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).errorCode = 76
  await bench.pass(1_000)
  await bench.fetch()
  bench.at(0).errorCode = 0
  await bench.pass(2_000)
  await bench.fetch()
  expect(bench.listening.holds.map(({ why }) => why)).toEqual([
    expect.stringContaining('CORRUPT_MESSAGE'),
    expect.stringContaining('UNSUPPORTED_COMPRESSION_TYPE'),
    null,
  ])
})

test('a trouble that turns into one with more patience is not over before it is', async () => {
  const bench = new KafkaBench()
  bench.at(0).errorCode = 2
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).errorCode = 6
  await bench.pass(1_000)
  await bench.fetch()
  expect(bench.listening.holds.length).toBe(1)
  bench.at(0).errorCode = 0
  await bench.pass(200)
  await bench.fetch()
  expect(bench.listening.holds.map(({ why }) => why)).toEqual([expect.stringContaining('CORRUPT_MESSAGE'), null])
})

test.each([6, 1])(
  'a partition that leaves in trouble (%i), and is given back, is fetched again, and the end of its trouble is said',
  async code => {
    const bench = new KafkaBench()
    bench.at(0).batches = [numbers(0, 2)]
    bench.at(0).errorCode = code
    bench.answersQuestions = true
    await bench.begin(0)
    await fetching(bench, 7_000)
    expect(bench.listening.holds.length).toBe(1)
    bench.listening.onRevoking = () => Promise.withResolvers<void>().promise
    bench.join([])
    bench.at(0).errorCode = 0
    await bench.pass(10_000)
    bench.join([0])
    await fetching(bench, 10_000)
    expect(bench.listening.values).toEqual(['v0', 'v1'])
    expect(bench.listening.holds.map(({ why }) => why)).toEqual([expect.any(String), null])
  },
)

test('a topic that is hidden again before its cured partition was fetched is cured again', async () => {
  const bench = new KafkaBench({ topics: ['orders', 'payments'] })
  for (const topic of ['orders', 'payments']) bench.at(0, topic).batches = [numbers(0, 1)]
  bench.join([0, { topic: 'payments', partition: 0 }])
  await bench.pass(0)
  await bench.ask()
  bench.forbidden.add('orders')
  bench.consuming.events.topicsHidden(['orders'])
  expect(bench.isPaused(0)).toBe(true)
  // Its own pause keeps it from being fetched when the trouble is over.
  bench.consuming.pause([bench.assignment(0)])
  bench.forbidden.clear()
  await bench.pass(5_000)
  bench.forbidden.add('orders')
  bench.consuming.events.topicsHidden(['orders'])
  const { refreshes } = bench
  bench.consuming.resume([bench.assignment(0)])
  expect(bench.isPaused(0)).toBe(true)
  bench.forbidden.clear()
  await bench.pass(120_000)
  expect(bench.refreshes).toBeGreaterThan(refreshes)
  expect(bench.isPaused(0)).toBe(false)
})
