/** The sentences of the port `Decoder`, one test each, for every adapter that claims to be one. */
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Misconfigured, Unavailable } from '../../src/consumer/errors.ts'
import type { Decoded, Decoder, ReaderSchema } from '../../src/consumer/ports.ts'

/** An Avro record whose name and fields the suite needs to know. */
export interface ContractSchema {
  readonly type: 'record'
  readonly name: string
  readonly aliases?: readonly string[]
  readonly fields: readonly { readonly name: string; readonly type: string }[]
}

/** A decoder whose registry is empty, and what the suite must be able to do to it. */
export interface DecoderBench {
  readonly decoder: Decoder
  /** The registry has the schema from now on; its id. */
  register(schema: ContractSchema): Promise<number>
  /** An id that the registry does not have; the next one that it gives, where it is told to. */
  freshId(): Promise<number>
  encode(schemaId: number, value: object): Promise<Uint8Array>
  /** How often the registry was asked for an id. */
  asked(schemaId: number): number
  down(how: 'refused' | 'hanging' | 'denied'): void
  up(): void
  /** Waits, and where the clock does not run by itself lets it run. */
  eventually<Result>(promise: Promise<Result>): Promise<Result>
  /** Longer than a missing id is held missing. */
  passExpiry(): void
  close(): Promise<void>
}

const ORDER: ContractSchema = {
  type: 'record',
  name: 'shop.Order',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'count', type: 'int' },
  ],
}
const PAYMENT: ContractSchema = {
  type: 'record',
  name: 'shop.Payment',
  aliases: ['shop.OldPayment'],
  fields: [{ name: 'id', type: 'string' }],
}
const OLD_PAYMENT: ContractSchema = { type: 'record', name: 'shop.OldPayment', fields: PAYMENT.fields }
const REFUND: ContractSchema = { type: 'record', name: 'shop.Refund', fields: PAYMENT.fields }

/** The readers that every bench gives to its decoder. */
export const CONTRACT_READERS: ReadonlyMap<string, readonly ReaderSchema[]> = new Map([
  ['orders', [readerOf(ORDER)]],
  ['money', [readerOf(PAYMENT), readerOf(ORDER)]],
])

const SECRET = 'a-secret-that-nobody-may-see'

