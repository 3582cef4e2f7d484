/**
 * A schema as this folder and the types generator see it: names resolved, logical types recognised, and for each union the
 * decision how its values look. avsc understands the schema language (names, namespaces, aliases, references, defaults) and
 * refuses what is not Avro; what a value looks like in JavaScript is decided here, once, for the reader and for the types.
 */
import avsc from 'avsc'

export type Logical =
  | { readonly name: 'decimal'; readonly scale: number }
  | { readonly name: (typeof SIMPLE_LOGICAL_TYPES)[number] }

type Primitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'

export interface PrimitiveShape {
  readonly kind: Primitive
  readonly logical: Logical | null
}

export interface FixedShape {
  readonly kind: 'fixed'
  readonly name: string
  readonly aliases: readonly string[]
  readonly size: number
  readonly logical: Logical | null
}

export interface EnumShape {
  readonly kind: 'enum'
  readonly name: string
  readonly aliases: readonly string[]
  readonly doc: string | null
  readonly symbols: readonly string[]
  /** What a symbol unknown to this schema is read as; null where the schema names nothing. */
  readonly fallback: string | null
}

export interface FieldShape {
  readonly name: string
  readonly aliases: readonly string[]
  readonly doc: string | null
  readonly shape: Shape
  /** The default in Avro's own binary, written with `shape`; null where the field has none. */
  readonly default: Uint8Array | null
}

export interface RecordShape {
  readonly kind: 'record'
  readonly name: string
  readonly aliases: readonly string[]
  readonly doc: string | null
  /** Filled in after the record is known by name, since it may contain itself. */
  fields: readonly FieldShape[]
}

export interface UnionShape {
  readonly kind: 'union'
  readonly branches: readonly Shape[]
  /** A value stands in an object with the branch's name as its only key, for the bare value would not tell its branch. */
  readonly wrapped: boolean
}

export type Shape =
  | PrimitiveShape
  | FixedShape
  | EnumShape
  | RecordShape
  | UnionShape
  | { readonly kind: 'array'; readonly items: Shape }
  | { readonly kind: 'map'; readonly values: Shape }

/** Each stands over one primitive only; over another it means nothing, and Avro says to ignore it then. */
const SIMPLE_LOGICAL_TYPES = [
  'uuid',
  'date',
  'time-millis',
  'time-micros',
  'timestamp-millis',
  'timestamp-micros',
  'timestamp-nanos',
  'local-timestamp-millis',
  'local-timestamp-micros',
  'local-timestamp-nanos',
] as const

/** Remembers what a schema says beside its type. Values pass through unchanged: avsc never reads records here. */
class Marked extends avsc.types.LogicalType {
  readonly attributes: Readonly<Record<string, unknown>>
  constructor(schema: unknown, options: unknown) {
    // Boundary: avsc calls this with the schema that it is parsing.
    super(schema as ConstructorParameters<typeof avsc.types.LogicalType>[0], options)
    this.attributes = Object.fromEntries(Object.entries(Object(schema)))
  }
  protected override _fromValue(value: unknown): unknown {
    return value
  }
  protected override _toValue(value: unknown): unknown {
    return value
  }
}

const MARKED = Object.fromEntries(['decimal', ...SIMPLE_LOGICAL_TYPES].map(name => [name, Marked]))

/**
 * `references` are the schemas that `schema` names and does not contain, each after those that it needs itself.
 * Throws, with an error of avsc's, what is not an Avro schema.
 */
export function shapeOf(schema: unknown, references: readonly unknown[] = []): Shape {
  // One set of options for all: avsc keeps the names that it has seen in `registry`. Unions are wrapped for avsc alone, for a
  // default may be ambiguous in any other form.
  const options = { registry: {}, logicalTypes: MARKED, wrapUnions: 'always' as const }
  const parse = (json: unknown): avsc.Type =>
    // Boundary: parsed JSON of unknown content; avsc checks it and throws.
    avsc.Type.forSchema(json as Parameters<typeof avsc.Type.forSchema>[0], { ...options, registry: options.registry })
  for (const reference of references) parse(reference)
  return convert(parse(schema), new Map())
}

