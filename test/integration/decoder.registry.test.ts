/** The decoder's contract, and what the usual client writes, on a real registry. */
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import { registryDecoder } from '../../src/adapters/registry/decoder.ts'
import { Unavailable } from '../../src/consumer/errors.ts'
import { OrderEvent } from '../../src/generated/orders.ts'
import { frame } from '../support/avro.ts'
import { freshName, parts } from '../support/parts.ts'
import { proxyTo } from '../support/proxy.ts'
import { reader } from '../support/registry-decoder.ts'
import { SILENT } from '../support/silent.ts'

describe('what @kafkajs/confluent-schema-registry registers and encodes', () => {
  const registry = new SchemaRegistry({ host: parts().registryUrl })
  const options = { url: parts().registryUrl, timeoutMs: 10_000, log: SILENT, clock: systemClock() }

  test('is decoded to the generated type', async () => {
    const { id } = await registry.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(OrderEvent.avro) },
      { subject: freshName('orders') },
    )
    const decoder = registryDecoder({ ...options, readers: new Map([['orders', [OrderEvent]]]) })
    const bytes = await registry.encode(id, {
      eventId: 'e-1',
      orderId: 'o-1',
      customerId: 'c-1',
      type: 'PAID',
      totalCents: 12_995,
      occurredAt: 1_760_000_000_000,
    })
    expect(decoder.decode('orders', bytes)).toEqual({ kind: 'unknown', schemaId: id })
    await decoder.ping()
    await decoder.load(id)
    const expected: OrderEvent = {
      eventId: 'e-1',
      orderId: 'o-1',
      customerId: 'c-1',
      type: 'PAID',
      totalCents: 12_995n,
      occurredAt: new Date(1_760_000_000_000),
    }
    expect(decoder.decode('orders', bytes)).toEqual({ kind: 'value', value: expected, schema: 'sluice.OrderEvent' })
  })

  test('with references is decoded too', async () => {
    const namespace = freshName('refs').replaceAll('-', '_')
    const money = { type: 'record', name: 'Money', namespace, fields: [{ name: 'cents', type: 'long' }] }
    const bill = { type: 'record', name: 'Bill', namespace, fields: [{ name: 'sum', type: `${namespace}.Money` }] }
    const subject = freshName('money')
    await registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(money) }, { subject })
    const references = [{ name: `${namespace}.Money`, subject, version: 1 }]
    const { id } = await registry.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(bill), references },
      { subject: freshName('bill') },
    )
    const whole = { ...bill, fields: [{ name: 'sum', type: money }] }
    const decoder = registryDecoder({ ...options, readers: new Map([['bills', [reader(whole)]]]) })
    await decoder.load(id)
    expect(decoder.decode('bills', await registry.encode(id, { sum: { cents: 7 } }))).toMatchObject({
      value: { sum: { cents: 7n } },
    })
  })
})

describe('a real registry', () => {
  const options = { timeoutMs: 500, log: SILENT, clock: systemClock(), readers: new Map() }

  test('that does not have an id says so in a way that we believe', async () => {
    const decoder = registryDecoder({
      ...options,
      url: parts().registryUrl,
      timeoutMs: 10_000,
      limits: { missingAfterMs: 600 },
    })
    await decoder.load(2_000_000_000)
    const decoded = decoder.decode('orders', frame(2_000_000_000, Uint8Array.of(0)))
    expect(decoded).toMatchObject({ kind: 'poison', reason: 'unknown-schema' })
  })

  test.for(['refuse', 'freeze'] as const)(
    'that does not answer (%s) is an outage, and is there again afterwards',
    async how => {
      const proxy = await proxyTo(parts().registryUrl)
      const decoder = registryDecoder({ ...options, url: proxy.url })
      proxy[how]()
      const startedAtMs = performance.now()
      await expect(decoder.load(1)).rejects.toThrow(Unavailable)
      await expect(decoder.ping()).rejects.toThrow(Unavailable)
      expect(performance.now() - startedAtMs).toBeLessThan(5_000)
      proxy.accept()
      await expect.poll(() => decoder.ping().then(() => 'up', String), { timeout: 10_000 }).toBe('up')
      await proxy.stop()
    },
  )
})
