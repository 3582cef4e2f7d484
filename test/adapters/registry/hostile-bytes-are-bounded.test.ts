/** Bytes that claim more than they hold are refused in bounded time and memory, and what is said of them shows none of them. */
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Decoded } from '../../../src/consumer/ports.ts'
import { avroType } from '../../support/avro.ts'
import { WRITTEN } from '../../support/kitchen-sink.ts'
import { type DecoderOnRegistry, decoderOnRegistry, reader, thing } from '../../support/registry-decoder.ts'
import { KitchenSink } from '../../types/generated/kitchen-sink.ts'

let bench: DecoderOnRegistry | null = null
afterEach(async () => {
  await bench?.close()
  bench = null
})

/** Bytes of a record with one field `f`. `skipped`: our schema lacks the field, so it is only passed over. */
async function decoded(type: unknown, bytes: readonly number[], skipped = false): Promise<Decoded> {
  const writer = thing({ name: 'f', type })
  bench = await decoderOnRegistry([reader(skipped ? thing() : writer)])
  return bench.decode(await bench.learn({ schema: writer }), Uint8Array.from(bytes))
}

/** Zigzag varint. */
function long(value: bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

const FIFTY_MILLION = 50_000_000n
const EMPTY_RECORD = { type: 'record', name: 'Empty', fields: [] }
/** Endless without a single byte. */
const ENDLESS = { type: 'record', name: 'Endless', fields: [{ name: 'more', type: 'Endless' }] }
const CHAIN = { type: 'record', name: 'Chain', fields: [{ name: 'next', type: ['null', 'Chain'] }] }
const NEST = { type: 'record', name: 'Nest', fields: [{ name: 'inside', type: { type: 'array', items: 'Nest' } }] }
const array = (items: unknown): object => ({ type: 'array', items })
const map = (values: unknown): object => ({ type: 'map', values })

const TOO_LARGE: readonly (readonly [string, unknown, readonly number[]])[] = [
  ['fifty million nulls', array('null'), [...long(FIFTY_MILLION), 0]],
  ['fifty million nulls in a block with a size', array('null'), [...long(-FIFTY_MILLION), ...long(0n), 0]],
  [
    'fifty million nulls in small blocks',
    array('null'),
    [...Array.from({ length: 60 }, () => long(900_000n)).flat(), 0],
  ],
  ['fifty million empty records', array(EMPTY_RECORD), [...long(FIFTY_MILLION), 0]],
  [
    'fifty million records of nulls',
    array({ type: 'record', name: 'N', fields: [{ name: 'n', type: 'null' }] }),
    [...long(FIFTY_MILLION), 0],
  ],
  [
    'records of forty nulls each, half a million of them',
    array({
      type: 'record',
      name: 'Nulls',
      fields: Array.from({ length: 40 }, (_, i) => ({ name: `n${i}`, type: 'null' })),
    }),
    [...long(500_000n), 0],
  ],
  ['fifty million fixed of no bytes', array({ type: 'fixed', name: 'None', size: 0 }), [...long(FIFTY_MILLION), 0]],
  [
    'arrays of a million nulls in an array',
    array(array('null')),
    [...long(40n), ...Array.from({ length: 40 }, () => [...long(1_000_000n), 0]).flat(), 0],
  ],
  ['a chain of 100,000', CHAIN, [...Array.from({ length: 100_000 }, () => 2), 0]],
  ['100,000 arrays inside one another', NEST, Array.from({ length: 100_000 }, () => 2)],
  ['a record that contains itself and nothing else', ENDLESS, []],
]

const UNDECODABLE: readonly (readonly [string, unknown, readonly number[]])[] = [
  ['a string of 2^31 bytes', 'string', [...long(2n ** 31n), 97]],
  ['a string of 2^62 bytes', 'string', [...long(2n ** 62n), 97]],
  ['bytes of a negative length', 'bytes', long(-1n)],
  ['bytes longer than the record', 'bytes', [...long(3n), 1, 2]],
  ['a fixed cut short', { type: 'fixed', name: 'Four', size: 4 }, [1, 2, 3]],
  ['a double cut short', 'double', [0, 0, 0]],
  ['a float cut short', 'float', [0, 0, 0]],
  ['an array of 2^40 strings', array('string'), [...long(2n ** 40n), 0]],
  ['a map of 2^40 nulls', map('null'), [...long(2n ** 40n), 0]],
  ['an array of -2^63 items', array('int'), [...long(-(2n ** 63n)), 0]],
  ['a block of a negative size', array('int'), [...long(-1n), ...long(-5n), 2, 0]],
  ['a block that reaches beyond the record', array('int'), [...long(-1n), ...long(50n), 2, 0]],
  ['a block shorter than its items', array('int'), [...long(-2n), ...long(1n), 2, 2, 0]],
  ['an array without its end', array('int'), [...long(1n), 2]],
  ['a branch that the union lacks', ['null', 'string'], long(2n)],
  ['a negative branch', ['null', 'string'], long(-1n)],
  ['a symbol that the enum lacks', { type: 'enum', name: 'E', symbols: ['A'] }, long(1n)],
  ['a boolean of 2', 'boolean', [2]],
  ['an int of 33 bits', 'int', long(2n ** 31n)],
  ['a long of 65 bits', 'long', [255, 255, 255, 255, 255, 255, 255, 255, 255, 2]],
  ['a long without an end', 'long', Array.from({ length: 1_000 }, () => 255)],
  ['nothing at all', 'int', []],
]

describe('more than a record may hold is too large', () => {
  test.for(TOO_LARGE)('%s', async ([, type, bytes]) => {
    expect(await decoded(type, bytes)).toMatchObject({ kind: 'poison', reason: 'too-large' })
  })
  test.for(TOO_LARGE)('%s, in a field that we do not read', async ([, type, bytes]) => {
    expect(await decoded(type, bytes, true)).toMatchObject({ kind: 'poison', reason: 'too-large' })
  })
})

describe('bytes that are no value of their schema are undecodable', () => {
  test.for(UNDECODABLE)('%s', async ([, type, bytes]) => {
    expect(await decoded(type, bytes)).toMatchObject({ kind: 'poison', reason: 'undecodable' })
  })
  test.for(UNDECODABLE)('%s, in a field that we do not read', async ([, type, bytes]) => {
    expect(await decoded(type, bytes, true)).toMatchObject({ kind: 'poison', reason: 'undecodable' })
  })
  test('text that is no UTF-8', async () => {
    expect(await decoded('string', [...long(2n), 0xc3, 0x28])).toMatchObject({ kind: 'poison', reason: 'undecodable' })
  })
  test('a decimal of no bytes', async () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 4 }
    expect(await decoded(decimal, [0])).toMatchObject({ reason: 'undecodable', error: 'f: a decimal of no bytes' })
  })
  test('a negative length, which would step back and read the same bytes as something else', async () => {
    const schema = thing({ name: 'f', type: 'bytes' }, { name: 'g', type: 'long' })
    bench = await decoderOnRegistry([reader(schema)])
    expect(bench.decode(await bench.learn({ schema }), Uint8Array.from(long(-1n)))).toMatchObject({
      reason: 'undecodable',
    })
  })
})

