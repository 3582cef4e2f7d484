/** The broker is away, at the start or under way: nothing is lost, nothing is fetched twice, and it is said. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import type { KafkaSourceOptions } from '../../src/adapters/kafka/options.ts'
import { KafkaSecurity } from '../../src/adapters/kafka/security.ts'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { Listening } from '../contracts/listening.ts'
import { type Cut, cutNetwork, silenceOpenSockets, watchSockets } from '../support/cut-network.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

let world: KafkaWorld
let cut: Cut | null = null
const stops: (() => Promise<void>)[] = []

beforeAll(() => {
  watchSockets()
  world = new KafkaWorld(parts().brokers)
})

afterEach(async () => {
  cut?.restore()
  await Promise.all(stops.splice(0).map(stop => stop()))
})

afterAll(() => world.close())

function sourceFor(topic: string, change: Partial<KafkaSourceOptions> = {}) {
  const source = kafkaSource(world.sourceOptions({ groupId: `group-${topic}`, topics: [topic], ...change }))
  const listening = new Listening()
  stops.push(() => source.stop())
  return { source, listening }
}

const records = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`${prefix}-${index}`) }))

test('a broker that is away for less than the session: the same member goes on with the same partitions where it was', async () => {
  const topic = freshName('outage')
  await world.createTopic(topic, 4)
  const { source, listening } = sourceFor(topic)
  await source.start(listening)
  for (const partition of [0, 1, 2, 3]) await world.append(topic, partition, records(`before-${partition}`, 50))
  await until('all before it', () => listening.records.length === 200)
  const before = listening.assignments
  cut = cutNetwork(world.brokers)
  const committing = source.commit(listening.everything())
  await sleep(4_000)
  expect(source.alive).toBe(true)
  cut.restore()
  expect(await committing).toMatchObject({ ok: false, cause: 'refused' })
  await until('a commit', async () => (await source.commit(listening.everything())).ok)
  for (const partition of [0, 1, 2, 3]) await world.append(topic, partition, records(`after-${partition}`, 50))
  await until('all after it', () => listening.records.length >= 400)
  expect(new Set(listening.values).size).toBe(400)
  expect(listening.values.length).toBe(400)
  expect(listening.assignments).toEqual(before)
  expect(listening.losses).toEqual([])
  expect(listening.violations).toEqual([])
})

test('a broker that is away for longer than the session: everything is lost, and read again from what was committed', async () => {
  const topic = freshName('outage')
  await world.createTopic(topic, 2)
  const { source, listening } = sourceFor(topic, { sessionTimeoutMs: 3_000 })
  await source.start(listening)
  await world.append(topic, 0, records('committed', 10))
  await until('ten', () => listening.records.length === 10)
  expect(await source.commit(listening.everything())).toEqual({ ok: true })
  await world.append(topic, 0, records('open', 5))
  await until('fifteen', () => listening.records.length === 15)
  const before = listening.assignments
  cut = cutNetwork(world.brokers)
  await sleep(6_000)
  cut.restore()
  await until('the loss', () => listening.losses.length === 1)
  await until('a new assignment', () => listening.assignments.length === 2)
  expect(await source.commit(before.map(assignment => ({ assignment, nextOffset: 15, metadata: '' })))).toEqual({
    ok: true,
  })
  await until('the five again', () => listening.records.length === 20)
  expect(listening.values.filter(value => value.startsWith('committed')).length).toBe(10)
  expect(listening.violations).toEqual([])
})

test('connections that stay open and silent are made anew, with the same member and nothing twice', async () => {
  const topic = freshName('outage')
  await world.createTopic(topic, 2)
  const { source, listening } = sourceFor(topic, { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 30_000 })
  await source.start(listening)
  await world.append(topic, 0, records('before', 10))
  await until('ten', () => listening.records.length === 10)
  const before = listening.assignments
  silenceOpenSockets()
  const other = new KafkaWorld(parts().brokers)
  stops.push(() => other.close())
  await other.append(topic, 1, records('after', 10))
  await until('twenty', () => listening.records.length === 20)
  await until('a commit', async () => (await source.commit(listening.everything())).ok)
  expect(listening.assignments).toEqual(before)
  expect(listening.values.length).toBe(20)
  expect(listening.violations).toEqual([])
  await world.close()
  world = new KafkaWorld(parts().brokers)
})

test('no broker at the start: it is said with the addresses, and waited for', async () => {
  const topic = freshName('outage')
  await world.createTopic(topic, 1)
  await world.append(topic, 0, records('there', 3))
  cut = cutNetwork(world.brokers)
  const { source, listening } = sourceFor(topic)
  const starting = source.start(listening)
  await until('a word of it', () =>
    listening.waits.some(why => why?.includes(`no broker answers at ${world.brokers.join(', ')}`)),
  )
  cut.restore()
  await starting
  await until('three records', () => listening.records.length === 3)
  expect(listening.waits.at(-1)).toBeNull()
})

test('no broker at all: stop ends the waiting', async () => {
  const { source, listening } = sourceFor('any', { brokers: ['127.0.0.1:1'] })
  const starting = source.start(listening)
  const outcome = Promise.allSettled([starting])
  await until('a word of it', () => listening.waits.length > 0)
  const beganAt = performance.now()
  await source.stop()
  expect(performance.now() - beganAt).toBeLessThan(11_000)
  expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'UNAVAILABLE' } }])
})

test('credentials that the broker refuses are named, and tried again slowly', async () => {
  const credentials = { tls: null, sasl: { mechanism: 'plain', username: 'nobody', password: 'wrong-secret' } } as const
  const { source, listening } = sourceFor('any', {
    security: new KafkaSecurity(() => credentials, systemClock()),
  })
  const outcome = Promise.allSettled([source.start(listening)])
  await until('a word of it', () => listening.waits.length > 0)
  expect(listening.waits[0]).toContain('KAFKA_SASL_')
  expect(listening.waits[0]).not.toContain('wrong-secret')
  expect(source.alive).toBe(true)
  await source.stop()
  expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'UNAVAILABLE' } }])
})
