// Generated from kitchen-sink.avsc: change that file, then run `types` (cli.ts) again.

/**
 * Everything that Avro has, once.
 * For the tests of the decoder and of the types generator.
 */
export interface KitchenSink {
  readonly aBoolean: boolean
  readonly anInt: number
  /** Comments end with *\/, and this one "goes on". */
  readonly aLong: bigint
  readonly aFloat: number
  readonly aDouble: number
  readonly aString: string
  readonly someBytes: Uint8Array
  readonly aFixed: Uint8Array
  readonly anEnum: Colour
  readonly aLongEnum: Continent
  readonly aUuid: string
  /** The day of it. Midnight, UTC. */
  readonly aDate: Date
  /** Milliseconds since midnight. */
  readonly aTimeMillis: number
  /** Microseconds since midnight. */
  readonly aTimeMicros: bigint
  readonly aTimestampMillis: Date
  /** Microseconds since 1970, UTC. */
  readonly aTimestampMicros: bigint
  /** Milliseconds since 1970 by a local clock, whose time zone is not known. */
  readonly aLocalTimestampMillis: bigint
  readonly aDecimal: { readonly unscaled: bigint; readonly scale: 2 }
  readonly aFixedDecimal: { readonly unscaled: bigint; readonly scale: 4 }
  readonly anInvalidDecimal: Uint8Array
  readonly anUnknownLogicalType: string
  readonly aMisplacedLogicalType: string
  readonly nullableString: string | null
  /** Microseconds since 1970, UTC. */
  readonly nullableMicros: bigint | null
  readonly intOrLong: number | bigint
  readonly intOrDouble: { readonly int: number } | { readonly double: number } | null
  readonly dateOrTimestamp: { readonly int: Date } | { readonly long: Date }
  readonly mixed:
    | boolean
    | string
    | bigint
    | number
    | Uint8Array
    | readonly number[]
    | Readonly<Record<string, bigint>>
    | null
  readonly creature:
    | { readonly 'sluice.test.Cat': Cat }
    | { readonly 'sluice.test.pets.Dog': Dog }
    | { readonly 'sluice.test.Fish': Fish }
    | null
  readonly longs: readonly bigint[]
  readonly longsByName: Readonly<Record<string, bigint>>
  readonly arrayOfArrays: readonly (readonly (bigint | null)[])[]
  readonly mapOfRecords: Readonly<Record<string, Cat>>
  readonly tree: Tree
  readonly withALongDefault: string
  readonly withADefault: readonly string[]
  /** A description that goes on for so long that it does not fit into one line of one hundred and twenty columns, or does it? */
  // biome-ignore format: one line, however long
  readonly oneVeryLongTypeThatFitsNoLineOfOneHundredAndTwentyColumns: Readonly<Record<string, readonly ({ readonly int: number } | { readonly double: number } | { readonly string: string } | { readonly bytes: { readonly unscaled: bigint; readonly scale: 3 } } | null)[]>>
  readonly nothing: null
}

/** What it looks like. */
export type Colour = 'RED' | 'GREEN'

export type Continent =
  | 'AFRICA_AND_MADAGASCAR'
  | 'ANTARCTICA'
  | 'ASIA_WITHOUT_EUROPE'
  | 'EUROPE_WITHOUT_ASIA'
  | 'NORTH_AMERICA'
  | 'OCEANIA'
  | 'SOUTH_AMERICA'

export interface Cat {
  readonly lives: bigint
}

export interface Dog {
  readonly isGood: boolean
}

export type Fish = Readonly<Record<string, never>>

export interface Tree {
  readonly label: string
  readonly children: readonly Tree[]
}

