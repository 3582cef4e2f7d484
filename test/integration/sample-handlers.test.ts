/** What the two sample handlers leave in their tables. */
import type { Pool } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { postgresUnitOfWork } from '../../src/adapters/postgres/unit-of-work.ts'
import type { ConsumedRecord, Handler } from '../../src/consumer/handler.ts'
import type { UnitOfWork } from '../../src/consumer/ports.ts'
import type { OrderEvent } from '../../src/generated/orders.ts'
import type { UserActivity } from '../../src/generated/user-activity.ts'
import { orders } from '../../src/handlers/orders.ts'
import { userActivity } from '../../src/handlers/user-activity.ts'
import { freshDatabase } from '../support/parts.ts'
import { directPool, optionsFor } from '../support/postgres-bench.ts'
import { SILENT } from '../support/silent.ts'

let database: Awaited<ReturnType<typeof freshDatabase>>
let direct: Pool
let work: UnitOfWork
let offset = 0
beforeAll(async () => {
  database = await freshDatabase()
  direct = directPool(database.url)
  const migrations = new URL('../../migrations/samples/', import.meta.url)
  work = postgresUnitOfWork({ ...optionsFor(database.url), migrations })
  await work.start()
})
afterAll(async () => {
  await work.stop()
  await direct.end()
  await database.drop()
})
beforeEach(() => direct.query('truncate sluice.inbox, user_profile, orders, order_history'))

/** One attempt, as the consumer makes it. */
async function handled(handler: Handler, value: UserActivity | OrderEvent, signal = new AbortController().signal) {
  const topic = handler.topics[0] ?? ''
  const at = { topic, partition: 0, offset: offset++ }
  const record: ConsumedRecord<unknown> = {
    ...at,
    value,
    key: null,
    headers: [],
    header: () => undefined,
    timestampMs: 0,
  }
  const idempotencyKey = handler.idempotencyKey?.(record) ?? ''
  const unit = work.begin({ ...at, handler: handler.name, idempotencyKey, value: null }, handler.timeoutMs)
  try {
    await handler.handle(record, { tx: unit.tx, log: SILENT, signal, attempt: 1 })
  } catch (error) {
    await unit.abandon()
    if (unit.known === null) throw error
  }
  return unit.known ?? unit.finish()
}

const activity: UserActivity = { eventId: 'e1', userId: 'ada', type: 'LOGIN', occurredAt: at('09:00'), ip: null }
const order: OrderEvent = {
  eventId: 'o1',
  orderId: '7',
  customerId: 'ada',
  type: 'PLACED',
  totalCents: 9_007_199_254_740_993n,
  occurredAt: at('09:00'),
}

test('a profile counts logins and logouts, and remembers the last of each', async () => {
  const handler = userActivity({ loginMs: 0, logoutMs: 0 })
  await handled(handler, activity)
  await handled(handler, { ...activity, eventId: 'e2', type: 'LOGOUT', occurredAt: at('10:00') })
  await handled(handler, { ...activity, eventId: 'e3', occurredAt: at('11:00') })
  // A producer's repeat, and one whose clock is behind.
  expect(await handled(handler, activity)).not.toBeNull()
  await handled(handler, { ...activity, eventId: 'e4', occurredAt: at('08:00') })
  await handled(handler, { ...activity, eventId: 'e5', userId: 'bob', type: 'LOGOUT' })
  const { rows } = await direct.query('select * from user_profile order by user_id')
  expect(rows).toEqual([
    {
      user_id: 'ada',
      logins: '3',
      logouts: '1',
      last_login_at: at('11:00'),
      last_logout_at: at('10:00'),
      last_seen_at: at('11:00'),
    },
    {
      user_id: 'bob',
      logins: '0',
      logouts: '1',
      last_login_at: null,
      last_logout_at: at('09:00'),
      last_seen_at: at('09:00'),
    },
  ])
})

test('an order stands where its last event left it, and its steps are numbered', async () => {
  const handler = orders({ orderMs: 0 })
  await handled(handler, order)
  await handled(handler, { ...order, eventId: 'o2', type: 'PAID', occurredAt: at('10:00') })
  expect(await handled(handler, { ...order, eventId: 'o2', type: 'PAID', occurredAt: at('10:00') })).not.toBeNull()
  await handled(handler, { ...order, eventId: 'o3', type: 'SHIPPED', totalCents: 0n, occurredAt: at('11:00') })
  const { rows } = await direct.query('select * from orders')
  expect(rows).toEqual([
    { order_id: '7', customer_id: 'ada', status: 'SHIPPED', total_cents: '0', updated_at: at('11:00') },
  ])
  const history = await direct.query('select * from order_history order by seq')
  expect(history.rows).toEqual([
    { order_id: '7', seq: 1, status: 'PLACED', occurred_at: at('09:00') },
    { order_id: '7', seq: 2, status: 'PAID', occurred_at: at('10:00') },
    { order_id: '7', seq: 3, status: 'SHIPPED', occurred_at: at('11:00') },
  ])
})

test('an amount beyond 2^53 is exact', async () => {
  await handled(orders({ orderMs: 0 }), order)
  expect((await direct.query('select total_cents from orders')).rows).toEqual([{ total_cents: '9007199254740993' }])
})

test('what is given up while it works leaves nothing', async () => {
  const stopped = AbortSignal.abort()
  await expect(handled(userActivity({ loginMs: 60_000, logoutMs: 0 }), activity, stopped)).rejects.toThrow(/aborted/)
  await expect(handled(orders({ orderMs: 60_000 }), order, stopped)).rejects.toThrow(/aborted/)
  expect((await direct.query('select 1 from sluice.inbox')).rows).toEqual([])
})

function at(time: string): Date {
  return new Date(`2026-01-05T${time}:00.123Z`)
}
