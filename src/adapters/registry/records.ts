/** Reads one record: the writer's fields in the writer's order, and the reader's defaults where the writer has no such field. */
import { UndecodableRecord } from '../../consumer/errors.ts'
import { Cursor, type DecodeLimits } from './cursor.ts'
import type { FieldShape, RecordShape, Shape } from './shape.ts'
import { skipOf } from './skip.ts'

export type Read = (cursor: Cursor) => unknown

/** What is compiled already, being compiled or found impossible, by writer and reader: a record may contain itself. */
export type RecordPlans = Map<RecordShape, Map<RecordShape, Read | UndecodableRecord>>

interface Step {
  /** The writer's name of the field: for the path in an error. */
  readonly from: string
  /** The reader's name; null where the reader has no such field. */
  readonly to: string | null
  readonly read: Read
}

interface Default {
  readonly to: string
  readonly make: () => unknown
}

interface Plan {
  readonly steps: readonly Step[]
  readonly defaults: readonly Default[]
  /** How many values one record is worth, those of its defaults included. */
  readonly values: number
}

/** Defaults come from our own schemas. */
const NO_LIMITS: DecodeLimits = { valuesMax: Number.MAX_SAFE_INTEGER, depthMax: Number.MAX_SAFE_INTEGER }

interface Compiling {
  readonly plans: RecordPlans
  readonly compile: (writer: Shape, reader: Shape, plans: RecordPlans) => Read
}

export function readRecord(writer: RecordShape, reader: RecordShape, compiling: Compiling): Read {
  const ofWriter = compiling.plans.get(writer) ?? new Map<RecordShape, Read | UndecodableRecord>()
  compiling.plans.set(writer, ofWriter)
  const known = ofWriter.get(reader)
  if (known instanceof UndecodableRecord) throw known
  if (known !== undefined) return known
  // Where the plan cannot be made, whatever inside the record refers back to it (a branch of a union) refuses in its place.
  let plan: Plan | null = null
  const read: Read = cursor => {
    if (plan === null)
      throw new UndecodableRecord('incompatible-schema', `${writer.name} cannot be read as ${reader.name}`)
    return readFields(cursor, plan)
  }
  ofWriter.set(reader, read)
  try {
    plan = planOf(writer, reader, compiling)
  } catch (error) {
    if (error instanceof UndecodableRecord) ofWriter.set(reader, error)
    throw error
  }
  return read
}

function planOf(writer: RecordShape, reader: RecordShape, { plans, compile }: Compiling): Plan {
  const sources = sourcesOf(writer, reader)
  const steps = writer.fields.map((field): Step => {
    const target = reader.fields.find(candidate => sources.get(candidate) === field)
    if (target === undefined) return { from: field.name, to: null, read: skipOf(field.shape) }
    return {
      from: field.name,
      to: target.name,
      read: inField(field.name, () => compile(field.shape, target.shape, plans)),
    }
  })
  const missing = reader.fields.filter(field => !sources.has(field))
  const defaults = missing.map((field): Default => {
    const bytes = field.default
    if (bytes === null)
      throw new UndecodableRecord('incompatible-schema', 'the writer has no such field, and it has no default', [
        field.name,
      ])
    const read = compile(field.shape, field.shape, plans)
    return { to: field.name, make: () => read(new Cursor(bytes, 0, NO_LIMITS)) }
  })
  // A default takes at least as many bytes as it has values, save nulls and empty records.
  const values = steps.length + missing.reduce((sum, field) => sum + 1 + (field.default?.byteLength ?? 0), 0)
  return { steps, defaults, values }
}

/** Which field of the writer fills which of the reader: names first, then aliases; each is used once. */
function sourcesOf(writer: RecordShape, reader: RecordShape): Map<FieldShape, FieldShape> {
  const byName = new Map(writer.fields.map(field => [field.name, field]))
  const sources = new Map<FieldShape, FieldShape>()
  const pair = (target: FieldShape, names: readonly string[]): void => {
    const name = names.find(candidate => byName.has(candidate))
    const source = name === undefined ? undefined : byName.get(name)
    if (sources.has(target) || source === undefined) return
    sources.set(target, source)
    byName.delete(source.name)
  }
  for (const target of reader.fields) pair(target, [target.name])
  for (const target of reader.fields) pair(target, target.aliases)
  return sources
}

function readFields(cursor: Cursor, { steps, defaults, values }: Plan): unknown {
  cursor.enter()
  cursor.spend(values)
  const record: Record<string, unknown> = {}
  for (const { from, to, read } of steps) {
    try {
      const value = read(cursor)
      if (to !== null) record[to] = value
    } catch (error) {
      throw at(from, error)
    }
  }
  for (const { to, make } of defaults) record[to] = make()
  cursor.leave()
  return record
}

function inField<Result>(field: string, action: () => Result): Result {
  try {
    return action()
  } catch (error) {
    throw at(field, error)
  }
}

function at(field: string, error: unknown): unknown {
  return error instanceof UndecodableRecord ? error.within(field) : error
}
