/**
 * Bytes become records that know their handler, their lane and their identity. Total: what cannot be decoded is marked for
 * the dead letter topic, never thrown. A record whose schema is not known yet holds its partition, and only that one, until
 * the registry has answered; what came before it goes on.
 */
import type { Completions } from '../core/completions.ts'
import type { Fact } from '../core/facts.ts'
import type { Assignment, DeadLetterReason, Disposition, Taken } from '../core/record.ts'
import { steadyBackoffMs } from '../core/verdict.ts'
import { describe, Misconfigured } from './errors.ts'
import type { ConsumedRecord, Handler } from './handler.ts'
import { idempotencyKey, laneOf, orderingKey } from './keys.ts'
import type { Clock, Decoder, Headers, Log, PartitionAnswer, Random, RawRecord, Telemetry } from './ports.ts'
import type { Routes } from './routes.ts'

/** A record between its log and its handler. */
export interface IntakeRecord extends Taken {
  readonly raw: RawRecord
  /** Null where no handler will see it. */
  readonly delivery: Delivery | null
}

export interface Delivery {
  readonly handler: Handler
  readonly record: ConsumedRecord<unknown>
  /** Null: the handler is naturally idempotent. */
  readonly idempotencyKey: string | null
}

export interface IntakePorts {
  readonly decoder: Decoder
  readonly routes: Routes
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry<IntakeRecord>
  readonly log: Log
  /** Takes facts at once. */
  readonly feed: (facts: Fact<IntakeRecord>[]) => void
}

/** Between two requests for a schema that the registry did not answer. A guess, never tuned. */
const LOAD_RETRY = { initialMs: 500, maxMs: 10_000 }

/** What an object in memory costs beside its bytes; measured roughly, on Node 24, for a small decoded record. */
const RECORD_OVERHEAD_BYTES = 200

/** Nobody asks for its handler or its lane any more, so it is not even decoded. */
const COMPLETED = { lane: null, disposition: { kind: 'completed' }, delivery: null } as const

interface Waiting {
  readonly assignment: Assignment
  /** Answers not decoded to their end; the first one is decoded up to `index`, and fed up to `fedTo` once anything of it was. */
  readonly answers: PartitionAnswer[]
  index: number
  fedTo: number | null
  /** The schema that the next record waits for. */
  schemaId: number | null
}

export class Intake {
  readonly #ports: IntakePorts
  readonly #waiting = new Map<number, Waiting>()
  /** By epoch: what an assignment before this one has settled, until reading has passed it. */
  readonly #completions = new Map<number, Completions>()
  /** Schemas that are being asked for, with what went wrong last. */
  readonly #loading = new Map<number, string | null>()

  constructor(ports: IntakePorts) {
    this.#ports = ports
  }

  /** What the registry last answered, when it was no schema; null when all is well. */
  get registryError(): string | null {
    for (const error of this.#loading.values()) if (error !== null) return error
    return null
  }

  /** Synchronous: when it returns, all that could be decoded has been fed. */
  accept(answer: PartitionAnswer): void {
    const { assignment } = answer
    const waiting = this.#waiting.get(assignment.epoch)
    if (waiting !== undefined) waiting.answers.push(answer)
    else this.#decode({ assignment, answers: [answer], index: 0, fedTo: null, schemaId: null })
  }

  /** Before an assignment's first answer: what is settled in it already. */
  restore({ epoch }: Assignment, completions: Completions | null): void {
    if (completions !== null) this.#completions.set(epoch, completions)
  }

  /** Forgets all but these. */
  retain(assignments: readonly Assignment[]): void {
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const epoch of [...this.#waiting.keys(), ...this.#completions.keys()]) {
      if (!epochs.has(epoch)) this.#forget(epoch)
    }
  }

  /** Forgets what waits for assignments that are gone. */
  forget(assignments: readonly Assignment[]): void {
    for (const { epoch } of assignments) this.#forget(epoch)
  }

  #forget(epoch: number): void {
    this.#waiting.delete(epoch)
    this.#completions.delete(epoch)
  }

