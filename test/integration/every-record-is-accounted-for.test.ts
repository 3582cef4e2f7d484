/**
 * A stream with repeats and with everything that can be wrong with a record: each valid event has one effect, each bad record
 * is a dead letter with its reason and its bytes, the group's lag is 0, and the four routes tell it.
 */
import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import { expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { startReplica } from '../support/replica.ts'
import { activityStream, logins } from '../support/stream.ts'

it('handles each event once, dead-letters what is bad, commits all of it', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('activity', { partitions: 3 })
  const group = freshName('group')
  const database = await freshDatabase()
  const stream = await activityStream({ brokers, registryUrl, topic })
  const effects = effectsIn(database.url)
  const events = logins(300, 20)
  const valid = await stream.encode(
    logins(1, 1)[0] ?? { eventId: randomUUID(), userId: 'u', type: 'LOGIN', occurredAt: new Date(), ip: null },
  )
  const bad: [reason: string, value: Buffer | null][] = [
    ['framing', Buffer.alloc(0)],
    ['framing', Buffer.from([0, 1])],
    ['framing', Buffer.from('{"type":"LOGIN"}')],
    ['undecodable', valid.subarray(0, 12)],
    ['undecodable', Buffer.concat([valid, Buffer.from([1, 2, 3])])],
    ['unexpected-tombstone', null],
  ]
  const replica = await startReplica({
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: group,
    SCHEMA_REGISTRY_URL: registryUrl,
    DATABASE_URL: database.url,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
  })
  const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  try {
    await stream.send(events)
    await stream.sendRaw(bad.map(([reason, value]) => ({ key: `bad-${reason}`, value, headers: { origin: 'test' } })))
    await stream.send(events.slice(0, 50))
    await until('all is settled', async () => settled(await replica.text('/metrics')) === 300 + bad.length + 50, {
      timeoutMs: 60_000,
    })
    expect(await effects.handled()).toBe(300)
    expect(await effects.logins()).toBe(300)

    await admin.connect()
    await until('the group has no lag', async () => (await lagOf(admin, group, topic)) === 0, { timeoutMs: 20_000 })
    const letters = await readAll(kafka, `${topic}.${group}.dlt`, bad.length)
    expect(countsOf(letters.map(({ reason }) => reason))).toEqual(countsOf(bad.map(([reason]) => reason)))
    for (const [reason, value] of bad) {
      const same = letters.some(letter => letter.reason === reason && bytes(letter.value) === bytes(value))
      expect(same, `${reason} keeps its bytes`).toBe(true)
    }
    expect(letters.every(({ origin }) => origin === 'test')).toBe(true)

    const metrics = await replica.text('/metrics')
    expect(metrics).toMatch(/sluice_records_total\{[^}]*outcome="duplicate"[^}]*\} 50\n/)
    expect(await replica.ready()).toBe(true)
    expect(JSON.parse(await replica.text('/livez'))).toMatchObject({ ok: true })
    const status = await replica.status()
    expect(
      status?.partitions.map(({ lagRecords, lagSeconds, blockedBy }) => ({ lagRecords, lagSeconds, blockedBy })),
    ).toEqual(Array.from({ length: 3 }, () => ({ lagRecords: 0, lagSeconds: 0, blockedBy: null })))
    replica.kill('SIGTERM')
    expect(await replica.exited).toBe(0)
  } finally {
    replica.kill('SIGKILL')
    await Promise.all([stream.close(), effects.end(), admin.disconnect()])
    await database.drop()
  }
})

function settled(metrics: string): number {
  return [...metrics.matchAll(/^sluice_records_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  )
}

function countsOf(reasons: readonly (string | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const reason of reasons) counts[reason ?? 'none'] = (counts[reason ?? 'none'] ?? 0) + 1
  return counts
}

function bytes(value: Buffer | null): string {
  return value === null ? 'null' : value.toString('hex')
}

async function lagOf(admin: ReturnType<Kafka['admin']>, groupId: string, topic: string): Promise<number> {
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]))
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  return (committed?.partitions ?? []).reduce(
    (sum, { partition, offset }) => sum + (ends.get(partition) ?? 0) - Math.max(0, Number(offset)),
    0,
  )
}

interface Letter {
  readonly reason: string | undefined
  readonly origin: string | undefined
  readonly value: Buffer | null
}

async function readAll(kafka: Kafka, topic: string, count: number): Promise<Letter[]> {
  const consumer = kafka.consumer({ groupId: freshName('reader') })
  const letters: Letter[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { headers, value } }) => {
      letters.push({
        reason: headers?.['sluice-dlt-reason']?.toString(),
        origin: headers?.['origin']?.toString(),
        value,
      })
    },
  })
  await until(`${count} dead letters are there`, () => letters.length >= count, { timeoutMs: 30_000 })
  await consumer.disconnect()
  return letters
}
