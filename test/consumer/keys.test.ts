import { describe, expect, test } from 'vitest'
import type { ConsumedRecord, Handler } from '../../src/consumer/handler.ts'
import { idempotencyKey, laneOf, orderingKey } from '../../src/consumer/keys.ts'
import { bytes } from '../support/bytes.ts'
import { thingHandler } from '../support/floor.ts'

const recordWith = (key: Uint8Array | null, value: unknown = {}): ConsumedRecord<unknown> => ({
  value,
  key,
  headers: [],
  header: () => undefined,
  topic: 'things',
  partition: 0,
  offset: 0,
  timestampMs: 0,
})

/** From a handler that gives this, whatever its type promises. */
const keyFrom = (give: () => unknown) =>
  idempotencyKey({ ...thingHandler(), idempotencyKey: () => give() as string }, recordWith(null))

describe('the lane of a record', () => {
  test('is its key where the handler does not say otherwise', () => {
    expect(orderingKey(thingHandler(), recordWith(bytes('user-7')))).toEqual({ ok: true, key: 'user-7' })
  })

  test('is none where there is no key, and one of its own where the key is empty', () => {
    expect(laneOf(null)).toBeNull()
    expect(laneOf(new Uint8Array(0))).toBe('')
  })

  test('tells every two keys apart, be they text or not', () => {
    const keys = [
      [0xff],
      [0xfe],
      [0xff, 0xfe],
      [0xff, 0x00],
      [0xc3],
      [0xc3, 0xbf],
      [0x00],
      [0x00, 0xc3, 0xbf],
      [0xed, 0xa0, 0x80],
      [0xef, 0xbb, 0xbf],
      [0xef, 0xbb, 0xbf, 0x61],
      [0x61],
      [],
    ]
    const lanes = keys.map(key => laneOf(Uint8Array.from(key)))
    expect(new Set(lanes).size).toBe(keys.length)
    expect(keys.map(key => laneOf(Uint8Array.from(key)))).toEqual(lanes)
  })

  test('is what orderBy gives', () => {
    const handler = thingHandler({ orderBy: ({ value }) => `of ${value.id}` })
    expect(orderingKey(handler, recordWith(bytes('key'), { id: 'a' }))).toEqual({ ok: true, key: 'of a' })
  })

  test('is nothing to handle by when orderBy throws or gives no text: invalid-key', () => {
    const throwing = thingHandler({ orderBy: ({ value }) => value.id.slice(1) })
    expect(orderingKey(throwing, recordWith(null, {}))).toMatchObject({ ok: false, reason: 'invalid-key' })
    for (const given of [undefined, null, 7, {}, Symbol('s'), Promise.resolve('a')]) {
      const handler: Handler = { ...thingHandler(), orderBy: () => given as string }
      expect(orderingKey(handler, recordWith(null))).toMatchObject({ ok: false, reason: 'invalid-key' })
    }
  })
})

describe('the identity of an event', () => {
  test('is what idempotencyKey gives', () => {
    expect(keyFrom(() => 'event-1')).toEqual({ ok: true, key: 'event-1' })
  })

  test('is not asked for where the handler is naturally idempotent', () => {
    const handler: Handler = { ...thingHandler(), idempotencyKey: null }
    expect(idempotencyKey(handler, recordWith(null))).toEqual({ ok: true, key: null })
  })

  test.each([[''], [undefined], [null]])('is missing when the handler gives %j', given => {
    expect(keyFrom(() => given)).toMatchObject({ ok: false, reason: 'missing-idempotency-key' })
  })

  test.each([
    ['a number', 7],
    ['an object', {}],
    ['false', false],
    ['a promise', Promise.resolve('a')],
    ['text with a NUL', 'a\0b'],
    ['a lone high surrogate', 'a\uD800'],
    ['a lone low surrogate', '\uDC00a'],
  ])('is invalid when it is %s', (_what, given) => {
    expect(keyFrom(() => given)).toMatchObject({ ok: false, reason: 'invalid-key' })
  })

  test('is invalid when the handler throws, whatever it throws', () => {
    const unspeakable = new Error('never seen')
    Object.defineProperty(unspeakable, 'message', {
      get: () => {
        throw new TypeError('no message either')
      },
    })
    for (const thrown of [new Error('no id'), 'text', null, undefined, unspeakable]) {
      expect(
        keyFrom(() => {
          throw thrown
        }),
      ).toMatchObject({ ok: false, reason: 'invalid-key' })
    }
  })

  test.each([
    ['one byte', 'a'.repeat(512), 'a'.repeat(513)],
    ['two bytes', 'é'.repeat(256), `${'é'.repeat(256)}a`],
    ['three bytes', `${'€'.repeat(170)}ab`, '€'.repeat(171)],
    ['four bytes', '🜁'.repeat(128), `${'🜁'.repeat(128)}a`],
  ])('has at most 512 bytes of UTF-8, in characters of %s too', (_what, longest, tooLong) => {
    expect(bytes(longest)).toHaveLength(512)
    expect(bytes(tooLong)).toHaveLength(513)
    expect(keyFrom(() => longest)).toEqual({ ok: true, key: longest })
    expect(keyFrom(() => tooLong)).toMatchObject({ ok: false, reason: 'invalid-key' })
  })

  test('is never quoted in what is said about it', () => {
    for (const key of [`card 4111\0`, 'card 4111'.repeat(100), 'card 4111\uD800']) {
      expect(JSON.stringify(keyFrom(() => key))).not.toContain('4111')
    }
  })
})