  #decode(waiting: Waiting): void {
    const facts: Fact<IntakeRecord>[] = []
    let unknown: number | null = null
    const completions = this.#completions.get(waiting.assignment.epoch)
    for (let answer = waiting.answers[0]; answer !== undefined && unknown === null; answer = waiting.answers[0]) {
      const records: IntakeRecord[] = []
      for (const raw of answer.records.slice(waiting.index)) {
        const decoded = completions?.has(raw.offset, answer.leaderEpoch)
          ? taken(raw, COMPLETED)
          : this.#decodeOne(answer.assignment, raw)
        if (typeof decoded === 'number') {
          unknown = decoded
          break
        }
        records.push(decoded)
      }
      waiting.index += records.length
      const positionBefore = waiting.fedTo ?? answer.positionBefore
      const positionAfter = answer.records[waiting.index]?.offset ?? answer.positionAfter
      const { assignment, highWatermark, leaderEpoch } = answer
      facts.push({ type: 'fetched', assignment, records, positionBefore, positionAfter, highWatermark, leaderEpoch })
      waiting.fedTo = positionAfter
      if (completions !== undefined && positionAfter >= completions.end) this.#completions.delete(assignment.epoch)
      if (unknown === null) {
        waiting.answers.shift()
        waiting.index = 0
        waiting.fedTo = null
      }
    }
    this.#hold(waiting, unknown, facts)
    this.#ports.feed(facts)
  }

  #hold(waiting: Waiting, schemaId: number | null, facts: Fact<IntakeRecord>[]): void {
    const { assignment } = waiting
    if (waiting.schemaId !== null && schemaId === null) facts.push({ type: 'intakeHeld', assignment, why: null })
    waiting.schemaId = schemaId
    if (schemaId === null) {
      this.#waiting.delete(assignment.epoch)
      return
    }
    this.#waiting.set(assignment.epoch, waiting)
    facts.push({ type: 'intakeHeld', assignment, why: `waiting for schema ${schemaId} from the registry` })
    void this.#load(schemaId)
  }

  /** One loop per schema, however many partitions wait for it; it ends when none does. */
  async #load(schemaId: number): Promise<void> {
    if (this.#loading.has(schemaId)) return
    this.#loading.set(schemaId, null)
    for (let tries = 1; this.#waitingFor(schemaId).length > 0; tries++) {
      try {
        await this.#ports.decoder.load(schemaId)
        break
      } catch (error) {
        await this.#rest(schemaId, { tries, error })
      }
    }
    this.#loading.delete(schemaId)
    for (const waiting of this.#waitingFor(schemaId)) this.#decode(waiting)
  }

  #rest(schemaId: number, { tries, error }: { tries: number; error: unknown }): Promise<void> {
    const { clock, random, log, feed } = this.#ports
    const text = describe(error)
    this.#loading.set(schemaId, text)
    const held = this.#waitingFor(schemaId)
    const why = `waiting for schema ${schemaId}: ${text}`
    feed(held.map(({ assignment }) => ({ type: 'intakeHeld', assignment, why })))
    const afterMs = Math.round(steadyBackoffMs(LOAD_RETRY, tries, random()))
    const fields = { schemaId, partitions: held.length, retryAfterMs: afterMs, error: text }
    const level = error instanceof Misconfigured ? 'error' : 'warn'
    log[level](fields, 'the registry did not give a schema; the partitions that need it are held')
    return new Promise(resolve => clock.at(clock.nowMs() + afterMs, resolve))
  }

  #waitingFor(schemaId: number): Waiting[] {
    return [...this.#waiting.values()].filter(waiting => waiting.schemaId === schemaId)
  }

  /** The record, or the id of the schema that it needs first. */
  #decodeOne(assignment: Assignment, raw: RawRecord): IntakeRecord | number {
    const { decoder, routes, clock, telemetry } = this.#ports
    const { topic } = assignment
    if (raw.value === null) {
      const handler = routes.tombstoneHandlerOf(topic)
      if (handler !== null) return deliverable(assignment, raw, { handler, value: null })
      return condemned(raw, {
        reason: 'unexpected-tombstone',
        error: 'a null value, and no handler of this topic takes tombstones',
      })
    }
    const startedAtMs = clock.nowMs()
    const decoded = decoder.decode(topic, raw.value)
    switch (decoded.kind) {
      case 'unknown':
        return decoded.schemaId
      case 'poison':
        return condemned(raw, decoded)
      case 'value': {
        telemetry.decoded(topic, clock.nowMs() - startedAtMs)
        const handler = routes.handlerOf(topic, decoded.schema)
        if (handler !== null) return deliverable(assignment, raw, { handler, value: decoded.value })
        return unmatched(raw, decoded.schema, routes.unmatched(topic))
      }
      case 'unmatched':
        return unmatched(raw, decoded.schema, routes.unmatched(topic))
      default:
        return decoded satisfies never
    }
  }
}

