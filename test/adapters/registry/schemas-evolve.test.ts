/** What producers change in their schemas, newer and older than ours, is read as our schema has it; what cannot be is said once a schema. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Decoded, ReaderSchema } from '../../../src/consumer/ports.ts'
import { avroType } from '../../support/avro.ts'
import { type DecoderOnRegistry, decoderOnRegistry, reader, thing } from '../../support/registry-decoder.ts'

let bench: DecoderOnRegistry | null = null
afterEach(async () => {
  await bench?.close()
  bench = null
})

async function start(...readers: ReaderSchema[]): Promise<DecoderOnRegistry> {
  bench = await decoderOnRegistry(readers)
  return bench
}

/** Written as a field `f` of one type, read as another. */
async function converted(written: unknown, value: unknown, read: unknown): Promise<unknown> {
  const { roundTrip } = await start(reader(thing({ name: 'f', type: read })))
  return resultOf(await roundTrip(thing({ name: 'f', type: written }), { f: value }))
}

/** The field's value, or the reason why there is none. */
function resultOf(decoded: Decoded): unknown {
  return decoded.kind === 'value' ? Object(decoded.value).f : decoded.kind === 'poison' ? decoded.reason : decoded.kind
}

function chain(label: string): ReturnType<typeof thing> {
  return thing({ name: 'label', type: label }, { name: 'next', type: ['null', 'Thing'] })
}

function ref(name: string): { name: string; subject: string; version: number } {
  return { name, subject: `a/b ${name}`, version: 3 }
}

const ENUM = { type: 'enum', name: 'Kind' }
const MILLIS = { type: 'long', logicalType: 'timestamp-millis' }
const MICROS = { type: 'long', logicalType: 'timestamp-micros' }
const decimal = (scale: number): object => ({ type: 'bytes', logicalType: 'decimal', precision: 9, scale })

describe('a field', () => {
  test('that the writer has and we do not is passed over, whatever its type', async () => {
    const extras = [
      { name: 'a', type: { type: 'array', items: ['null', 'string', 'double'] } },
      {
        name: 'b',
        type: {
          type: 'map',
          values: {
            type: 'record',
            name: 'Inner',
            fields: [
              { name: 'x', type: 'float' },
              { name: 'more', type: ['null', 'Inner'] },
            ],
          },
        },
      },
      { name: 'c', type: { type: 'fixed', name: 'Four', size: 4 } },
      { name: 'd', type: { ...ENUM, symbols: ['A'] } },
      { name: 'e', type: 'bytes' },
      { name: 'g', type: 'boolean' },
      { name: 'h', type: 'int' },
      { name: 'i', type: 'null' },
    ]
    const { roundTrip } = await start(reader(thing({ name: 'f', type: 'long' })))
    const value = {
      a: [null, { string: 's' }, { double: 1 }],
      b: { k: { x: 1, more: { Inner: { x: 2, more: null } } } },
      c: Buffer.alloc(4),
      d: 'A',
      e: Buffer.from([1]),
      g: true,
      h: -5,
      i: null,
      f: 42n,
    }
    expect(await roundTrip(thing(...extras, { name: 'f', type: 'long' }), value)).toEqual({
      kind: 'value',
      value: { f: 42n },
      schema: 'Thing',
    })
  })

  test.for([
    ['long', 'long', 7, 7n],
    ['null', ['null', 'string'], null, null],
    ['the first branch', ['long', 'null'], 7, 7n],
    ['timestamp', MILLIS, 1_000, new Date(1_000)],
    ['date', { type: 'int', logicalType: 'date' }, 1, new Date(86_400_000)],
    ['decimal', decimal(2), '\u0001\u0000', { unscaled: 256n, scale: 2 }],
    ['bytes', 'bytes', '\u00ff', Uint8Array.of(255)],
    ['fixed', { type: 'fixed', name: 'Two', size: 2 }, 'ab', Uint8Array.of(97, 98)],
    ['enum', { ...ENUM, symbols: ['A', 'B'] }, 'B', 'B'],
    [
      'array of records',
      {
        type: 'array',
        items: thing({ name: 'x', type: 'long' }) && {
          type: 'record',
          name: 'Item',
          fields: [{ name: 'x', type: 'long' }],
        },
      },
      [{ x: 1 }],
      [{ x: 1n }],
    ],
    ['map', { type: 'map', values: 'long' }, { k: 1 }, { k: 1n }],
    ['a wrapped union', ['int', 'double'], 1, { int: 1 }],
  ] as const)('that we have and the writer does not takes its default: %s', async ([, type, byDefault, expected]) => {
    const { roundTrip } = await start(
      reader(thing({ name: 'other', type: 'int' }, { name: 'f', type, default: byDefault })),
    )
    expect(resultOf(await roundTrip(thing({ name: 'other', type: 'int' }), { other: 1 }))).toEqual(expected)
  })

  test('takes a default of its own in each record, which a handler may keep', async () => {
    const own = await start(
      reader(thing({ name: 'other', type: 'int' }, { name: 'f', type: { type: 'array', items: 'int' }, default: [1] })),
    )
    const writer = thing({ name: 'other', type: 'int' })
    const [one, two] = [
      resultOf(await own.roundTrip(writer, { other: 1 })),
      resultOf(await own.roundTrip(writer, { other: 1 })),
    ]
    expect(one).toEqual(two)
    expect(one).not.toBe(two)
  })

  test('is found by its alias; a field of that very name comes first', async () => {
    const { roundTrip } = await start(
      reader(thing({ name: 'f', aliases: ['old'], type: 'long' }, { name: 'g', type: 'int', default: 0 })),
    )
    expect(resultOf(await roundTrip(thing({ name: 'old', type: 'int' }), { old: 5 }))).toBe(5n)
    expect(
      resultOf(await roundTrip(thing({ name: 'old', type: 'int' }, { name: 'f', type: 'long' }), { old: 5, f: 6n })),
    ).toBe(6n)
  })
})

