import { setTimeout as delay } from 'node:timers/promises'
import { defineHandler, exponential } from '../consumer/handler.ts'
import { OrderEvent } from '../generated/orders.ts'

const ORDER = `
  insert into orders (order_id, customer_id, status, total_cents, updated_at)
  values ($1, $2, $3, $4, $5)
  on conflict (order_id) do update set
    status = excluded.status, total_cents = excluded.total_cents, updated_at = excluded.updated_at`

/** The order's row is locked by the statement before, so that no two events get one number. */
const STEP = `
  insert into order_history (order_id, seq, status, occurred_at)
  select $1, coalesce(max(seq), 0) + 1, $2, $3 from order_history where order_id = $1`

/** Each order as it stands, and how it came there. Its events arrive in order, since they are keyed by the order. */
export const orders = (work: { orderMs: number }) =>
  defineHandler({
    topic: 'orders',
    schema: OrderEvent,
    orderBy: ({ value }) => value.orderId,
    idempotencyKey: ({ value }) => value.eventId,
    retry: exponential({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 }),
    timeoutMs: 5_000,
    async handle({ value }, { tx, signal }) {
      await delay(work.orderMs, undefined, { signal })
      await tx.query(ORDER, [value.orderId, value.customerId, value.type, value.totalCents, value.occurredAt])
      await tx.query(STEP, [value.orderId, value.type, value.occurredAt])
    },
  })
