import { defineHandler, exponential, Reject } from 'sluice'
import { OrderEvent } from '../../src/generated/orders.ts'

export const orderTotals = defineHandler({
  name: 'order-totals',
  topic: 'orders',
  schema: OrderEvent, // generated from schemas/orders.avsc: a type and a constant
  orderBy: ({ value }) => value.orderId, // one order at a time, its events in order
  idempotencyKey: ({ value }) => value.eventId, // sent twice, handled once
  retry: exponential({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 }),
  timeoutMs: 5_000,
  async handle({ value }, { tx }) {
    if (value.totalCents < 0n) throw new Reject('a negative total')
    if (value.type !== 'PAID') return
    await tx.query('insert into paid_order (order_id, cents) values ($1, $2)', [value.orderId, value.totalCents])
  },
})