describe('a type', () => {
  const cases: readonly (readonly [string, unknown, unknown, unknown, unknown])[] = [
    ['int → long is a bigint', 'int', 5, 'long', 5n],
    ['int → long in a union', 'int', 5, ['null', 'long'], 5n],
    ['int → float', 'int', 5, 'float', 5],
    ['int → double', 'int', 5, 'double', 5],
    ['int → timestamp', 'int', 5, MILLIS, new Date(5)],
    ['long → float, rounded as Avro has it', 'long', 2n ** 24n + 1n, 'float', 2 ** 24],
    ['long → double', 'long', 2n ** 40n, 'double', 2 ** 40],
    ['float → double', 'float', 1.5, 'double', 1.5],
    ['string → bytes', 'string', 'é', 'bytes', Uint8Array.of(0xc3, 0xa9)],
    ['bytes → string', 'bytes', Buffer.from('é'), 'string', 'é'],
    ['bytes that are no UTF-8 → string', 'bytes', Buffer.from([0xff]), 'string', 'undecodable'],
    ['plain long → timestamp', 'long', 5n, MILLIS, new Date(5)],
    ['timestamp → plain long', MILLIS, 5n, 'long', 5n],
    ['milliseconds → microseconds never', MILLIS, 5n, MICROS, 'incompatible-schema'],
    ['decimal → decimal of another scale never', decimal(2), Buffer.from([1]), decimal(3), 'incompatible-schema'],
    ['string → decimal never', 'string', '1', decimal(3), 'incompatible-schema'],
    ['long → int never', 'long', 5n, 'int', 'incompatible-schema'],
    ['double → float never', 'double', 5, 'float', 'incompatible-schema'],
    ['string → long never', 'string', '5', 'long', 'incompatible-schema'],
    [
      'fixed of another size never',
      { type: 'fixed', name: 'F', size: 1 },
      Buffer.alloc(1),
      { type: 'fixed', name: 'F', size: 2 },
      'incompatible-schema',
    ],
    ['one → nullable', 'string', 'x', ['null', 'string'], 'x'],
    ['nullable → one, where it is there', ['null', 'string'], { string: 'x' }, 'string', 'x'],
    ['nullable → one, where it is null', ['null', 'string'], null, 'string', 'incompatible-schema'],
    ['a union takes its own type before a wider one', 'long', 2n ** 60n, ['double', 'long'], 2n ** 60n],
    ['a union in another order', ['string', 'null', 'int'], { int: 3 }, ['null', 'long', 'string'], 3n],
    ['a wrapped union names the branch that took it', 'int', 3, ['long', 'double', 'float'], { long: 3n }],
    ['array items', { type: 'array', items: 'int' }, [1], { type: 'array', items: 'long' }, [1n]],
    ['map values', { type: 'map', values: 'int' }, { k: 1 }, { type: 'map', values: 'long' }, { k: 1n }],
    ['array → map never', { type: 'array', items: 'int' }, [1], { type: 'map', values: 'int' }, 'incompatible-schema'],
    ['a known enum symbol among new ones', { ...ENUM, symbols: ['NEW', 'A'] }, 'A', { ...ENUM, symbols: ['A'] }, 'A'],
    [
      'a new enum symbol, with a default',
      { ...ENUM, symbols: ['NEW', 'A'] },
      'NEW',
      { ...ENUM, symbols: ['A', 'B'], default: 'B' },
      'B',
    ],
    [
      'a new enum symbol, without',
      { ...ENUM, symbols: ['NEW', 'A'] },
      'NEW',
      { ...ENUM, symbols: ['A'] },
      'incompatible-schema',
    ],
    [
      'a nested name in another namespace',
      { ...ENUM, namespace: 'theirs', symbols: ['A'] },
      'A',
      { ...ENUM, namespace: 'ours', symbols: ['A'] },
      'A',
    ],
    [
      'a nested name by alias',
      { type: 'enum', name: 'Old', symbols: ['A'] },
      'A',
      { ...ENUM, aliases: ['Old'], symbols: ['A'] },
      'A',
    ],
    [
      'another nested name never',
      { type: 'enum', name: 'Old', symbols: ['A'] },
      'A',
      { ...ENUM, symbols: ['A'] },
      'incompatible-schema',
    ],
  ]
  test.for(cases)('%s', async ([, written, value, read, expected]) => {
    expect(await converted(written, value, read)).toEqual(expected)
  })

  test('that contains itself is read at every level', async () => {
    const { roundTrip } = await start(reader(chain('long')))
    const value = { label: 1, next: { Thing: { label: 2, next: null } } }
    expect(await roundTrip(chain('int'), value)).toMatchObject({
      value: { label: 1n, next: { label: 2n, next: null } },
    })
  })
})

