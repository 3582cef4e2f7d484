/** What the tests of the consumer floor share: a handler of things, ears for logs and telemetry, and turns of the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encodeJson } from '../../src/adapters/memory/decoder.ts'
import type { NewRecord } from '../../src/adapters/memory/log.ts'
import { defineHandler, type Handler, type OnceDefinition, type Schema } from '../../src/consumer/handler.ts'
import type { IntakeRecord } from '../../src/consumer/intake.ts'
import type { Known, Log, RawRecord, Telemetry } from '../../src/consumer/ports.ts'
import type { Command, Fact } from '../../src/core/facts.ts'
import { bytes } from './bytes.ts'

export interface Thing {
  readonly id: string
}

export const THING: Schema<Thing> = { name: 'test.Thing', avro: {} }
/** As registered: its id is the one that `valueOf` writes. */
export const THING_ID = 1

type Differs = Partial<OnceDefinition<Thing, false>>

/** Takes things from topic `things`, once each, with one effect named by its id. */
export function thingHandler(differs: Differs = {}): Handler {
  return defineHandler<Thing>({
    name: 'things',
    topic: 'things',
    schema: THING,
    idempotencyKey: ({ value }) => value.id,
    handle: async ({ value }, { tx }) => void (await tx.query('effect', [value.id])),
    ...differs,
  })
}

/** Takes the same, and has neither inbox nor transaction. */
export function repeatableHandler(
  handle: Handler['handle'],
  differs: { timeoutMs?: number; name?: string } = {},
): Handler {
  return { ...thingHandler(differs), idempotencyKey: null, handle }
}

export function valueOf(id: string, schemaId = THING_ID): Uint8Array {
  return encodeJson(schemaId, { id })
}

/** A record of a thing, with a key where order matters. */
export function thing(id: string, key: string | null = null, schemaId = THING_ID): NewRecord {
  return { key: key === null ? null : bytes(key), value: valueOf(id, schemaId) }
}

export function rawRecord(offset: number, differs: Partial<RawRecord> = {}): RawRecord {
  return { offset, timestampMs: 0, key: null, value: valueOf(`e${offset}`), headers: [], ...differs }
}

export interface LogLine {
  readonly level: keyof Log
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** Keeps every line. */
export function listeningLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  const keep = (level: keyof Log) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message })
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
}

export interface Heard extends Telemetry<IntakeRecord> {
  readonly facts: readonly Fact<IntakeRecord>[]
  readonly commands: readonly Command<IntakeRecord>[]
  readonly duplicates: readonly Known[]
  readonly decisions: number
}

/** Keeps every fact and command. */
export function listeningTelemetry(): Heard {
  const facts: Fact<IntakeRecord>[] = []
  const commands: Command<IntakeRecord>[] = []
  const duplicates: Known[] = []
  let decisions = 0
  return {
    facts,
    commands,
    duplicates,
    get decisions() {
      return decisions
    },
    heard(told, answered) {
      facts.push(...told)
      commands.push(...answered)
      decisions++
    },
    decoded: () => undefined,
    fetchDone: () => undefined,
    missed: () => undefined,
    duplicate: (_record, known) => void duplicates.push(known),
  }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

/** Everything that waits for no timer has happened. */
export async function turn(): Promise<void> {
  await nextTurn()
}

/** Something that a test lets go on when it wants to; everything that comes by waits for it. */
export interface Latch {
  readonly passed: Promise<void>
  open(): void
}

export function latch(): Latch {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}
