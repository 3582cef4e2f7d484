/** Passes over what the reader's schema leaves out, with the same checks and under the same bounds as if it were read. */
import type { Cursor } from './cursor.ts'
import type { RecordShape, Shape } from './shape.ts'

type Skip = (cursor: Cursor) => void

export function skipOf(shape: Shape, seen: Map<RecordShape, Skip> = new Map()): Skip {
  switch (shape.kind) {
    case 'null':
      return () => {}
    case 'boolean':
      return cursor => void cursor.boolean()
    case 'int':
      return cursor => void cursor.int()
    case 'long':
      return cursor => void cursor.long()
    case 'float':
      return cursor => cursor.skip(4)
    case 'double':
      return cursor => cursor.skip(8)
    case 'bytes':
    case 'string':
      return skipText
    case 'fixed':
      return cursor => cursor.skip(shape.size)
    case 'enum':
      return cursor => void cursor.index(shape.symbols.length, 'symbol')
    case 'array':
      return skipBlocks(bytesMin(shape.items), skipOf(shape.items, seen))
    case 'map': {
      const skipValue = skipOf(shape.values, seen)
      return skipBlocks(1, cursor => {
        skipText(cursor)
        skipValue(cursor)
      })
    }
    case 'union': {
      const branches = shape.branches.map(branch => skipOf(branch, seen))
      return cursor => branches[cursor.index(branches.length, 'branch')]?.(cursor)
    }
    case 'record':
      return seen.get(shape) ?? skipRecord(shape, seen)
    default:
      return shape satisfies never
  }
}

function skipText(cursor: Cursor): void {
  cursor.skip(cursor.length())
}

function skipBlocks(itemBytesMin: number, skipItem: Skip): Skip {
  return cursor => cursor.blocks(itemBytesMin, skipItem)
}

function skipRecord(shape: RecordShape, seen: Map<RecordShape, Skip>): Skip {
  const fields: Skip[] = []
  const skip = (cursor: Cursor): void => {
    cursor.enter()
    cursor.spend(fields.length)
    for (const field of fields) field(cursor)
    cursor.leave()
  }
  seen.set(shape, skip)
  for (const field of shape.fields) fields.push(skipOf(field.shape, seen))
  return skip
}

const RECORD_BYTES_MIN = new WeakMap<RecordShape, 0 | 1>()

/** 0 where a value can take no byte at all, else 1: enough to refuse a count that the bytes cannot hold. */
export function bytesMin(shape: Shape): 0 | 1 {
  if (shape.kind === 'null' || (shape.kind === 'fixed' && shape.size === 0)) return 0
  if (shape.kind !== 'record') return 1
  const known = RECORD_BYTES_MIN.get(shape)
  if (known !== undefined) return known
  // While it is being looked at, a record inside itself counts for nothing; too low a bound is safe, for values are counted as well.
  RECORD_BYTES_MIN.set(shape, 0)
  const bytes = shape.fields.some(field => bytesMin(field.shape) === 1) ? 1 : 0
  RECORD_BYTES_MIN.set(shape, bytes)
  return bytes
}
