/** The TypeScript of one schema: what a handler's author sees of it. The decoder gives exactly these types. */
import {
  branchName,
  type EnumShape,
  type FieldShape,
  type Logical,
  lastName,
  type RecordShape,
  type Shape,
  type UnionShape,
} from '../adapters/registry/shape.ts'
import { Misconfigured } from '../consumer/errors.ts'
import { keyOf, literalOf, quoted } from './literal.ts'

const WIDTH = 120

/** Names that the generated text itself uses, or that cannot be declared. */
const TAKEN = new Set(
  'Date Readonly Record Uint8Array any arguments await bigint boolean class const default enum eval function implements interface let never null number object package private protected public static string symbol type undefined unknown void yield'.split(
    ' ',
  ),
)

/** `source` is the schema file's name; `avro` its parsed JSON, of which `shape` was made. Throws `Misconfigured` for names that clash. */
export function emit(source: string, avro: unknown, shape: RecordShape): string {
  const named = new Map<string, RecordShape | EnumShape>()
  collect(shape, named, source)
  const declarations = [...named.values()].map(each => (each.kind === 'record' ? interfaceOf(each) : enumOf(each)))
  return [
    `// Generated from ${source}: change that file, then run \`types\` (cli.ts) again.\n`,
    ...declarations,
    constantOf(avro, shape),
  ].join('\n')
}

/** Every record and enum inside, in the order in which they are met. */
function collect(shape: Shape, named: Map<string, RecordShape | EnumShape>, source: string): void {
  switch (shape.kind) {
    case 'array':
      return collect(shape.items, named, source)
    case 'map':
      return collect(shape.values, named, source)
    case 'union':
      return shape.branches.forEach(branch => collect(branch, named, source))
    case 'enum':
    case 'record': {
      const name = lastName(shape.name)
      const known = named.get(name)
      if (known === shape || known?.name === shape.name) return
      if (known !== undefined)
        throw new Misconfigured(`${source}: ${known.name} and ${shape.name} would both be the type ${name}`)
      if (TAKEN.has(name)) throw new Misconfigured(`${source}: ${shape.name} cannot be a type's name in TypeScript`)
      if (shape.kind === 'record' && shape.fields.some(field => field.name === '__proto__')) {
        throw new Misconfigured(
          `${source}: ${shape.name} has a field __proto__, which no object can hold like any other`,
        )
      }
      named.set(name, shape)
      if (shape.kind === 'record') shape.fields.forEach(field => collect(field.shape, named, source))
      return
    }
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'fixed':
      return
    default:
      return shape satisfies never
  }
}

function interfaceOf({ name, doc, fields }: RecordShape): string {
  const body = fields.map(fieldOf).join('')
  // An empty interface would take any value.
  if (fields.length === 0) return `${docOf(doc, 0)}export type ${lastName(name)} = Readonly<Record<string, never>>\n`
  return `${docOf(doc, 0)}export interface ${lastName(name)} {\n${body}}\n`
}

function fieldOf({ name, doc, shape }: FieldShape): string {
  const head = `  readonly ${name}:`
  const type = typeOf(shape)
  const unit = unitOf(shape)
  const comment = docOf([doc, unit].filter(part => part !== null).join(' '), 2)
  if (head.length + 1 + type.length <= WIDTH) return `${comment}${head} ${type}\n`
  if (shape.kind === 'union')
    return `${comment}${head}\n${branchesOf(shape)
      .map(branch => `    | ${branch}\n`)
      .join('')}`
  return `${comment}  // biome-ignore format: one line, however long\n${head} ${type}\n`
}

function enumOf({ name, doc, symbols }: EnumShape): string {
  const head = `${docOf(doc, 0)}export type ${lastName(name)} =`
  const flat = ` ${symbols.map(quoted).join(' | ')}`
  if (`export type ${lastName(name)} =${flat}`.length <= WIDTH) return `${head}${flat}\n`
  return `${head}\n${symbols.map(symbol => `  | ${quoted(symbol)}\n`).join('')}`
}

function constantOf(avro: unknown, { name }: RecordShape): string {
  const type = lastName(name)
  const head = `/** The schema of \`${type}\`: what a handler's \`schema\` takes. */\nexport const ${type}: {\n`
  const members = `  readonly name: ${quoted(name)}\n  readonly avro: object\n  readonly type?: ${type}\n`
  return `${head}${members}} = {\n  name: ${quoted(name)},\n  avro: ${literalOf(avro, 2, '  avro: '.length)},\n}\n`
}

function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case 'null':
    case 'boolean':
    case 'string':
      return shape.kind
    case 'int':
      return shape.logical?.name === 'date' ? 'Date' : 'number'
    case 'float':
    case 'double':
      return 'number'
    case 'long':
      return shape.logical?.name === 'timestamp-millis' ? 'Date' : 'bigint'
    case 'bytes':
    case 'fixed':
      return shape.logical?.name === 'decimal' ? decimalOf(shape.logical) : 'Uint8Array'
    case 'array':
      return shape.items.kind === 'union' || shape.items.kind === 'array'
        ? `readonly (${typeOf(shape.items)})[]`
        : `readonly ${typeOf(shape.items)}[]`
    case 'map':
      return `Readonly<Record<string, ${typeOf(shape.values)}>>`
    case 'union':
      return branchesOf(shape).join(' | ')
    case 'record':
    case 'enum':
      return lastName(shape.name)
    default:
      return shape satisfies never
  }
}

function decimalOf({ scale }: Logical & { name: 'decimal' }): string {
  return `{ readonly unscaled: bigint; readonly scale: ${scale} }`
}

/** Null comes last, as people write it. */
function branchesOf({ branches, wrapped }: UnionShape): string[] {
  const types = branches
    .filter(({ kind }) => kind !== 'null')
    .map(branch => (wrapped ? `{ readonly ${keyOf(branchName(branch))}: ${typeOf(branch)} }` : typeOf(branch)))
  return types.length < branches.length ? [...types, 'null'] : types
}

const UNITS: Partial<Record<Logical['name'], string>> = {
  'time-millis': 'Milliseconds since midnight.',
  'time-micros': 'Microseconds since midnight.',
  'timestamp-micros': 'Microseconds since 1970, UTC.',
  'timestamp-nanos': 'Nanoseconds since 1970, UTC.',
  'local-timestamp-millis': 'Milliseconds since 1970 by a local clock, whose time zone is not known.',
  'local-timestamp-micros': 'Microseconds since 1970 by a local clock, whose time zone is not known.',
  'local-timestamp-nanos': 'Nanoseconds since 1970 by a local clock, whose time zone is not known.',
  date: 'Midnight, UTC.',
}

/** Of the value itself, or of the only thing that it can be beside null. */
function unitOf(shape: Shape): string | null {
  const [only, ...others] = shape.kind === 'union' ? shape.branches.filter(({ kind }) => kind !== 'null') : [shape]
  if (only === undefined || others.length > 0 || !('logical' in only) || only.logical === null) return null
  return UNITS[only.logical.name] ?? null
}

function docOf(doc: string | null, indent: number): string {
  const lines = (doc ?? '')
    .replaceAll('*/', '*\\/')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  const margin = ' '.repeat(indent)
  if (lines.length === 0) return ''
  if (lines.length === 1) return `${margin}/** ${lines[0]} */\n`
  return `${margin}/**\n${lines.map(line => `${margin} * ${line}\n`).join('')}${margin} */\n`
}
