/**
 * One of two replicas is stopped (SIGSTOP) under load for longer than its session, so that the other takes its partitions over,
 * and is then let go on: a member that does not know that it is none. What it had under way must have no second effect, and its
 * late commits must not take back what the other has committed.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { lagOf, partitionsOf, startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

const EVENTS = 3_000
const PARTITIONS = 12
let topic: string
let database: Awaited<ReturnType<typeof freshDatabase>>

beforeAll(async () => {
  topic = await freshTopic('activity', { partitions: PARTITIONS })
  database = await freshDatabase()
})
afterAll(() => database.drop())

it('a replica that was frozen beyond its session doubles nothing and takes no commit back', async () => {
  const { brokers, registryUrl } = parts()
  const group = freshName('group')
  const env = {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: group,
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    KAFKA_REBALANCE_TIMEOUT_MS: '10000',
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: database.url,
    DEAD_LETTER_CREATE: 'true',
    IN_FLIGHT_MAX: '40',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '20',
  }
  const frozen = await startReplica(env)
  const heir = await startReplica(env)
  const effects = effectsIn(database.url)
  const stream = await activityStream({ brokers, registryUrl, topic })
  const world = new KafkaWorld(brokers)
  try {
    await until(
      'both replicas share the partitions',
      async () => (await partitionsOf(frozen)) === 6 && (await partitionsOf(heir)) === 6,
      { timeoutMs: 60_000 },
    )
    await stream.send(logins(EVENTS, 100))
    await until('a third is handled', async () => (await effects.handled()) > EVENTS / 3, { timeoutMs: 60_000 })
    frozen.kill('SIGSTOP')
    await until('the other owns all of them', async () => (await partitionsOf(heir)) === 12, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lagOf(heir)) === 0, { timeoutMs: 60_000 })
    const committed = await world.allCommitted(group, topic)
    frozen.kill('SIGCONT')
    await until('it is a member again', async () => (await partitionsOf(heir)) === 6 && (await frozen.ready()), {
      timeoutMs: 60_000,
    })
    expect(await world.allCommitted(group, topic)).toEqual(committed)
    expect(await effects.handled()).toBe(EVENTS)
    expect(await effects.logins()).toBe(EVENTS)
    for (const replica of [frozen, heir]) replica.kill('SIGTERM')
    expect(await frozen.exited).toBe(0)
    expect(await heir.exited).toBe(0)
    expect(await world.allCommitted(group, topic)).toEqual(committed)
  } finally {
    for (const replica of [frozen, heir]) replica.kill('SIGKILL')
    await world.close()
    await stream.close()
    await effects.end()
  }
})
