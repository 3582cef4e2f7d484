import { describe, expect, test } from 'vitest'
import { defineHandler, type Handler } from '../../src/consumer/handler.ts'
import { problemsOf, Routes } from '../../src/consumer/routes.ts'
import { type Thing, thingHandler } from '../support/floor.ts'

const schema = (name: string) => ({ name, avro: {} })
const placed = thingHandler({ name: 'placed', topic: 'orders', schema: schema('shop.Placed') })
const paid = thingHandler({ name: 'paid', topic: ['orders', 'payments'], schema: schema('shop.Paid') })
const deletions = defineHandler<Thing, true>({
  name: 'deletions',
  topic: 'payments',
  schema: schema('shop.Deleted'),
  tombstones: true,
  idempotencyKey: 'naturally-idempotent',
  handle: () => undefined,
})

/** What the types would refuse, as a program without types may write it. */
const broken = (differs: object): Handler => ({ ...thingHandler({ name: 'h', topic: 't' }), ...differs })

describe('a record goes to the handler', () => {
  const routes = new Routes([placed, paid, deletions], { orders: { unmatched: 'ignore' } })

  test('that takes its schema, by full name, from its topic', () => {
    expect(routes.handlerOf('orders', 'shop.Placed')).toBe(placed)
    expect(routes.handlerOf('orders', 'shop.Paid')).toBe(paid)
    expect(routes.handlerOf('payments', 'shop.Paid')).toBe(paid)
    expect(routes.handlerOf('payments', 'shop.Placed')).toBeNull()
    expect(routes.handlerOf('orders', 'Placed')).toBeNull()
    expect(routes.handlerOf('elsewhere', 'shop.Placed')).toBeNull()
  })

  test('that takes tombstones, where its value is null', () => {
    expect(routes.tombstoneHandlerOf('payments')).toBe(deletions)
    expect(routes.tombstoneHandlerOf('orders')).toBeNull()
  })

  test('or, where none takes it, the way that its topic says: the dead letter topic when it says nothing', () => {
    expect(routes.unmatched('orders')).toBe('ignore')
    expect(routes.unmatched('payments')).toBe('dead-letter')
    expect(routes.unmatched('constructor')).toBe('dead-letter')
  })

  test('and the decoder knows every schema that a topic is read with', () => {
    expect(routes.topics).toEqual(['orders', 'payments'])
    expect(routes.readers.get('orders')?.map(({ name }) => name)).toEqual(['shop.Placed', 'shop.Paid'])
    expect(routes.readers.get('payments')?.map(({ name }) => name)).toEqual(['shop.Paid', 'shop.Deleted'])
  })
})

describe('before anything starts', () => {
  test('nothing is wrong with handlers that can be routed', () => {
    expect(problemsOf([placed, paid, deletions], { orders: { unmatched: 'ignore' } })).toEqual([])
  })

  test.each<[string, readonly Handler[], Readonly<Record<string, object>>, RegExp]>([
    ['no handler', [], {}, /no handler/],
    ['a handler without a name', [broken({ name: '' })], {}, /no name/],
    ['a handler without a topic', [broken({ topics: [] })], {}, /no topic/],
    ['an empty topic', [broken({ topics: [''] })], {}, /no topic/],
    ['no schema', [broken({ schema: undefined })], {}, /not a generated constant/],
    ['a schema that is a type only', [broken({ schema: {} })], {}, /not a generated constant/],
    ['a forgotten idempotency key', [broken({ idempotencyKey: undefined })], {}, /idempotencyKey/],
    ['an idempotency key of another kind', [broken({ idempotencyKey: 'naturally' })], {}, /idempotencyKey/],
    ['an order that is no function', [broken({ orderBy: 'userId' })], {}, /orderBy/],
    ['a timeout of nothing', [broken({ timeoutMs: 0 })], {}, /timeoutMs is 0/],
    ['an endless timeout', [broken({ timeoutMs: Number.POSITIVE_INFINITY })], {}, /timeoutMs is Infinity/],
    ['a timeout that is no number', [broken({ timeoutMs: Number.NaN })], {}, /timeoutMs is NaN/],
    ['half a record at once', [broken({ concurrencyMax: 0.5 })], {}, /concurrencyMax is 0.5/],
    ['no record at once', [broken({ concurrencyMax: 0 })], {}, /concurrencyMax is 0/],
    ['no attempt', [broken({ retry: { initialMs: 1, maxMs: 2, attemptsMax: 0 } })], {}, /attemptsMax is 0/],
    [
      'attempts without end',
      [broken({ retry: { initialMs: 1, maxMs: 2, attemptsMax: Number.POSITIVE_INFINITY } })],
      {},
      /attemptsMax is Infinity/,
    ],
    ['waits that fall', [broken({ retry: { initialMs: 9, maxMs: 2, attemptsMax: 1 } })], {}, /waits from 9 to 2/],
    ['waits that are no numbers', [broken({ retry: { initialMs: Number.NaN, maxMs: 2, attemptsMax: 1 } })], {}, /NaN/],
    [
      'two of one name',
      [broken({}), broken({ topics: ['u'] })],
      {},
      /two handlers are named h: .*give one of them another/,
    ],
    ['two for one schema of one topic', [broken({}), broken({ name: 'i' })], {}, /two handlers take .* from topic t/],
    ['a topic that one handler names twice', [broken({ topics: ['t', 't'] })], {}, /handler h: .*topic t twice/],
    [
      'two for the tombstones of a topic',
      [deletions, { ...deletions, name: 'others', schema: schema('shop.Other') }],
      {},
      /deletions and others both take tombstones of topic payments/,
    ],
    ['a setting for a topic that nobody takes', [broken({})], { u: {} }, /topics\.u is set/],
    ['a policy that is none', [broken({})], { t: { unmatched: 'ignored' } }, /topics\.t\.unmatched/],
  ])('%s is refused, in one sentence', (_what, handlers, options, sentence) => {
    const problems = problemsOf(handlers, options)
    expect(problems).toEqual([expect.stringMatching(sentence)])
  })

  test('everything that is wrong is said at once', () => {
    const handlers = [
      broken({ timeoutMs: -1, concurrencyMax: -1, schema: undefined }),
      broken({ retry: { initialMs: 0, maxMs: 0, attemptsMax: 0 }, name: '' }),
      broken({ topics: ['a', ''] }),
    ]
    const problems = problemsOf(handlers, { nowhere: {} })
    const sentences = [
      /timeoutMs/,
      /concurrencyMax/,
      /schema/,
      /attemptsMax/,
      /retry waits/,
      /no name/,
      /no topic/,
      /named h/,
      /nowhere/,
    ]
    for (const sentence of sentences) expect(problems).toContainEqual(expect.stringMatching(sentence))
  })
})
