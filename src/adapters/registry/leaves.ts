/** Reads what has nothing inside: primitives, fixed, and what their logical types make of them. Every value is exact, or refused. */
import { UndecodableRecord } from '../../consumer/errors.ts'
import type { Cursor } from './cursor.ts'
import type { Read } from './records.ts'
import type { FixedShape, Logical, PrimitiveShape, Shape } from './shape.ts'

type Leaf = PrimitiveShape | FixedShape

/** Null where the writer's type cannot be promoted to the reader's. */
export function readLeaf(writer: Shape, reader: Leaf): Read | null {
  const { kind } = reader
  switch (kind) {
    case 'null':
      return () => null
    case 'boolean':
      return cursor => cursor.boolean()
    case 'int':
      return reader.logical?.name === 'date' ? readDate : readInt
    case 'long':
      if (reader.logical?.name === 'timestamp-millis') return readTimestamp
      return cursor => cursor.long()
    case 'float':
    case 'double':
      return readFloating(writer, kind)
    case 'string':
      return cursor => cursor.string()
    case 'bytes':
      return reader.logical === null ? readBytes : readDecimal(reader.logical, cursor => cursor.length())
    case 'fixed': {
      const { size } = reader
      return reader.logical === null ? cursor => cursor.fixed(size) : readDecimal(reader.logical, () => size)
    }
    default:
      return kind satisfies never
  }
}

function readInt(cursor: Cursor): number {
  return cursor.int()
}

function readBytes(cursor: Cursor): Uint8Array {
  return cursor.fixed(cursor.length())
}

function readFloating(writer: Shape, kind: 'float' | 'double'): Read | null {
  const round = kind === 'float' ? Math.fround : (value: number) => value
  if (writer.kind === 'double') return cursor => cursor.double()
  if (writer.kind === 'float') return cursor => cursor.float()
  if (writer.kind === 'int') return cursor => round(cursor.int())
  // Avro promotes a long to a float or a double, and accepts what that rounding costs.
  return writer.kind === 'long' ? cursor => round(Number(cursor.long())) : null
}

/** A day is never shortened in UTC. */
const DAY_MS = 86_400_000

function readDate(cursor: Cursor): Date {
  return dateOf(cursor.int() * DAY_MS)
}

function readTimestamp(cursor: Cursor): Date {
  return dateOf(cursor.safeLong())
}

function dateOf(ms: number): Date {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) throw new UndecodableRecord('undecodable', 'a time outside of what a Date can hold')
  return date
}

function readDecimal(logical: Logical, sizeOf: (cursor: Cursor) => number): Read {
  const scale = logical.name === 'decimal' ? logical.scale : 0
  return cursor => ({ unscaled: signedOf(cursor.fixed(sizeOf(cursor))), scale })
}

/** Big-endian two's complement. */
function signedOf(bytes: Uint8Array): bigint {
  const [first] = bytes
  if (first === undefined) throw new UndecodableRecord('undecodable', 'a decimal of no bytes')
  const magnitude = BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
  return first < 0x80 ? magnitude : magnitude - (1n << BigInt(bytes.byteLength * 8))
}