function deliverable(
  { topic, partition }: Assignment,
  raw: RawRecord,
  { handler, value }: { handler: Handler; value: unknown },
): IntakeRecord {
  const record = new DecodedRecord({ topic, partition, raw, value })
  const lane = orderingKey(handler, record)
  if (!lane.ok) return condemned(raw, { ...lane, handler: handler.name })
  const identity = idempotencyKey(handler, record)
  if (!identity.ok) return condemned(raw, { ...identity, handler: handler.name, lane: lane.key })
  const delivery = { handler, record, idempotencyKey: identity.key }
  return taken(raw, { lane: lane.key, disposition: { kind: 'handle', handler: handler.name }, delivery })
}

function unmatched(raw: RawRecord, schema: string, policy: 'dead-letter' | 'ignore'): IntakeRecord {
  if (policy === 'ignore') return taken(raw, { lane: null, disposition: { kind: 'ignore' }, delivery: null })
  return condemned(raw, { reason: 'unmatched', error: `no handler of this topic takes ${schema}` })
}

/** Its lane is its key's: what the handler orders by cannot be known, and a key's dead letters keep their order. */
function condemned(
  raw: RawRecord,
  why: { reason: DeadLetterReason; error: string; handler?: string; lane?: string | null },
): IntakeRecord {
  const { reason, error, handler = null, lane = laneOf(raw.key) } = why
  return taken(raw, { lane, disposition: { kind: 'dead-letter', reason, error, handler }, delivery: null })
}

function taken(
  raw: RawRecord,
  known: { lane: string | null; disposition: Disposition; delivery: Delivery | null },
): IntakeRecord {
  const { offset, timestampMs } = raw
  return { offset, timestampMs, bytes: bytesOf(raw), raw, ...known }
}

function bytesOf({ key, value, headers }: RawRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, header] of headers) bytes += name.length + (header?.length ?? 0)
  return bytes
}

class DecodedRecord implements ConsumedRecord<unknown> {
  readonly topic: string
  readonly partition: number
  readonly value: unknown
  readonly #raw: RawRecord

  constructor({ topic, partition, raw, value }: { topic: string; partition: number; raw: RawRecord; value: unknown }) {
    this.topic = topic
    this.partition = partition
    this.value = value
    this.#raw = raw
  }

  get key(): Uint8Array | null {
    return this.#raw.key
  }

  get headers(): Headers {
    return this.#raw.headers
  }

  get offset(): number {
    return this.#raw.offset
  }

  get timestampMs(): number {
    return this.#raw.timestampMs
  }

  /** A getter of a function, not a method: handlers take it out of the record (`{ value, header }`), and it must find its headers then too. */
  get header(): (name: string) => Uint8Array | null | undefined {
    const { headers } = this.#raw
    return name => headers.findLast(([known]) => known === name)?.[1]
  }
}