/** The schema of `KitchenSink`: what a handler's `schema` takes. */
export const KitchenSink: {
  readonly name: 'sluice.test.KitchenSink'
  readonly avro: object
  readonly type?: KitchenSink
} = {
  name: 'sluice.test.KitchenSink',
  avro: {
    type: 'record',
    name: 'KitchenSink',
    namespace: 'sluice.test',
    doc: 'Everything that Avro has, once.\nFor the tests of the decoder and of the types generator.',
    fields: [
      { name: 'aBoolean', type: 'boolean' },
      { name: 'anInt', type: 'int' },
      { name: 'aLong', type: 'long', doc: 'Comments end with */, and this one "goes on".' },
      { name: 'aFloat', type: 'float' },
      { name: 'aDouble', type: 'double' },
      { name: 'aString', type: 'string' },
      { name: 'someBytes', type: 'bytes' },
      { name: 'aFixed', type: { type: 'fixed', name: 'Hash', size: 4 } },
      {
        name: 'anEnum',
        type: { type: 'enum', name: 'Colour', doc: 'What it looks like.', symbols: ['RED', 'GREEN'], default: 'RED' },
      },
      {
        name: 'aLongEnum',
        type: {
          type: 'enum',
          name: 'Continent',
          symbols: [
            'AFRICA_AND_MADAGASCAR',
            'ANTARCTICA',
            'ASIA_WITHOUT_EUROPE',
            'EUROPE_WITHOUT_ASIA',
            'NORTH_AMERICA',
            'OCEANIA',
            'SOUTH_AMERICA',
          ],
        },
      },
      { name: 'aUuid', type: { type: 'string', logicalType: 'uuid' } },
      { name: 'aDate', type: { type: 'int', logicalType: 'date' }, doc: 'The day of it.' },
      { name: 'aTimeMillis', type: { type: 'int', logicalType: 'time-millis' } },
      { name: 'aTimeMicros', type: { type: 'long', logicalType: 'time-micros' } },
      { name: 'aTimestampMillis', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'aTimestampMicros', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'aLocalTimestampMillis', type: { type: 'long', logicalType: 'local-timestamp-millis' } },
      { name: 'aDecimal', type: { type: 'bytes', logicalType: 'decimal', precision: 40, scale: 2 } },
      {
        name: 'aFixedDecimal',
        type: { type: 'fixed', name: 'Money', size: 8, logicalType: 'decimal', precision: 18, scale: 4 },
      },
      { name: 'anInvalidDecimal', type: { type: 'bytes', logicalType: 'decimal', precision: 2, scale: 4 } },
      { name: 'anUnknownLogicalType', type: { type: 'string', logicalType: 'haiku' } },
      { name: 'aMisplacedLogicalType', type: { type: 'string', logicalType: 'time-micros' } },
      { name: 'nullableString', type: ['null', 'string'], default: null },
      { name: 'nullableMicros', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }], default: null },
      { name: 'intOrLong', type: ['int', 'long'] },
      { name: 'intOrDouble', type: ['null', 'int', 'double'] },
      {
        name: 'dateOrTimestamp',
        type: [
          { type: 'int', logicalType: 'date' },
          { type: 'long', logicalType: 'timestamp-millis' },
        ],
      },
      {
        name: 'mixed',
        type: [
          'null',
          'boolean',
          'string',
          'long',
          'double',
          'bytes',
          { type: 'array', items: 'int' },
          { type: 'map', values: 'long' },
        ],
      },
      {
        name: 'creature',
        type: [
          'null',
          { type: 'record', name: 'Cat', fields: [{ name: 'lives', type: 'long' }] },
          { type: 'record', name: 'Dog', namespace: 'sluice.test.pets', fields: [{ name: 'isGood', type: 'boolean' }] },
          { type: 'record', name: 'Fish', fields: [] },
        ],
      },
      { name: 'longs', type: { type: 'array', items: 'long' } },
      { name: 'longsByName', type: { type: 'map', values: 'long' } },
      { name: 'arrayOfArrays', type: { type: 'array', items: { type: 'array', items: ['null', 'long'] } } },
      { name: 'mapOfRecords', type: { type: 'map', values: 'Cat' } },
      {
        name: 'tree',
        type: {
          type: 'record',
          name: 'Tree',
          fields: [
            { name: 'label', type: 'string' },
            { name: 'children', type: { type: 'array', items: 'Tree' } },
          ],
        },
      },
      {
        name: 'withALongDefault',
        type: 'string',
        default:
          'A text that goes on for so long that it does not fit into one line of one hundred and twenty columns, or does it, after all?',
      },
      { name: 'withADefault', type: { type: 'array', items: 'string' }, default: ["it's", 'a "default"'] },
      {
        name: 'oneVeryLongTypeThatFitsNoLineOfOneHundredAndTwentyColumns',
        type: {
          type: 'map',
          values: {
            type: 'array',
            items: [
              'null',
              'int',
              'double',
              'string',
              { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 3 },
            ],
          },
        },
        doc: 'A description that goes on for so long that it does not fit into one line of one hundred and twenty columns, or does it?',
      },
      { name: 'nothing', type: 'null' },
    ],
  },
}
