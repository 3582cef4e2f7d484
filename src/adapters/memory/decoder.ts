/**
 * A decoder for tests: JSON behind the usual five bytes, and a registry that a test fills, empties and takes down. It resolves
 * no schemas; what a writer's schema does to its records is said when it is registered.
 */
import { Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Clock, DeadLetterReason, Decoded, Decoder, ReaderSchema } from '../../consumer/ports.ts'
import { timePasses } from './clock.ts'
import { Link, type Network } from './link.ts'

export interface MemorySchema {
  /** The writer's full name: routing goes by it. */
  readonly name: string
  /** Its records are poison for this reason. */
  readonly poison?: DeadLetterReason
}

export interface MemoryDecoderOptions {
  readonly readers: ReadonlyMap<string, readonly ReaderSchema[]>
  readonly clock: Clock
  /** Default: one of its own. */
  readonly registry?: MemoryRegistry
  /** Default: everything is answered at once. */
  readonly network?: Network
  readonly schemas?: ReadonlyMap<number, MemorySchema>
  /** An id that is not there is waited for this long (default 30,000), then held missing for as long. */
  readonly missingAfterMs?: number
}

/** Processes share one; each has a decoder of its own. */
export interface MemoryRegistry {
  register(schemaId: number, schema: MemorySchema): void
  /** `denied` is a fault of ours; `hanging` answers nobody before the timeout of two seconds; default `refused`. */
  down(how?: Outage): void
  up(): void
  find(schemaId: number): MemorySchema | null
  /** How it is away, or null. */
  readonly outage: Outage | null
}

export interface MemoryDecoder extends Decoder, Pick<MemoryRegistry, 'register' | 'down' | 'up'> {
  /** How many requests were made for an id. */
  asked(schemaId: number): number
}

type Outage = 'refused' | 'denied' | 'hanging'

const FRAME_BYTES = 5
const ASK_AGAIN_MS = 1_000
const TIMEOUT_MS = 2_000

export function memoryRegistry(schemas: ReadonlyMap<number, MemorySchema> = new Map()): MemoryRegistry {
  const registered = new Map(schemas)
  let outage: Outage | null = null
  return {
    register: (schemaId, schema) => void registered.set(schemaId, schema),
    down(how = 'refused') {
      outage = how
    },
    up() {
      outage = null
    },
    find: schemaId => registered.get(schemaId) ?? null,
    get outage() {
      return outage
    },
  }
}

export function memoryDecoder({
  readers,
  clock,
  schemas,
  registry = memoryRegistry(schemas),
  network = null,
  missingAfterMs = 30_000,
}: MemoryDecoderOptions): MemoryDecoder {
  const known = new Map<number, MemorySchema>()
  const missing = new Map<number, number>()
  const loading = new Map<number, Promise<void>>()
  const requests = new Map<number, number>()

  const isMissing = (schemaId: number): boolean => {
    const since = missing.get(schemaId)
    return since !== undefined && clock.nowMs() - since < missingAfterMs
  }
  const answer = async (): Promise<void> => {
    const outage = await new Link(network).ask(() => registry.outage)
    if (outage === 'hanging') await timePasses(clock, TIMEOUT_MS)
    if (outage === 'denied') throw new Misconfigured('the registry does not accept our credentials')
    if (outage !== null) throw new Unavailable('registry', `it is ${outage}`)
  }
  const ask = async (schemaId: number): Promise<void> => {
    const endMs = missing.has(schemaId) ? clock.nowMs() : clock.nowMs() + missingAfterMs
    for (;;) {
      requests.set(schemaId, (requests.get(schemaId) ?? 0) + 1)
      await answer()
      const schema = registry.find(schemaId)
      if (schema !== null) return void known.set(schemaId, schema)
      if (clock.nowMs() >= endMs) return void missing.set(schemaId, clock.nowMs())
      await timePasses(clock, Math.min(ASK_AGAIN_MS, endMs - clock.nowMs()))
    }
  }

  return {
    decode(topic, value) {
      const schemaId = schemaIdOf(value)
      if (schemaId === null) return { kind: 'poison', reason: 'framing', error: 'no schema id in front' }
      const schema = known.get(schemaId)
      if (schema !== undefined) return decodeKnown(readers.get(topic) ?? [], schema, value.subarray(FRAME_BYTES))
      if (!isMissing(schemaId)) return { kind: 'unknown', schemaId }
      return { kind: 'poison', reason: 'unknown-schema', error: `the registry has no schema ${schemaId}` }
    },
    load(schemaId) {
      if (known.has(schemaId) || isMissing(schemaId)) return Promise.resolve()
      const running = loading.get(schemaId) ?? ask(schemaId).finally(() => loading.delete(schemaId))
      loading.set(schemaId, running)
      return running
    },
    ping: answer,
    register: (schemaId, schema) => registry.register(schemaId, schema),
    down: how => registry.down(how),
    up: () => registry.up(),
    asked: schemaId => requests.get(schemaId) ?? 0,
  }
}

/** A record's value as this decoder reads it. */
export function encodeJson(schemaId: number, value: unknown): Uint8Array {
  const frame = new DataView(new ArrayBuffer(FRAME_BYTES))
  frame.setInt32(1, schemaId)
  return Buffer.concat([new Uint8Array(frame.buffer), Buffer.from(JSON.stringify(value))])
}

function schemaIdOf(value: Uint8Array): number | null {
  if (value.byteLength < FRAME_BYTES || value[0] !== 0) return null
  const schemaId = new DataView(value.buffer, value.byteOffset).getInt32(1)
  return schemaId > 0 ? schemaId : null
}

function decodeKnown(readers: readonly ReaderSchema[], schema: MemorySchema, payload: Uint8Array): Decoded {
  const reader =
    readers.find(({ name }) => name === schema.name) ??
    readers.find(({ avro }) => aliasesOf(avro).includes(schema.name))
  if (reader === undefined) return { kind: 'unmatched', schema: schema.name }
  if (schema.poison !== undefined)
    return { kind: 'poison', reason: schema.poison, error: `${schema.name} is ${schema.poison}` }
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString('utf8'))
    return { kind: 'value', value, schema: reader.name }
  } catch {
    // The text of a syntax error quotes what it met.
    return { kind: 'poison', reason: 'undecodable', error: 'the value is not JSON' }
  }
}

function aliasesOf(avro: unknown): readonly unknown[] {
  return typeof avro === 'object' && avro !== null && 'aliases' in avro && Array.isArray(avro.aliases)
    ? avro.aliases
    : []
}
