/**
 * What is known of schema ids: asked once each, however many wait; kept for good once found, since an id never changes its
 * schema. An id that the registry does not have is asked for again for a while, for producers are sometimes quicker than the
 * registry's replicas, and what is known to be missing is forgotten after a while, since it may be registered later.
 */
import type { Clock, Log } from '../../consumer/ports.ts'
import type { RegisteredSchema, RegistryClient, SchemaReference } from './client.ts'
import { type Shape, shapeOf } from './shape.ts'

export type Writer =
  | { readonly kind: 'schema'; readonly shape: Shape }
  /** What the registry has is no Avro schema. */
  | { readonly kind: 'unusable'; readonly why: string }
  | { readonly kind: 'missing' }

/** `for` this long after the first time, an id that is not there is asked for again; then it is held missing for this long. */
export interface Patience {
  readonly missingAfterMs: number
  readonly missingForMs: number
}

interface Ports {
  readonly client: RegistryClient
  readonly clock: Clock
  readonly log: Log
  readonly patience: Patience
}

/** Between two questions for an id that is not there: 250 ms, doubled up to 5 s. A guess, never tuned. */
const ASK_AGAIN_MS = { initial: 250, max: 5_000 }

/** A stream of garbage may name any number of ids; what is forgotten is only asked for once more. */
const MISSING_MAX = 10_000

/** Of one schema, all levels together; a guess above anything seen. Also the end of references that go in a circle. */
const REFERENCES_MAX = 64

export class Writers {
  readonly #ports: Ports
  readonly #known = new Map<number, Writer>()
  /** Id → when, monotonic, it was last seen to be missing. In order of time. */
  readonly #missing = new Map<number, number>()
  readonly #loading = new Map<number, Promise<void>>()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** Null: ask `load`. */
  get(id: number): Writer | null {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const missingSince = this.#missing.get(id)
    if (missingSince === undefined) return null
    const { clock, patience } = this.#ports
    return clock.nowMs() - missingSince < patience.missingForMs ? { kind: 'missing' } : null
  }

  load(id: number): Promise<void> {
    if (this.get(id) !== null) return Promise.resolve()
    const running = this.#loading.get(id)
    if (running !== undefined) return running
    const loading = this.#load(id).finally(() => this.#loading.delete(id))
    this.#loading.set(id, loading)
    return loading
  }

  async #load(id: number): Promise<void> {
    const { client } = this.#ports
    const found = this.#missing.has(id) ? await client.schemaById(id) : await this.#askPatiently(id)
    if (found === null) this.#setMissing(id)
    else this.#known.set(id, await this.#writerOf(id, found))
    if (found !== null) this.#missing.delete(id)
  }

  /** One that was found missing before is asked for once only: its time to appear has passed, and its records should not wait again. */
  async #askPatiently(id: number): Promise<RegisteredSchema | null> {
    const { client, clock, patience, log } = this.#ports
    const endMs = clock.nowMs() + patience.missingAfterMs
    for (let waitMs = ASK_AGAIN_MS.initial; ; waitMs = Math.min(waitMs * 2, ASK_AGAIN_MS.max)) {
      const found = await client.schemaById(id)
      if (found !== null || clock.nowMs() >= endMs) return found
      if (waitMs === ASK_AGAIN_MS.initial)
        log.warn(
          { schemaId: id, askedUntilMs: patience.missingAfterMs },
          'the registry does not have a schema id that a record names; it is asked again for a while',
        )
      const againAtMs = Math.min(clock.nowMs() + waitMs, endMs)
      await new Promise<void>(resolve => void clock.at(againAtMs, resolve))
    }
  }

  #setMissing(id: number): void {
    const { clock, log } = this.#ports
    if (!this.#missing.has(id))
      log.error(
        { schemaId: id },
        'the registry does not have a schema id; the records that name it go to the dead letter topic',
      )
    this.#missing.delete(id)
    this.#missing.set(id, clock.nowMs())
    for (const oldest of this.#missing.keys()) {
      if (this.#missing.size <= MISSING_MAX) break
      this.#missing.delete(oldest)
    }
  }

  async #writerOf(id: number, found: RegisteredSchema): Promise<Writer> {
    const writer = await this.#parse(found)
    if (writer.kind === 'unusable')
      this.#ports.log.error(
        { schemaId: id, why: writer.why },
        'a schema cannot be used; its records go to the dead letter topic',
      )
    return writer
  }

  async #parse(found: RegisteredSchema): Promise<Writer> {
    if (found.schemaType !== 'AVRO')
      return {
        kind: 'unusable',
        why: `its type is ${TYPES.find(type => type === found.schemaType) ?? 'unknown'}, not AVRO`,
      }
    const references: string[] = []
    if (!(await this.#collect(found.references, references, new Set())))
      return { kind: 'unusable', why: `it has more than ${REFERENCES_MAX} references` }
    try {
      return { kind: 'schema', shape: shapeOf(writerJson(found.schema), references.map(writerJson)) }
    } catch {
      // avsc's message repeats the schema at any length; whoever wants to know finds it under its id.
      return { kind: 'unusable', why: 'it is not a valid Avro schema' }
    }
  }

  /** Depth first, so that each stands after those that it needs. False where there are too many. */
  async #collect(references: readonly SchemaReference[], into: string[], seen: Set<string>): Promise<boolean> {
    for (const reference of references) {
      const key = `${reference.version} ${reference.subject}`
      if (seen.has(key)) continue
      seen.add(key)
      if (seen.size > REFERENCES_MAX) return false
      const found = await this.#ports.client.schemaByReference(reference)
      if (!(await this.#collect(found.references, into, seen))) return false
      into.push(found.schema)
    }
    return true
  }
}

/** The other types that the Confluent API knows. */
const TYPES = ['JSON', 'PROTOBUF']

/** A writer's defaults have no part in reading, and avsc refuses sound schemas for some (one beyond 2^53, a null for `["string", "null"]`). */
function writerJson(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => (key === 'default' ? undefined : value))
}