describe('an incompatible schema', () => {
  const writer = thing({ name: 'f', type: 'string' })

  test('is one alert a schema, however many records it has', async () => {
    const { learn, decode, alerts } = await start(reader(thing({ name: 'f', type: 'long' })))
    const ids = [await learn({ schema: writer }), await learn({ schema: writer })]
    const avro = avroType(writer).toBuffer({ f: 'a-secret' })
    for (let round = 0; round < 50; round++) {
      for (const id of ids) expect(decode(id, avro)).toMatchObject({ kind: 'poison', reason: 'incompatible-schema' })
    }
    expect(alerts).toHaveLength(2)
    expect(alerts[0]?.fields).toMatchObject({ topic: 'things', schemaId: 1, why: 'f: string cannot be read as long' })
  })

  test('is one alert, too, where single records of it do not fit', async () => {
    const symbols = thing({ name: 'kind', type: { ...ENUM, symbols: ['A', 'NEW'] } })
    const { learn, decode, alerts } = await start(reader(thing({ name: 'kind', type: { ...ENUM, symbols: ['A'] } })))
    const id = await learn({ schema: symbols })
    const type = avroType(symbols)
    for (let round = 0; round < 50; round++) {
      expect(decode(id, type.toBuffer({ kind: 'A' }))).toMatchObject({ kind: 'value', value: { kind: 'A' } })
      expect(decode(id, type.toBuffer({ kind: 'NEW' }))).toMatchObject({
        reason: 'incompatible-schema',
        error: 'kind: Kind lacks a symbol that the record carries, and has no default',
      })
    }
    expect(alerts).toHaveLength(1)
  })

  test('says the field that is missing', async () => {
    const { roundTrip } = await start(reader(thing({ name: 'f', type: 'string' }, { name: 'wanted', type: 'long' })))
    expect(await roundTrip(writer, { f: 'a-secret' })).toEqual({
      kind: 'poison',
      reason: 'incompatible-schema',
      error:
        "Thing as written does not fit the handler's schema: wanted: the writer has no such field, and it has no default",
    })
  })
})