export function decoderContract(name: string, makeBench: () => Promise<DecoderBench>): void {
  describe(`the decoder contract on ${name}`, () => {
    let bench: DecoderBench
    let decoder: Decoder
    beforeEach(async () => {
      bench = await makeBench()
      decoder = bench.decoder
    })
    afterEach(() => bench.close())

    /** Registered, loaded, encoded. */
    const record = async (schema: ContractSchema, value: object): Promise<Uint8Array> => {
      const id = await bench.register(schema)
      await decoder.load(id)
      return bench.encode(id, value)
    }

    describe('a schema that the registry has', () => {
      test('is unknown until it was loaded, and then decodes without asking again', async () => {
        const id = await bench.register(ORDER)
        const bytes = await bench.encode(id, { id: 'o-1', count: 3 })
        expect(decoder.decode('orders', bytes)).toEqual({ kind: 'unknown', schemaId: id })
        await decoder.load(id)
        const expected = { kind: 'value', value: { id: 'o-1', count: 3 }, schema: 'shop.Order' }
        expect(decoder.decode('orders', bytes)).toEqual(expected)
        expect(decoder.decode('orders', bytes)).toEqual(expected)
        await decoder.load(id)
        expect(bench.asked(id)).toBe(1)
      })

      test('is asked for once, however many ask at the same time', async () => {
        const id = await bench.register(ORDER)
        await Promise.all(Array.from({ length: 200 }, () => decoder.load(id)))
        expect(bench.asked(id)).toBe(1)
      })

      test('goes on decoding while the registry is away', async () => {
        const bytes = await record(ORDER, { id: 'o-1', count: 3 })
        bench.down('refused')
        expect(decoder.decode('orders', bytes).kind).toBe('value')
      })

      test("goes to the reader of its name, in each topic to that topic's", async () => {
        const bytes = await record(ORDER, { id: 'o-1', count: 3 })
        expect(decoder.decode('orders', bytes)).toMatchObject({ kind: 'value', schema: 'shop.Order' })
        expect(decoder.decode('money', bytes)).toMatchObject({ kind: 'value', schema: 'shop.Order' })
      })

      test('goes to the reader that has its name as an alias', async () => {
        const bytes = await record(OLD_PAYMENT, { id: 'p-1' })
        expect(decoder.decode('money', bytes)).toEqual({ kind: 'value', value: { id: 'p-1' }, schema: 'shop.Payment' })
      })

      test('is unmatched where no reader takes it, or the topic has none', async () => {
        const bytes = await record(REFUND, { id: 'r-1' })
        expect(decoder.decode('orders', bytes)).toEqual({ kind: 'unmatched', schema: 'shop.Refund' })
        expect(decoder.decode('a-topic-without-readers', bytes)).toEqual({ kind: 'unmatched', schema: 'shop.Refund' })
      })
    })

    describe('bytes that are no record', () => {
      const framing = [
        ['an empty value', []],
        ['one byte', [0]],
        ['four bytes', [0, 0, 0, 1]],
        ['another first byte', [1, 0, 0, 0, 1, 2]],
        ['JSON', [...Buffer.from('{"id":"o-1"}')]],
        ['schema id 0', [0, 0, 0, 0, 0, 0, 0, 0, 1, 2]],
        ['a negative schema id', [0, 0xff, 0xff, 0xff, 0xff, 2]],
      ] as const
      test.for(framing)('%s: framing', ([, bytes]) => {
        expect(decoder.decode('orders', Uint8Array.from(bytes))).toMatchObject({ kind: 'poison', reason: 'framing' })
      })

      test('a value cut short is undecodable, and what is said of it shows nothing of it', async () => {
        const bytes = await record(ORDER, { id: SECRET, count: 3 })
        for (let end = 5; end < bytes.byteLength; end++) {
          const decoded = decoder.decode('orders', bytes.subarray(0, end))
          expect(decoded).toMatchObject({ kind: 'poison', reason: 'undecodable' })
          expect(errorOf(decoded)).not.toContain('secret')
        }
      })

      test('bytes left over are undecodable', async () => {
        const bytes = await record(ORDER, { id: 'o-1', count: 3 })
        const longer = Buffer.concat([bytes, Buffer.from('!')])
        expect(decoder.decode('orders', longer)).toMatchObject({ kind: 'poison', reason: 'undecodable' })
      })

      test('whatever the bytes, decoding does not throw', async () => {
        const id = await bench.register(ORDER)
        await decoder.load(id)
        const frame = (await bench.encode(id, { id: 'o-1', count: 3 })).subarray(0, 5)
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, framed) => {
            const decoded = decoder.decode('orders', framed ? Buffer.concat([frame, bytes]) : bytes)
            expect(['value', 'poison', 'unknown']).toContain(decoded.kind)
          }),
        )
      })
    })

    describe('an id that the registry does not have', () => {
      test('is asked for again, and then known to be missing', async () => {
        const id = await bench.freshId()
        const bytes = framed(id)
        await bench.eventually(decoder.load(id))
        expect(bench.asked(id)).toBeGreaterThan(1)
        expect(decoder.decode('orders', bytes)).toMatchObject({ kind: 'poison', reason: 'unknown-schema' })
      })

      test('is found when it appears a moment later', async () => {
        const id = await bench.freshId()
        const loading = decoder.load(id)
        expect(await bench.register(ORDER)).toBe(id)
        await bench.eventually(loading)
        expect(decoder.decode('orders', await bench.encode(id, { id: 'o-1', count: 3 })).kind).toBe('value')
      })

      test('is looked for anew when some time has passed, with one request', async () => {
        const id = await bench.freshId()
        await bench.eventually(decoder.load(id))
        bench.passExpiry()
        expect(decoder.decode('orders', framed(id))).toEqual({ kind: 'unknown', schemaId: id })
        const before = bench.asked(id)
        await decoder.load(id)
        expect(bench.asked(id)).toBe(before + 1)
        expect(decoder.decode('orders', framed(id))).toMatchObject({ reason: 'unknown-schema' })
        expect(await bench.register(ORDER)).toBe(id)
        bench.passExpiry()
        await decoder.load(id)
        expect(decoder.decode('orders', await bench.encode(id, { id: 'o-1', count: 3 })).kind).toBe('value')
      })
    })

    describe('a registry that is away', () => {
      test.for(['refused', 'hanging'] as const)(
        '%s: load and ping reject with Unavailable, and work again afterwards',
        async how => {
          const id = await bench.register(ORDER)
          const bytes = await bench.encode(id, { id: 'o-1', count: 3 })
          bench.down(how)
          const [loaded, pinged] = await bench.eventually(Promise.allSettled([decoder.load(id), decoder.ping()]))
          for (const outcome of [loaded, pinged]) expect(reasonOf(outcome)).toMatchObject({ dependency: 'registry' })
          expect(reasonOf(loaded)).toBeInstanceOf(Unavailable)
          expect(decoder.decode('orders', bytes)).toEqual({ kind: 'unknown', schemaId: id })
          bench.up()
          await decoder.ping()
          await decoder.load(id)
          expect(decoder.decode('orders', bytes).kind).toBe('value')
        },
      )

      test('credentials that it refuses are our fault', async () => {
        const id = await bench.register(ORDER)
        bench.down('denied')
        await expect(decoder.load(id)).rejects.toThrow(Misconfigured)
        await expect(decoder.ping()).rejects.toThrow(Misconfigured)
      })

      test('answers a ping when it is there', async () => {
        await expect(decoder.ping()).resolves.toBeUndefined()
      })
    })
  })
}

function readerOf(schema: ContractSchema): ReaderSchema {
  return { name: schema.name, avro: schema }
}

/** A record of a schema that nobody knows. */
function framed(schemaId: number): Uint8Array {
  const bytes = Buffer.alloc(6, 0)
  bytes.writeInt32BE(schemaId, 1)
  return bytes
}

function errorOf(decoded: Decoded): string {
  return decoded.kind === 'poison' ? decoded.error : ''
}

function reasonOf(outcome: PromiseSettledResult<void>): unknown {
  return outcome.status === 'rejected' ? outcome.reason : undefined
}
