/** Two replicas that share a stream of twelve partitions and are in the middle of it: what is done to one of them is the test's. */
import { type Effects, effectsIn } from './effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from './parts.ts'
import { partitionsOf, type Replica, startReplica } from './replica.ts'
import { activityStream, logins } from './stream.ts'

export interface Pair {
  readonly first: Replica
  readonly second: Replica
  readonly group: string
  readonly topic: string
  readonly effects: Effects
  /** Ends what still runs and drops the database. */
  readonly end: () => Promise<void>
}

/** Resolves when both have six partitions and a third of the events is handled. */
export async function pairUnderLoad(events: number, env: Readonly<Record<string, string>> = {}): Promise<Pair> {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('activity', { partitions: 12 })
  const database = await freshDatabase()
  const group = freshName('group')
  const common = {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: group,
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: database.url,
    DEAD_LETTER_CREATE: 'true',
    IN_FLIGHT_MAX: '40',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '20',
    ...env,
  }
  const first = await startReplica(common)
  const second = await startReplica(common)
  const effects = effectsIn(database.url)
  const end = async () => {
    for (const replica of [first, second]) {
      replica.kill('SIGKILL')
      await replica.exited
    }
    await effects.end()
    await database.drop()
  }
  try {
    const shared = async () => (await partitionsOf(first)) === 6 && (await partitionsOf(second)) === 6
    await until('both replicas share the partitions', shared, { timeoutMs: 60_000 })
    const stream = await activityStream({ brokers, registryUrl, topic })
    await stream.send(logins(events, 100))
    await stream.close()
    await until('a third is handled', async () => (await effects.handled()) > events / 3, { timeoutMs: 60_000 })
  } catch (error) {
    await end()
    throw error
  }
  return { first, second, group, topic, effects, end }
}