function convert(type: avsc.Type, seen: Map<avsc.Type, Shape>): Shape {
  const { types } = avsc
  if (type instanceof Marked) {
    const logical = logicalOf(type)
    return logical === null ? convert(type.underlyingType, seen) : convertPlain(type.underlyingType, logical)
  }
  if (type instanceof types.RecordType) return seen.get(type) ?? convertRecord(type, seen)
  if (type instanceof types.ArrayType) return { kind: 'array', items: convert(type.itemsType, seen) }
  if (type instanceof types.MapType) return { kind: 'map', values: convert(type.valuesType, seen) }
  if (type instanceof types.WrappedUnionType) {
    const branches = type.types.map(branch => convert(branch, seen))
    return { kind: 'union', branches, wrapped: isAmbiguous(branches) }
  }
  return convertPlain(type, null)
}

function convertRecord(type: avsc.types.RecordType, seen: Map<avsc.Type, Shape>): RecordShape {
  const record: RecordShape = { ...named(type), kind: 'record', doc: type.doc ?? null, fields: [] }
  seen.set(type, record)
  record.fields = type.fields.map(field => {
    const { name, aliases } = field
    const value: unknown = field.defaultValue()
    const doc = 'doc' in field && typeof field.doc === 'string' ? field.doc : null
    return {
      name,
      aliases,
      doc,
      shape: convert(field.type, seen),
      default: value === undefined ? null : field.type.toBuffer(value),
    }
  })
  return record
}

function convertPlain(type: avsc.Type, logical: Logical | null): Shape {
  if (type instanceof avsc.types.FixedType) return { ...named(type), kind: 'fixed', size: type.size, logical }
  if (type instanceof avsc.types.EnumType) {
    const fallback = 'default' in type && typeof type.default === 'string' ? type.default : null
    return { ...named(type), kind: 'enum', doc: type.doc ?? null, symbols: type.symbols, fallback }
  }
  // Boundary: avsc's other concrete types are the eight primitives; everything else was converted above.
  return { kind: type.typeName as Primitive, logical }
}

function named({ name, aliases }: avsc.Type): { name: string; aliases: readonly string[] } {
  return { name: name ?? '', aliases: aliases ?? [] }
}

function logicalOf({ attributes, underlyingType }: Marked): Logical | null {
  const [over, name] = [underlyingType.typeName, attributes.logicalType]
  if (name === 'decimal') return over === 'bytes' || over === 'fixed' ? decimalOf(attributes) : null
  const simple = SIMPLE_LOGICAL_TYPES.find(known => known === name)
  if (simple === undefined) return null
  const expected = simple === 'uuid' ? 'string' : simple === 'date' || simple === 'time-millis' ? 'int' : 'long'
  return over === expected ? { name: simple } : null
}

function decimalOf({ precision, scale = 0 }: Readonly<Record<string, unknown>>): Logical | null {
  const valid = isCount(precision) && precision > 0 && isCount(scale) && scale <= precision
  return valid ? { name: 'decimal', scale } : null
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** How values of a shape can be told from others at run time; a union needs no wrapping while its branches all differ in this. */
type Look = 'null' | 'boolean' | 'number' | 'bigint' | 'string' | 'bytes' | 'date' | 'array' | 'object' | 'union'

function isAmbiguous(branches: readonly Shape[]): boolean {
  return new Set(branches.map(lookOf)).size < branches.length
}

function lookOf(shape: Shape): Look {
  switch (shape.kind) {
    case 'null':
    case 'boolean':
    case 'array':
    case 'union':
      return shape.kind
    case 'int':
      return shape.logical?.name === 'date' ? 'date' : 'number'
    case 'long':
      return shape.logical?.name === 'timestamp-millis' ? 'date' : 'bigint'
    case 'float':
    case 'double':
      return 'number'
    case 'string':
    case 'enum':
      return 'string'
    case 'bytes':
    case 'fixed':
      return shape.logical === null ? 'bytes' : 'object'
    case 'map':
    case 'record':
      return 'object'
    default:
      return shape satisfies never
  }
}

/** Without its namespace. */
export function lastName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

/** The name of a branch, as Avro's JSON encoding has it. */
export function branchName(shape: Shape): string {
  return 'name' in shape ? shape.name : shape.kind
}