test('defaults count: many small records whose missing fields are large are too large', async () => {
  const writer = { type: 'record', name: 'Item', fields: [] }
  const item = {
    ...writer,
    fields: [{ name: 'big', type: array('int'), default: Array.from({ length: 1_000 }, (_, i) => i) }],
  }
  bench = await decoderOnRegistry([reader(thing({ name: 'f', type: array(item) }))])
  const id = await bench.learn({ schema: thing({ name: 'f', type: array(writer) }) })
  expect(bench.decode(id, Uint8Array.from([...long(100_000n), 0]))).toMatchObject({ reason: 'too-large' })
})

test('what honest records hold is far below the bounds', async () => {
  const values = Array.from({ length: 200_000 }, (_, i) => i)
  expect(await decoded(array('int'), [...long(200_000n), ...values.flatMap(i => long(BigInt(i))), 0])).toMatchObject({
    kind: 'value',
  })
  await bench?.close()
  const item = { type: 'record', name: 'Item', fields: [{ name: 'tags', type: array('int') }] }
  const items = [...long(1_000n), ...Array.from({ length: 1_000 }, () => 0), 0]
  for (const skipped of [false, true]) {
    expect(await decoded(array(item), items, skipped)).toMatchObject({ kind: 'value' })
    await bench?.close()
  }
  expect(await decoded(CHAIN, [...Array.from({ length: 50 }, () => 2), 0])).toMatchObject({ kind: 'value' })
})

test('blocks with sizes, and several of them, are read like any other', async () => {
  const bytes = [...long(-2n), ...long(2n), 2, 4, ...long(1n), 6, 0]
  expect(await decoded(array('int'), bytes)).toMatchObject({ kind: 'value', value: { f: [1, 2, 3] } })
})

test('an error names the field and shows no value', async () => {
  const inner = {
    type: 'record',
    name: 'Inner',
    fields: [
      { name: 'secret', type: 'string' },
      { name: 'flag', type: 'boolean' },
    ],
  }
  const bytes = [...long(6n), ...Buffer.from('hunter'), 7]
  expect(await decoded(inner, bytes)).toEqual({
    kind: 'poison',
    reason: 'undecodable',
    error: 'f.flag: a boolean is neither 0 nor 1',
  })
})

test('however a sound record is damaged, decoding ends in a value or in poison', async () => {
  const own = (bench = await decoderOnRegistry([KitchenSink]))
  const id = await own.learn({ schema: KitchenSink.avro })
  const sound = avroType(KitchenSink.avro).toBuffer(WRITTEN)
  const damage = fc.array(fc.tuple(fc.nat({ max: sound.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(damage, fc.nat({ max: sound.length }), (changes, end) => {
      const bytes = Uint8Array.from(sound)
      for (const [index, byte] of changes) bytes[index] = byte
      expect(['value', 'poison']).toContain(own.decode(id, bytes.subarray(0, Math.max(end, 1))).kind)
    }),
    { numRuns: 2_000 },
  )
})
