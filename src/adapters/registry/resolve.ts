/**
 * Compiles a reader of bytes written with one schema that gives values of another, by Avro's rules of schema resolution.
 *
 * avsc has such resolvers, and they do not serve here. They refuse a whole schema for what concerns single records (a new enum
 * symbol, a branch that the reader dropped); they trust the bytes (a count of two thousand million strings runs that many
 * times over an empty rest, a negative block size steps back for ever); and they lose what must be exact (a map's key
 * `__proto__`, an int beyond 32 bits). Since every byte has to be walked before it is believed, the walk may as well read.
 */
import { UndecodableRecord } from '../../consumer/errors.ts'
import type { Cursor } from './cursor.ts'
import { readLeaf } from './leaves.ts'
import { type Read, type RecordPlans, readRecord } from './records.ts'
import { branchName, type EnumShape, type FixedShape, lastName, type Shape, type UnionShape } from './shape.ts'
import { bytesMin } from './skip.ts'

/**
 * Throws an `UndecodableRecord` with the reason `incompatible-schema` where no value of the writer's schema could be read. Where some can,
 * the others throw it from the reader.
 */
export function compile(writer: Shape, reader: Shape, plans: RecordPlans = new Map()): Read {
  if (writer.kind === 'union') return readWriterUnion(writer, reader, plans)
  if (reader.kind === 'union') return readIntoUnion(writer, reader, plans)
  switch (reader.kind) {
    case 'record':
      if (writer.kind !== 'record' || fitOf(writer, reader) === 0) throw mismatch(writer, reader)
      return readRecord(writer, reader, { plans, compile })
    case 'enum':
      if (writer.kind !== 'enum' || fitOf(writer, reader) === 0) throw mismatch(writer, reader)
      return readEnum(writer, reader)
    case 'array':
      if (writer.kind !== 'array') throw mismatch(writer, reader)
      return readArray(bytesMin(writer.items), compile(writer.items, reader.items, plans))
    case 'map':
      if (writer.kind !== 'map') throw mismatch(writer, reader)
      return readMap(compile(writer.values, reader.values, plans))
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
    case 'bytes':
    case 'fixed': {
      const read = fitOf(writer, reader) === 0 ? null : readLeaf(writer, reader)
      if (read === null) throw mismatch(writer, reader)
      return read
    }
    default:
      return reader satisfies never
  }
}

function readWriterUnion(writer: UnionShape, reader: Shape, plans: RecordPlans): Read {
  let refused: UndecodableRecord | null = null
  let readable = 0
  const branches = writer.branches.map((branch): Read => {
    try {
      const read = compile(branch, reader, plans)
      readable += 1
      return read
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error
      refused ??= error
      const { reason, sentence, path } = error
      return () => {
        throw new UndecodableRecord(reason, sentence, path)
      }
    }
  })
  if (readable === 0) throw refused ?? mismatch(writer, reader)
  return cursor => branches[cursor.index(branches.length, 'branch')]?.(cursor)
}

function readIntoUnion(writer: Shape, reader: UnionShape, plans: RecordPlans): Read {
  // The same type first, then what it can be promoted to, each in the schema's order: [double, long] takes a long as a long.
  const fits = reader.branches.map(branch => ({ branch, fit: fitOf(writer, branch) })).filter(({ fit }) => fit > 0)
  for (const { branch } of fits.toSorted((a, b) => b.fit - a.fit)) {
    try {
      const read = compile(writer, branch, plans)
      return reader.wrapped && branch.kind !== 'null' ? wrap(branchName(branch), read) : read
    } catch (error) {
      // The next branch may take it; when none does, the mismatch below says so.
      if (!(error instanceof UndecodableRecord)) throw error
    }
  }
  throw mismatch(writer, reader)
}

function wrap(name: string, read: Read): Read {
  return cursor => ({ [name]: read(cursor) })
}

/** How well a writer's schema fits a reader's, by kind and name alone: 0 not at all, 1 by promotion, 2 by its last name, 3 fully. */
function fitOf(writer: Shape, reader: Shape): 0 | 1 | 2 | 3 {
  if (meansOtherwise(writer, reader)) return 0
  if (writer.kind === 'fixed' && reader.kind === 'fixed' && writer.size !== reader.size) return 0
  if ('name' in writer && 'name' in reader && writer.kind === reader.kind) return nameFit(writer.name, reader)
  if (writer.kind === reader.kind) return 3
  return PROMOTIONS[writer.kind]?.includes(reader.kind) === true ? 1 : 0
}

/** Two logical types that differ count in different units: milliseconds read as microseconds are a date of another century. */
function meansOtherwise(writer: Shape, reader: Shape): boolean {
  if (!('logical' in reader) || reader.logical === null) return false
  const own = reader.logical
  const other = 'logical' in writer ? writer.logical : null
  if (own.name === 'decimal')
    return writer.kind !== reader.kind || (other !== null && (other.name !== 'decimal' || other.scale !== own.scale))
  return other !== null && other.name !== own.name
}

const PROMOTIONS: Partial<Record<Shape['kind'], readonly Shape['kind'][]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

function nameFit(
  name: string,
  { name: own, aliases }: EnumShape | FixedShape | { name: string; aliases: readonly string[] },
): 0 | 2 | 3 {
  if (own === name || aliases.includes(name)) return 3
  // Avro compares nested names without their namespaces: producers of one schema differ in them.
  return [own, ...aliases].some(known => lastName(known) === lastName(name)) ? 2 : 0
}

function readEnum(writer: EnumShape, reader: EnumShape): Read {
  const symbols = writer.symbols.map(symbol => (reader.symbols.includes(symbol) ? symbol : reader.fallback))
  return cursor => {
    const symbol = symbols[cursor.index(symbols.length, 'symbol')]
    if (typeof symbol === 'string') return symbol
    throw new UndecodableRecord(
      'incompatible-schema',
      `${reader.name} lacks a symbol that the record carries, and has no default`,
    )
  }
}

function readArray(itemBytesMin: number, readItem: Read): Read {
  return cursor => {
    const items: unknown[] = []
    cursor.blocks(itemBytesMin, from => void items.push(readItem(from)))
    return items
  }
}

function readMap(readValue: Read): Read {
  return cursor => {
    // Without a prototype: a key may be called `__proto__`, and one that is missing is undefined even when it is called `toString`.
    const entries: Record<string, unknown> = Object.create(null)
    cursor.blocks(1, (from: Cursor) => {
      const key = from.string()
      entries[key] = readValue(from)
    })
    return entries
  }
}

function mismatch(writer: Shape, reader: Shape): UndecodableRecord {
  return new UndecodableRecord(
    'incompatible-schema',
    `${describeShape(writer)} cannot be read as ${describeShape(reader)}`,
  )
}

function describeShape(shape: Shape): string {
  if (shape.kind === 'union') return `a union of ${shape.branches.map(branchName).join(', ')}`
  const logical = 'logical' in shape && shape.logical !== null ? ` (${shape.logical.name})` : ''
  return `${branchName(shape)}${logical}`
}
