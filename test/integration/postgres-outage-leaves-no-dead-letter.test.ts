/**
 * The database goes away for 20 s in the middle of a burst: connections are cut, new ones refused. The service is not ready
 * and says why; no attempt is spent, nothing is dead-lettered; when the database is back, every event has one effect.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { proxyTo } from '../support/proxy.ts'
import { startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

const EVENTS = 1_000
const OUTAGE_MS = 20_000

it('holds the work through an outage of the database, and handles it once afterwards', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('activity', { partitions: 12 })
  const database = await freshDatabase()
  const proxy = await proxyTo(database.url)
  const stream = await activityStream({ brokers, registryUrl, topic })
  const effects = effectsIn(database.url)
  const replica = await startReplica({
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: freshName('group'),
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: proxy.url,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '50',
  })
  try {
    await until('it is ready', () => replica.ready(), { timeoutMs: 60_000 })
    await stream.send(logins(EVENTS, 100))
    await until('some are handled', async () => (await effects.handled()) > 100, { timeoutMs: 30_000 })
    proxy.refuse()
    await until('it is not ready', async () => !(await replica.ready()), { timeoutMs: 15_000 })
    expect(await replica.text('/readyz')).toContain('database')
    const before = await effects.handled()
    expect(before).toBeLessThan(EVENTS)
    await delay(OUTAGE_MS)
    expect(await replica.text('/livez')).toContain('true')
    const status = await replica.status()
    expect(status?.partitions.some(({ blockedBy }) => blockedBy?.includes('database') === true)).toBe(true)
    proxy.accept()
    await until('everything is handled', async () => (await effects.handled()) === EVENTS, { timeoutMs: 60_000 })
    await until('it is ready again', () => replica.ready(), { timeoutMs: 30_000 })
    expect(await effects.logins()).toBe(EVENTS)
    const metrics = await replica.text('/metrics')
    expect(sum(metrics, 'sluice_dead_letters_total')).toBe(0)
    expect(sum(metrics, 'sluice_records_total', 'outcome="acked"')).toBe(EVENTS)
    replica.kill('SIGTERM')
    expect(await replica.exited).toBe(0)
  } finally {
    replica.kill('SIGKILL')
    await Promise.all([stream.close(), effects.end(), proxy.stop()])
    await database.drop()
  }
})

/** Of all series of a metric that have this label. */
function sum(metrics: string, name: string, label = ''): number {
  return metrics
    .split('\n')
    .filter(line => line.startsWith(`${name}{`) && line.includes(label))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
