/**
 * The README's handler in a program of one's own: `runService` in this process, with nothing but handlers and an environment.
 * It rejects what it says, keeps the rest once, and its stop reports a clean end.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { Kafka, logLevel } from 'kafkajs'
import { Client } from 'pg'
import { expect, it } from 'vitest'
import { freePort } from '../../dev/stack/ports.ts'
import { runService } from '../../src/service.ts'
import { orderTotals } from '../readme/order-totals.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'

it('runs as a library, and stops with a report', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('orders', { partitions: 2 })
  const database = await freshDatabase()
  const client = new Client(database.url)
  await client.connect()
  await client.query('create table paid_order (order_id text primary key, cents bigint not null)')
  const group = freshName('group')
  const service = await runService({
    handlers: [{ ...orderTotals, topics: [topic] }],
    ownProcess: false,
    env: {
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_GROUP_ID: group,
      SCHEMA_REGISTRY_URL: registryUrl,
      DATABASE_URL: database.url,
      DEAD_LETTER_CREATE: 'true',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: '0',
      LOG_LEVEL: 'error',
    },
  })
  const producer = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  try {
    const registry = new SchemaRegistry({ host: registryUrl })
    const schema = await readFile(new URL('../../schemas/orders.avsc', import.meta.url), 'utf8')
    const { id } = await registry.register({ type: SchemaType.AVRO, schema }, { subject: `${topic}-value` })
    const paid = order('paid', 'PAID', 4_200)
    const events = [order('paid', 'PLACED', 4_200), paid, paid, order('odd', 'PAID', -1)]
    const messages = await Promise.all(
      events.map(async event => ({ key: event.orderId, value: await registry.encode(id, event) })),
    )
    await producer.send({ topic, messages })
    const metrics = async () => (await fetch(`${service.url}/metrics`)).text()
    await until('all four are settled', async () => {
      const counts = [...(await metrics()).matchAll(/^sluice_records_total\{.*\} (\d+)$/gm)]
      return counts.reduce((sum, [, count]) => sum + Number(count), 0) === 4
    })
    expect((await client.query('select order_id, cents from paid_order')).rows).toEqual([
      { order_id: 'paid', cents: '4200' },
    ])
    expect(await metrics()).toMatch(/sluice_dead_letters_total\{[^}]*reason="rejected"[^}]*\} 1\n/)
  } finally {
    await producer.disconnect()
    expect(await service.stop()).toEqual({ reason: 'stop', unfinished: 0, committed: true })
    await client.end()
    await database.drop()
  }
})

it('leaves nothing open where it cannot start', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('orders')
  const port = await freePort()
  const started = runService({
    handlers: [{ ...orderTotals, topics: [topic], idempotencyKey: null }],
    ownProcess: false,
    env: {
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_GROUP_ID: freshName('group'),
      // Shorter than a broker allows, which only the join tells.
      KAFKA_SESSION_TIMEOUT_MS: '2000',
      SCHEMA_REGISTRY_URL: registryUrl,
      DEAD_LETTER_CREATE: 'true',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: String(port),
      LOG_LEVEL: 'silent',
    },
  })
  await expect(started).rejects.toThrow(/session timeout/)
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow('fetch failed')
})

function order(orderId: string, type: string, totalCents: number) {
  return { eventId: randomUUID(), orderId, customerId: 'c', type, totalCents, occurredAt: Date.now() }
}
