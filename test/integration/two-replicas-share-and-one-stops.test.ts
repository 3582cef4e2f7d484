/**
 * Two replicas share twelve partitions of a stream under load. One gets SIGTERM in the middle: it finishes what is in flight,
 * commits and leaves with exit code 0; the other takes over. No event is missing and none has two effects.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { type Replica, startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

const EVENTS = 3_000
let topic: string
let database: Awaited<ReturnType<typeof freshDatabase>>

beforeAll(async () => {
  topic = await freshTopic('activity', { partitions: 12 })
  database = await freshDatabase()
})
afterAll(() => database.drop())

it('a stop under load leaves no record undelivered and no effect doubled', async () => {
  const { brokers, registryUrl } = parts()
  const env = {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: freshName('group'),
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: database.url,
    DEAD_LETTER_CREATE: 'true',
    IN_FLIGHT_MAX: '40',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '20',
  }
  const first = await startReplica(env)
  const second = await startReplica(env)
  const effects = effectsIn(database.url)
  const stream = await activityStream({ brokers, registryUrl, topic })
  try {
    await until(
      'both replicas share the partitions',
      async () => (await owned(first)) === 6 && (await owned(second)) === 6,
      {
        timeoutMs: 60_000,
      },
    )
    await stream.send(logins(EVENTS, 100))
    await until('a third is handled', async () => (await effects.handled()) > EVENTS / 3, { timeoutMs: 60_000 })
    first.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    const stopped = first.lines.find(line => line.msg === 'stopped')
    expect(stopped).toMatchObject({ reason: 'SIGTERM', unfinished: 0, committed: true })
    await until('the other owns all of them', async () => (await owned(second)) === 12, { timeoutMs: 30_000 })
    await until('everything is handled', async () => (await effects.handled()) === EVENTS, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lag(second)) === 0, { timeoutMs: 30_000 })
    expect(await effects.logins()).toBe(EVENTS)
    second.kill('SIGTERM')
    expect(await second.exited).toBe(0)
  } finally {
    for (const replica of [first, second]) replica.kill('SIGKILL')
    await stream.close()
    await effects.end()
  }
})

async function owned(replica: Replica): Promise<number> {
  return (await replica.status())?.partitions.length ?? 0
}

async function lag(replica: Replica): Promise<number> {
  const partitions = (await replica.status())?.partitions ?? []
  return partitions.reduce((sum, { lagRecords }) => sum + (lagRecords ?? Number.NaN), 0)
}
