/** Values of every Avro type are written by avsc and read by our decoder: they arrive as what the generated type says, exactly. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { avroType } from '../../support/avro.ts'
import { LONG_MAX, LONG_MIN, READ, WRITTEN } from '../../support/kitchen-sink.ts'
import { type DecoderOnRegistry, decoderOnRegistry, reader, thing } from '../../support/registry-decoder.ts'
import { KitchenSink } from '../../types/generated/kitchen-sink.ts'

let bench: DecoderOnRegistry
beforeAll(async () => {
  bench = await decoderOnRegistry([KitchenSink])
})
afterAll(() => bench.close())

test('one value of every type arrives as the generated type says', async () => {
  const decoded = await bench.roundTrip(KitchenSink.avro, WRITTEN)
  expect(decoded).toEqual({ kind: 'value', schema: 'sluice.test.KitchenSink', value: READ })
})

test('a map takes every key, also the names that an object has by birth', async () => {
  const schema = thing({ name: 'map', type: { type: 'map', values: 'int' } })
  const own = await decoderOnRegistry([reader(schema)])
  const written = Object.fromEntries([
    ['__proto__', 1],
    ['constructor', 2],
  ])
  const decoded = await own.roundTrip(schema, { map: written })
  await own.close()
  expect(decoded).toMatchObject({ kind: 'value' })
  const map: object = decoded.kind === 'value' ? Object(Object(decoded.value).map) : {}
  expect(Object.entries(map)).toEqual([
    ['__proto__', 1],
    ['constructor', 2],
  ])
  expect('toString' in map).toBe(false)
})

test('bytes are copies of their own, which pin no answer of the broker', async () => {
  const decoded = await bench.roundTrip(KitchenSink.avro, WRITTEN)
  if (decoded.kind !== 'value') throw new TypeError('not decoded')
  const { someBytes, aFixed } = readOf(decoded.value)
  for (const bytes of [someBytes, aFixed]) {
    expect(bytes.constructor).toBe(Uint8Array)
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength)
  }
})

test('random values of every type survive', async () => {
  const id = await bench.learn({ schema: KitchenSink.avro })
  const type = avroType(KitchenSink.avro)
  fc.assert(
    fc.property(SINKS, ({ written, read }) => {
      expect(bench.decode(id, type.toBuffer(written))).toEqual({
        kind: 'value',
        schema: 'sluice.test.KitchenSink',
        value: read,
      })
    }),
    { numRuns: 300 },
  )
})

describe('a time that a Date cannot hold is undecodable, not another time', () => {
  const millis = thing({ name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } })
  const days = thing({ name: 'at', type: { type: 'int', logicalType: 'date' } })
  test.for([
    ['the last millisecond', millis, 8_640_000_000_000_000n, true],
    ['one after it', millis, 8_640_000_000_000_001n, false],
    ['beyond 2^53', millis, 9_007_199_254_740_993n, false],
    ['the greatest long', millis, LONG_MAX, false],
    ['the last day', days, 100_000_000, true],
    ['one after it', days, 100_000_001, false],
  ] as const)('%s', async ([, schema, at, sound]) => {
    const own = await decoderOnRegistry([reader(schema)])
    const decoded = await own.roundTrip(schema, { at })
    await own.close()
    expect(decoded).toMatchObject(sound ? { kind: 'value' } : { kind: 'poison', reason: 'undecodable' })
  })
})

const longs = fc.bigInt({ min: LONG_MIN, max: LONG_MAX })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 20 })
const times = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })

/** What is written beside what must be read. */
const SINKS = fc
  .record({
    anInt: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    long: longs,
    aDouble: fc.double({ noNaN: true }),
    aString: fc.string({ unit: 'binary' }),
    bytes,
    days: fc.integer({ min: -100_000_000, max: 100_000_000 }),
    ms: times,
    longs: fc.array(longs),
    byName: fc.dictionary(fc.string({ unit: 'binary' }), longs),
  })
  .map(random => {
    const { anInt, long, aDouble, aString, bytes, days, ms, longs, byName } = random
    const same = {
      anInt,
      aLong: long,
      aDouble,
      aString,
      aTimeMicros: long,
      aTimestampMicros: long,
      longs,
      longsByName: byName,
    }
    return {
      written: {
        ...WRITTEN,
        ...same,
        someBytes: Buffer.from(bytes),
        aDate: days,
        aTimestampMillis: BigInt(ms),
        aDecimal: Buffer.from(bytes),
        mixed: { array: [anInt] },
        intOrLong: { int: anInt },
        nullableString: { string: aString },
        creature: { 'sluice.test.Cat': { lives: long } },
      },
      read: {
        ...READ,
        ...same,
        someBytes: bytes,
        aDate: new Date(days * 86_400_000),
        aTimestampMillis: new Date(ms),
        aDecimal: {
          unscaled: BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`)),
          scale: 2 as const,
        },
        mixed: [anInt],
        intOrLong: anInt,
        nullableString: aString,
        creature: { 'sluice.test.Cat': { lives: long } },
      } satisfies KitchenSink,
    }
  })

function readOf(value: unknown): KitchenSink {
  // Boundary: the tests above show that it is one.
  return value as KitchenSink
}
