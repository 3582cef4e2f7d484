/** What must not compile stands beside what must: `tsc` reads this file, and fails where an expected error is missing. */
import { expect, expectTypeOf, it } from 'vitest'
import { defineHandler, exponential, Reject, type Transaction } from '../../src/consumer/handler.ts'
import { OrderEvent } from '../../src/generated/orders.ts'
import { UserActivity } from '../../src/generated/user-activity.ts'

it('infers the value, the context and the transaction from the schema', () => {
  const handler = defineHandler({
    topic: 'orders',
    schema: OrderEvent,
    orderBy: ({ value }) => value.orderId,
    idempotencyKey: ({ value }) => value.eventId,
    retry: exponential({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 }),
    timeoutMs: 5_000,
    concurrencyMax: 50,
    async handle({ value, key, headers, offset, timestampMs }, { tx, signal, attempt }) {
      expectTypeOf(value).toEqualTypeOf<OrderEvent>()
      expectTypeOf(value.totalCents).toEqualTypeOf<bigint>()
      expectTypeOf(value.type).toEqualTypeOf<'PLACED' | 'PAID' | 'SHIPPED' | 'CANCELLED'>()
      expectTypeOf(value.occurredAt).toEqualTypeOf<Date>()
      expectTypeOf(key).toEqualTypeOf<Uint8Array | null>()
      expectTypeOf(headers[0]?.[0]).toEqualTypeOf<string | undefined>()
      expectTypeOf([offset, timestampMs, attempt]).toEqualTypeOf<number[]>()
      expectTypeOf(tx).toEqualTypeOf<Transaction>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    },
  })
  expect(handler).toMatchObject({ name: 'orders', topics: ['orders'], timeoutMs: 5_000, tombstones: false })
})

it('fills in what a definition leaves out', () => {
  const handler = defineHandler({
    topic: ['a', 'b'],
    schema: UserActivity,
    idempotencyKey: 'naturally-idempotent',
    handle: () => {},
  })
  expect(handler).toMatchObject({
    name: 'a',
    topics: ['a', 'b'],
    orderBy: null,
    idempotencyKey: null,
    concurrencyMax: null,
  })
  expect(handler.retry).toEqual({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 })
})

it('refuses what is wrong at compile time', () => {
  defineHandler({
    topic: 'user-activity',
    schema: UserActivity,
    // @ts-expect-error a field that the schema does not have
    orderBy: ({ value }) => value.customerId,
    idempotencyKey: ({ value }) => value.eventId,
    handle: () => {},
  })
  defineHandler({
    topic: 'user-activity',
    schema: UserActivity,
    // @ts-expect-error an address may be null: a forgotten null
    idempotencyKey: ({ value }) => value.ip,
    handle: () => {},
  })
  defineHandler({
    topic: 'user-activity',
    schema: UserActivity,
    idempotencyKey: 'naturally-idempotent',
    // @ts-expect-error no transaction without an idempotency key
    handle: (_record, { tx }) => void tx,
  })
  defineHandler({
    topic: 'user-activity',
    schema: UserActivity,
    tombstones: true,
    idempotencyKey: 'naturally-idempotent',
    // @ts-expect-error a tombstone's value is null
    handle: ({ value }) => void value.userId,
  })
  // @ts-expect-error no idempotency key and no word that it is not needed
  defineHandler({ topic: 'user-activity', schema: UserActivity, handle: () => {} })
  // @ts-expect-error no schema: nothing says what a value is
  defineHandler({ topic: 'user-activity', idempotencyKey: 'naturally-idempotent', handle: () => {} })
  // @ts-expect-error a retry policy without an end
  expect(exponential({ initialMs: 1, maxMs: 2 })).toBeDefined()
  // @ts-expect-error a reason is required: an operator reads it
  expect(new Reject()).toBeDefined()
})
