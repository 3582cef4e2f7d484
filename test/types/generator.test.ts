/** Generated files are what the generator writes today, formatted, and tell the truth about what the decoder gives. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, test } from 'vitest'
import { generateTypes } from '../../src/cli/types.ts'
import { defineHandler, type Schema } from '../../src/consumer/handler.ts'
import { type Colour, KitchenSink } from './generated/kitchen-sink.ts'

const run = promisify(execFile)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-types-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('what is generated', () => {
  test.for([
    ['schemas', 'src/generated'],
    ['test/types/schemas', 'test/types/generated'],
  ] as const)('from %s is %s, byte for byte', async ([schemas, generated]) => {
    const written = await generateTypes(schemas, folder)
    expect(await contentOf(folder)).toEqual(await contentOf(generated))
    expect(written).toHaveLength(Object.keys(await contentOf(generated)).length)
  })

  test('is as biome formats it', async () => {
    await expect(run('npx', ['biome', 'check', 'src/generated', 'test/types/generated'])).resolves.toBeDefined()
  })
})

describe('a schema from which no types can be made is refused, by file and reason, and nothing is written', () => {
  test.for([
    ['no JSON', '{', /bad\.avsc is not a valid Avro schema/],
    ['no Avro', '{"type":"record","name":"X"}', /bad\.avsc is not a valid Avro schema/],
    ['no record', '"string"', /bad\.avsc: a handler takes records/],
    ['two types of one name', record('X', inner('a'), inner('b')), /a\.Same and b\.Same would both be the type Same/],
    ['a name that TypeScript keeps', record('Date'), /Date cannot be a type's name/],
    ['a field __proto__', record('X', { name: '__proto__', type: 'int' }), /__proto__/],
    [
      'a default that JSON cannot hold exactly',
      '{"type":"record","name":"X","fields":[{"name":"a","type":"long","default":9223372036854775807}]}',
      /default/,
    ],
  ] as const)('%s', async ([, text, reason]) => {
    await writeFile(join(folder, 'bad.avsc'), text)
    await writeFile(join(folder, 'good.avsc'), record('Good'))
    await expect(generateTypes(folder, join(folder, 'out'))).rejects.toThrow(reason)
    expect(await readdir(folder)).toEqual(['bad.avsc', 'good.avsc'])
  })

  test('a folder without schemas', async () => {
    await expect(generateTypes(folder, folder)).rejects.toThrow('no .avsc file')
  })
})

it('gives the types that the decoder gives', () => {
  expectTypeOf<KitchenSink['aLong']>().toEqualTypeOf<bigint>()
  expectTypeOf<KitchenSink['aTimestampMillis']>().toEqualTypeOf<Date>()
  expectTypeOf<KitchenSink['aTimestampMicros']>().toEqualTypeOf<bigint>()
  expectTypeOf<KitchenSink['aDate']>().toEqualTypeOf<Date>()
  expectTypeOf<KitchenSink['aTimeMillis']>().toEqualTypeOf<number>()
  expectTypeOf<KitchenSink['aDecimal']>().toEqualTypeOf<{ readonly unscaled: bigint; readonly scale: 2 }>()
  expectTypeOf<KitchenSink['someBytes']>().toEqualTypeOf<Uint8Array>()
  expectTypeOf<KitchenSink['anEnum']>().toEqualTypeOf<'RED' | 'GREEN'>()
  expectTypeOf<KitchenSink['nullableMicros']>().toEqualTypeOf<bigint | null>()
  expectTypeOf<KitchenSink['intOrDouble']>().toEqualTypeOf<
    { readonly int: number } | { readonly double: number } | null
  >()
  expectTypeOf<KitchenSink['longs']>().toEqualTypeOf<readonly bigint[]>()
  expectTypeOf<KitchenSink['nothing']>().toEqualTypeOf<null>()
})

it('gives a constant from which a handler infers its value', () => {
  expectTypeOf(KitchenSink).toExtend<Schema<KitchenSink>>()
  const handler = defineHandler({
    topic: 'sinks',
    schema: KitchenSink,
    orderBy: ({ value }) => value.aString,
    // @ts-expect-error: null is no key, and this field may be null.
    idempotencyKey: ({ value }) => value.nullableString,
    handle({ value }) {
      expectTypeOf(value).toEqualTypeOf<KitchenSink>()
      expectTypeOf(value.anEnum).toEqualTypeOf<Colour>()
      // @ts-expect-error: no such field.
      void value.anotherField
    },
  })
  expect(handler.schema.name).toBe('sluice.test.KitchenSink')
})

async function contentOf(dir: string): Promise<Record<string, string>> {
  const names = await readdir(dir)
  return Object.fromEntries(
    await Promise.all(names.map(async name => [name, await readFile(join(dir, name), 'utf8')] as const)),
  )
}

function record(name: string, ...fields: object[]): string {
  return JSON.stringify({ type: 'record', name, fields })
}

function inner(namespace: string): object {
  return { name: namespace, type: { type: 'record', name: 'Same', namespace, fields: [] } }
}
