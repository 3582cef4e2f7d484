/**
 * Two replicas share twelve partitions of a stream under load. One is killed without a word in the middle: when its session is
 * over the other takes its partitions and handles what was not committed. No event is missing and none has two effects.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { lagOf, partitionsOf, startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

const EVENTS = 3_000
let topic: string
let database: Awaited<ReturnType<typeof freshDatabase>>

beforeAll(async () => {
  topic = await freshTopic('activity', { partitions: 12 })
  database = await freshDatabase()
})
afterAll(() => database.drop())

it('a kill under load loses no event and doubles no effect', async () => {
  const { brokers, registryUrl } = parts()
  const env = {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: freshName('group'),
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    KAFKA_REBALANCE_TIMEOUT_MS: '10000',
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: database.url,
    DEAD_LETTER_CREATE: 'true',
    IN_FLIGHT_MAX: '40',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '20',
  }
  const victim = await startReplica(env)
  const heir = await startReplica(env)
  const effects = effectsIn(database.url)
  const stream = await activityStream({ brokers, registryUrl, topic })
  try {
    await until(
      'both replicas share the partitions',
      async () => (await partitionsOf(victim)) === 6 && (await partitionsOf(heir)) === 6,
      { timeoutMs: 60_000 },
    )
    await stream.send(logins(EVENTS, 100))
    await until('a third is handled', async () => (await effects.handled()) > EVENTS / 3, { timeoutMs: 60_000 })
    victim.kill('SIGKILL')
    expect(await victim.exited).toBeNull()
    await until('the other owns all of them', async () => (await partitionsOf(heir)) === 12, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lagOf(heir)) === 0, { timeoutMs: 60_000 })
    expect(await effects.handled()).toBe(EVENTS)
    expect(await effects.logins()).toBe(EVENTS)
    expect(await heir.text('/metrics')).not.toMatch(/^sluice_records_total\{.*outcome="dead_lettered"\} [1-9]/m)
    heir.kill('SIGTERM')
    expect(await heir.exited).toBe(0)
  } finally {
    for (const replica of [victim, heir]) replica.kill('SIGKILL')
    await stream.close()
    await effects.end()
  }
})
