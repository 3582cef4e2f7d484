/**
 * Started with its database refused, then without its topic: live, not ready, one clear line a try, no crash; it consumes
 * by itself when both are there. Wrong configuration is another thing: every fault at once and exit code 78.
 */
import { Kafka, logLevel } from 'kafkajs'
import { expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, parts, until } from '../support/parts.ts'
import { proxyTo } from '../support/proxy.ts'
import { startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

it('waits for a database and a topic, names them, and goes on by itself', async () => {
  const { brokers, registryUrl } = parts()
  const topic = freshName('late')
  const group = freshName('group')
  const database = await freshDatabase()
  const proxy = await proxyTo(database.url)
  proxy.refuse()
  const admin = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING }).admin()
  const replica = await startReplica({
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: group,
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: proxy.url,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
  })
  try {
    await until(
      'it says that it waits for the database',
      async () => (await replica.text('/readyz')).includes('database is unavailable'),
      {
        timeoutMs: 20_000,
      },
    )
    expect((await fetch(`${replica.url}/livez`)).status).toBe(200)
    expect((await fetch(`${replica.url}/readyz`)).status).toBe(503)
    proxy.accept()
    await until('it says that it waits for the topic', async () => (await replica.text('/readyz')).includes(topic), {
      timeoutMs: 30_000,
    })
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] })
    const stream = await activityStream({ brokers, registryUrl, topic })
    const effects = effectsIn(database.url)
    await stream.send(logins(30, 10))
    await until('it handles them', async () => (await effects.handled()) === 30, { timeoutMs: 60_000 })
    expect(await replica.ready()).toBe(true)
    expect(replica.lines.filter(({ msg }) => msg.startsWith('waiting for')).length).toBeLessThan(60)
    await Promise.all([stream.close(), effects.end()])
    replica.kill('SIGTERM')
    expect(await replica.exited).toBe(0)
  } finally {
    replica.kill('SIGKILL')
    await Promise.all([admin.disconnect(), proxy.stop()])
    await database.drop()
  }
})

it('says every fault of the configuration at once, without a secret, and exits with 78', async () => {
  const replica = await startReplica({
    KAFKA_BROKERS: 'nowhere',
    HTTP_PORT: 'high',
    KAFKA_SASL_PASSWORD: 'hunter2',
    TEST_TOPIC: 't',
  })
  expect(await replica.exited).toBe(78)
  const said = JSON.stringify(replica.lines)
  for (const name of [
    'KAFKA_BROKERS',
    'KAFKA_GROUP_ID',
    'HTTP_PORT',
    'SCHEMA_REGISTRY_URL',
    'DATABASE_URL',
    'KAFKA_SASL_PASSWORD',
  ]) {
    expect(said).toContain(name)
  }
  expect(said).not.toContain('hunter2')
})