describe("a writer's schema that is", () => {
  test.for([
    ['a primitive', '"string"', 'string'],
    ['an array', { type: 'array', items: 'int' }, 'array'],
    ['a union', ['null', 'string'], 'union'],
    ['an enum', { ...ENUM, namespace: 'ns', symbols: ['A'] }, 'ns.Kind'],
    ['another record', { type: 'record', name: 'Other', namespace: 'ns', fields: [] }, 'ns.Other'],
  ] as const)('%s is unmatched, by a name that says what it is', async ([, schema, expected]) => {
    const { learn, decode } = await start(reader(thing({ name: 'f', type: 'long' })))
    expect(decode(await learn({ schema }), Uint8Array.of(0))).toEqual({ kind: 'unmatched', schema: expected })
  })

  test('sound but for its defaults is read: they have no part in it', async () => {
    // Written out, for no number of JavaScript is the greatest long.
    const odd = JSON.stringify(
      thing({ name: 'f', type: 'long', default: 0 }, { name: 'g', type: ['string', 'null'], default: null }),
    ).replace('"default":0', '"default":9223372036854775807')
    const { learn, decode } = await start(reader(thing({ name: 'f', type: 'long' })))
    const avro = avroType(thing({ name: 'f', type: 'long' }, { name: 'g', type: ['string', 'null'] })).toBuffer({
      f: 1n,
      g: null,
    })
    expect(decode(await learn({ schema: odd }), avro)).toEqual({ kind: 'value', value: { f: 1n }, schema: 'Thing' })
  })

  test.for([
    ['JSON Schema', { schema: '{"type":"object"}', schemaType: 'JSON' }],
    ['Protobuf', { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' }],
    ['no JSON', { schema: 'nonsense' }],
    ['no Avro', { schema: '{"type":"record","name":"Thing"}' }],
    ['nested without end', { schema: `${'{"type":"array","items":'.repeat(20_000)}"int"${'}'.repeat(20_000)}` }],
  ] as const)('%s makes its records undecodable', async ([, registered]) => {
    const { learn, decode, alerts } = await start(reader(thing({ name: 'f', type: 'long' })))
    expect(decode(await learn(registered), Uint8Array.of(2))).toMatchObject({ kind: 'poison', reason: 'undecodable' })
    expect(alerts).toHaveLength(1)
  })
})

describe('references to other schemas', () => {
  const line = { type: 'record', name: 'Line', namespace: 'shop', fields: [{ name: 'price', type: 'shop.Money' }] }
  const money = { type: 'record', name: 'Money', namespace: 'shop', fields: [{ name: 'cents', type: 'long' }] }
  const lines = { name: 'lines', type: { type: 'array', items: 'shop.Line' } }
  const whole = thing(
    { name: 'lines', type: { type: 'array', items: { ...line, fields: [{ name: 'price', type: money }] } } },
    { name: 'sum', type: 'shop.Money' },
  )

  test('are fetched, each once, and those that they need themselves', async () => {
    const own = await start(reader(whole))
    own.server.addVersion('a/b Money', 3, { schema: money })
    own.server.addVersion('a/b Line', 3, { schema: line, references: [ref('Money')] })
    const schema = thing(lines, { name: 'sum', type: 'shop.Money' })
    const id = await own.learn({ schema, references: [ref('Line'), ref('Money')] })
    const avro = avroType(whole).toBuffer({ lines: [{ price: { cents: 7n } }], sum: { cents: 7n } })
    expect(own.decode(id, avro)).toMatchObject({ value: { lines: [{ price: { cents: 7n } }], sum: { cents: 7n } } })
    expect(own.server.requests).toEqual([
      '/schemas/ids/1',
      '/subjects/a%2Fb%20Line/versions/3',
      '/subjects/a%2Fb%20Money/versions/3',
    ])
  })

  test('that go in a circle, or are without end, come to an end', async () => {
    const own = await start(reader(thing({ name: 'f', type: 'int', default: 1 })))
    own.server.addVersion('a/b Line', 3, { schema: line, references: [ref('Money')] })
    own.server.addVersion('a/b Money', 3, { schema: money, references: [ref('Line')] })
    const circular = await own.learn({ schema: thing(lines), references: [ref('Line')] })
    expect(own.decode(circular, Uint8Array.of(0))).toMatchObject({ kind: 'value', value: { f: 1 } })
    for (let i = 0; i < 70; i++)
      own.server.addVersion(`a/b ${i}`, 3, { schema: money, references: [ref(String(i + 1))] })
    const endless = await own.learn({ schema: thing(lines), references: [ref('0')] })
    expect(own.decode(endless, Uint8Array.of(0))).toMatchObject({ kind: 'poison', reason: 'undecodable' })
  })
})
