/** A log changes under its reader: records vanish, or the topic is another one. The others are not touched, and nobody joins for it. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
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

const records = (count: number, prefix = 'v') =>
  Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`${prefix}${index}`) }))

async function begin(topic: string) {
  const source = kafkaSource(world.sourceOptions({ groupId: `group-${topic}`, topics: [topic] }))
  const listening = new Listening()
  stops.push(async () => {
    await source.stop()
    expect(listening.violations).toEqual([])
  })
  await source.start(listening)
  const countOf = (partition: number): number =>
    listening.answers.reduce(
      (sum, { assignment, records }) => sum + (assignment.partition === partition ? records.length : 0),
      0,
    )
  const assignmentOf = (partition: number) => {
    const found = listening.assignments.find(each => each.partition === partition)
    if (found === undefined) throw new Error(`partition ${partition} is not assigned`)
    return found
  }
  return { source, listening, countOf, assignmentOf }
}

/** A topic of so many records that a group has read and committed whole. */
async function readAndCommitted(partitions: number, count: number) {
  const topic = freshName('changing')
  await world.createTopic(topic, partitions)
  for (let partition = 0; partition < partitions; partition++) await world.append(topic, partition, records(count))
  const reader = await begin(topic)
  await until('all of it', () => reader.listening.records.length === partitions * count)
  expect(await reader.source.commit(reader.listening.everything('keep me'))).toEqual({ ok: true })
  return { topic, ...reader }
}

async function createAgain(topic: string, count: number): Promise<void> {
  await (await world.admin()).deleteTopics({ topics: [topic] })
  await world.createTopic(topic, 1)
  await world.append(topic, 0, records(count, 'new'))
}

test('retention while it runs: exactly the lost range is missed, the others go on untouched, nobody joins, their commits stay', async () => {
  const { topic, source, listening, countOf, assignmentOf } = await readAndCommitted(3, 100)
  const before = listening.assignments
  source.pause([assignmentOf(0)])
  for (const partition of [0, 1, 2]) await world.append(topic, partition, records(50))
  await world.removeBefore(topic, 0, 120)
  await until('the others', () => countOf(1) === 150 && countOf(2) === 150)
  source.resume([assignmentOf(0)])
  await until('what is left', () => countOf(0) === 130)
  expect(listening.misses).toEqual([{ assignment: assignmentOf(0), from: 100, to: 120, cause: 'retention' }])
  expect([countOf(1), countOf(2)]).toEqual([150, 150])
  expect(listening.joins.length).toBe(1)
  expect(listening.assignments).toEqual(before)
  await source.commit([{ assignment: assignmentOf(0), nextOffset: 150, metadata: '' }])
  expect(await Promise.all([0, 1, 2].map(partition => world.committed(`group-${topic}`, topic, partition)))).toEqual([
    { nextOffset: 150, metadata: '' },
    { nextOffset: 100, metadata: 'keep me' },
    { nextOffset: 100, metadata: 'keep me' },
  ])
})

test('retention while nobody read: the range between the commit and the log is missed', async () => {
  const { topic, source } = await readAndCommitted(2, 10)
  await source.stop()
  for (const partition of [0, 1]) await world.append(topic, partition, records(20))
  await world.removeBefore(topic, 0, 25)
  const second = await begin(topic)
  await until('the rest', () => second.countOf(0) === 5 && second.countOf(1) === 20)
  expect(second.listening.misses).toEqual([
    { assignment: second.assignmentOf(0), from: 10, to: 25, cause: 'retention' },
  ])
  expect(second.listening.joins.length).toBe(1)
})

test.each([
  ['fewer', 10],
  ['more', 60],
])(
  'a topic that is created again with %s records than were read is read from its beginning, and committed as it is',
  async (_how, count) => {
    const { topic, source, listening } = await readAndCommitted(1, 30)
    const [old] = listening.assignments
    await createAgain(topic, count)
    const fresh = () =>
      listening.answers.filter(({ assignment }) => assignment.epoch !== old?.epoch).flatMap(answer => answer.records)
    await until('all that is new, under another epoch', () => fresh().length === count)
    expect(fresh().map(({ offset }) => offset)).toEqual(Array.from({ length: count }, (_, index) => index))
    expect(fresh().every(({ value }) => String(Buffer.from(value ?? [])).startsWith('new'))).toBe(true)
    await until('a commit', async () => {
      const { ok } = await source.commit(listening.everything())
      return ok && (await world.committed(`group-${topic}`, topic, 0))?.nextOffset === count
    })
    expect(listening.losses).toEqual([])
  },
)

test('a commit in the middle of a batch: the next reader begins exactly there', async () => {
  const { topic, source, assignmentOf } = await readAndCommitted(1, 50)
  await source.commit([{ assignment: assignmentOf(0), nextOffset: 23, metadata: '' }])
  await source.stop()
  const { listening } = await begin(topic)
  await until('the rest', () => listening.records.length >= 27)
  expect(listening.records.map(({ record }) => record.offset)).toEqual(
    Array.from({ length: 27 }, (_, index) => 23 + index),
  )
  expect(listening.answers[0]?.positionBefore).toBe(23)
})

test('metadata of 4,096 characters is stored with its offset; of more than the broker takes, the offset is stored without', async () => {
  const { topic, source, assignmentOf } = await readAndCommitted(2, 10)
  const whole = 'm'.repeat(4_096)
  const offsets = [
    { assignment: assignmentOf(0), nextOffset: 4, metadata: whole },
    { assignment: assignmentOf(1), nextOffset: 5, metadata: `${whole}x` },
  ]
  expect(await source.commit(offsets)).toEqual({ ok: true })
  await source.stop()
  const { listening } = await begin(topic)
  await until('what was stored', () => listening.restores.length === 2)
  expect(
    listening.restores
      .toSorted((one, other) => one.assignment.partition - other.assignment.partition)
      .map(({ committed, metadata }) => [committed, metadata]),
  ).toEqual([
    [4, whole],
    [5, ''],
  ])
})
