/** Bytes → values: the frame, then the writer's schema, then the reader that takes it, then the value. */
import { Misconfigured, UndecodableRecord } from '../../consumer/errors.ts'
import type { Clock, Decoded, Decoder, Log, ReaderSchema } from '../../consumer/ports.ts'
import { RegistryClient, type RegistryOptions } from './client.ts'
import { Cursor, type DecodeLimits } from './cursor.ts'
import { FRAME_BYTES, schemaIdOf } from './framing.ts'
import type { Read } from './records.ts'
import { compile } from './resolve.ts'
import { branchName, type RecordShape, type Shape, shapeOf } from './shape.ts'
import { type Patience, type Writer, Writers } from './writers.ts'

export interface RegistryDecoderOptions extends RegistryOptions {
  /** By topic: the schemas that its handlers take. */
  readonly readers: ReadonlyMap<string, readonly ReaderSchema[]>
  readonly log: Log
  readonly clock: Clock
  readonly limits?: Partial<DecodeLimits & Patience>
}

/**
 * A million values took a third of a second at the worst (arrays, once, on two slow cores); what they take of memory is an
 * estimate, some 200 bytes each. Honest records hold thousands. The depth is far above any schema's that people write. The times are guesses.
 */
const LIMITS: DecodeLimits & Patience = {
  valuesMax: 1_000_000,
  depthMax: 64,
  missingAfterMs: 30_000,
  missingForMs: 30_000,
}

interface Reader {
  readonly name: string
  readonly shape: RecordShape
}

/** Where the records of one writer's schema in one topic go. */
type Route =
  | { readonly kind: 'read'; readonly read: Read; readonly schema: string }
  | { readonly kind: 'unmatched'; readonly schema: string }
  | { readonly kind: 'incompatible'; readonly error: string }

/**
 * A `Decoder` on a registry of the Confluent API. Asks nothing before the first `load` or `ping`.
 * Throws `Misconfigured` where a reader's schema is none or the URL is none.
 */
export function registryDecoder(options: RegistryDecoderOptions): Decoder {
  const limits = { ...LIMITS, ...options.limits }
  const { clock, log } = options
  const client = new RegistryClient(options)
  const writers = new Writers({ client, clock, log, patience: limits })
  const routes = new Routes(options.readers, log)

  const decodeKnown = (topic: string, value: Uint8Array): Decoded => {
    const schemaId = schemaIdOf(value)
    const writer = writers.get(schemaId)
    if (writer === null) return { kind: 'unknown', schemaId }
    if (writer.kind === 'missing')
      throw new UndecodableRecord('unknown-schema', `the registry has no schema ${schemaId}`)
    if (writer.kind === 'unusable')
      throw new UndecodableRecord('undecodable', `schema ${schemaId} cannot be used: ${writer.why}`)
    const route = routes.of(topic, schemaId, writer)
    if (route.kind === 'unmatched') return route
    if (route.kind === 'incompatible') throw new UndecodableRecord('incompatible-schema', route.error)
    const cursor = new Cursor(value, FRAME_BYTES, limits)
    try {
      const decoded = route.read(cursor)
      if (cursor.left > 0) throw new UndecodableRecord('undecodable', 'bytes are left over after the value')
      return { kind: 'value', value: decoded, schema: route.schema }
    } catch (error) {
      if (error instanceof UndecodableRecord && error.reason === 'incompatible-schema')
        routes.alert(topic, schemaId, error.message)
      throw error
    }
  }

  return {
    decode(topic, value) {
      try {
        return decodeKnown(topic, value)
      } catch (error) {
        if (error instanceof UndecodableRecord) return { kind: 'poison', reason: error.reason, error: error.message }
        // Nothing else is thrown above, as far as we know.
        routes.stumbled(topic, error)
        return { kind: 'poison', reason: 'undecodable', error: 'decoding failed for an unexpected reason' }
      }
    },
    load: schemaId => writers.load(schemaId),
    ping: () => client.ping(),
  }
}

/** Chooses the reader of a writer's schema, and compiles once how the one reads the other. */
class Routes {
  readonly #readers: ReadonlyMap<string, readonly Reader[]>
  readonly #log: Log
  readonly #routes = new Map<string, Map<number, Route>>()
  /** Topic and schema id of every alert that was given: one each, not one a record. */
  readonly #alerted = new Set<string>()
  /** Topics with records that have met a mistake of ours. */
  readonly #stumbled = new Set<string>()

  constructor(readers: ReadonlyMap<string, readonly ReaderSchema[]>, log: Log) {
    const shapes = new Map<ReaderSchema, Reader>()
    for (const reader of [...readers.values()].flat()) shapes.set(reader, shapes.get(reader) ?? readerOf(reader))
    this.#readers = new Map([...readers].map(([topic, of]) => [topic, of.flatMap(reader => shapes.get(reader) ?? [])]))
    this.#log = log
  }

  of(topic: string, schemaId: number, writer: Writer & { kind: 'schema' }): Route {
    let ofTopic = this.#routes.get(topic)
    if (ofTopic === undefined) this.#routes.set(topic, (ofTopic = new Map()))
    let route = ofTopic.get(schemaId)
    if (route === undefined) ofTopic.set(schemaId, (route = this.#route(topic, schemaId, writer.shape)))
    return route
  }

  alert(topic: string, schemaId: number, why: string): void {
    const key = `${topic} ${schemaId}`
    if (this.#alerted.has(key)) return
    this.#alerted.add(key)
    this.#log.error(
      { topic, schemaId, why },
      "a schema does not fit the handler's; its records go to the dead letter topic",
    )
  }

  /** The words of an error that nobody foresaw may quote a value: its class and its place are told, once a topic. */
  stumbled(topic: string, error: unknown): void {
    if (this.#stumbled.has(topic)) return
    this.#stumbled.add(topic)
    const { name, stack = '' } = error instanceof Error ? error : { name: typeof error }
    const at = stack.split('\n').filter(line => line.startsWith('    at '))
    this.#log.error(
      { topic, error: name, at },
      'decoding failed as it should never do, which is a bug; such records go to the dead letter topic',
    )
  }

  #route(topic: string, schemaId: number, writer: Shape): Route {
    const schema = branchName(writer)
    const readers = this.#readers.get(topic) ?? []
    const reader =
      readers.find(({ name }) => name === schema) ?? readers.find(({ shape }) => shape.aliases.includes(schema))
    if (writer.kind !== 'record' || reader === undefined) return { kind: 'unmatched', schema }
    try {
      return { kind: 'read', read: compile(writer, reader.shape), schema: reader.name }
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error
      this.alert(topic, schemaId, error.message)
      return { kind: 'incompatible', error: `${schema} as written does not fit the handler's schema: ${error.message}` }
    }
  }
}

function readerOf({ name, avro }: ReaderSchema): Reader {
  let shape: Shape
  try {
    shape = shapeOf(avro)
  } catch (cause) {
    throw new Misconfigured(`the schema of ${name} is not valid Avro: generate it again with \`types\``, { cause })
  }
  if (shape.kind !== 'record')
    throw new Misconfigured(`the schema of ${name} is no record: a handler takes records only`)
  return { name, shape }
}
