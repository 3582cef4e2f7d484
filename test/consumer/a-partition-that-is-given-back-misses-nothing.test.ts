/**
 * A join takes a partition away, and before it was handed over another one gives it back. What was read of it meanwhile, and what
 * was known to be settled in it, must still be there: its log is read on from where it was, so nobody would read it again.
 */
import { beforeEach, expect, test } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { memoryDeadLetters } from '../../src/adapters/memory/dead-letters.ts'
import { type MemoryDecoder, memoryDecoder } from '../../src/adapters/memory/decoder.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Assignment, RawRecord, RecordSource, SourceListener } from '../../src/consumer/ports.ts'
import { Routes } from '../../src/consumer/routes.ts'
import { decodeCompletions, encodeCompletions } from '../../src/core/completions.ts'
import {
  type Heard,
  latch,
  listeningLog,
  listeningTelemetry,
  rawRecord,
  repeatableHandler,
  THING_ID,
  turn,
  valueOf,
} from '../support/floor.ts'

const NEW_ID = 7
const FIRST: Assignment = { topic: 'things', partition: 0, epoch: 1 }
const SECOND: Assignment = { topic: 'things', partition: 1, epoch: 2 }

type Offsets = Parameters<RecordSource['commit']>[0]

/** A source that the test speaks for. */
class Source implements RecordSource {
  readonly alive = true
  readonly commits: Offsets[] = []
  #listener: SourceListener | null = null

  get says(): SourceListener {
    if (this.#listener === null) throw new TypeError('the source was not started')
    return this.#listener
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener
    return Promise.resolve()
  }

  commit(offsets: Offsets): ReturnType<RecordSource['commit']> {
    this.commits.push(offsets)
    return Promise.resolve({ ok: true })
  }

  pause(): void {}
  resume(): void {}
  rejoin(): void {}
  stop(): Promise<void> {
    return Promise.resolve()
  }

  answers(assignment: Assignment, ...records: RawRecord[]): void {
    const [first] = records
    const positionBefore = first?.offset ?? 0
    const range = { positionBefore, positionAfter: positionBefore + records.length, highWatermark: 100, leaderEpoch: 0 }
    this.says.answered({ assignment, records, ...range, bytes: 1 })
  }
}

let source: Source
let decoder: MemoryDecoder
let consumer: Consumer
let handled: string[]
let telemetry: Heard
let gate: Promise<void>

beforeEach(async () => {
  source = new Source()
  const clock = memoryClock()
  handled = []
  telemetry = listeningTelemetry()
  gate = Promise.resolve()
  const handler = repeatableHandler(async ({ partition, offset }) => {
    handled.push(`${partition}@${offset}`)
    await gate
  })
  const routes = new Routes([handler], {})
  const schemas = new Map([[THING_ID, { name: 'test.Thing' }]])
  decoder = memoryDecoder({ readers: routes.readers, clock, schemas })
  await decoder.load(THING_ID)
  const budget = { recordsMax: 1_000, bytesMax: 1_000_000 }
  const limits = { inFlightMax: 10, budget, windowMax: 1_000, commitIntervalMs: 1_000, sessionTimeoutMs: 30_000 }
  const deadLetters = memoryDeadLetters({ group: 'group' })
  const rest = { clock, random: () => 0.5, telemetry, log: listeningLog(), unitOfWork: null }
  consumer = new Consumer({ routes, ...limits }, { source, decoder, deadLetters, ...rest })
  await consumer.start()
  source.says.joined([FIRST, SECOND])
})

/** A hand-over that the test can ask about. */
function revoking(...assignments: Assignment[]): () => Promise<boolean> {
  let done = false
  void source.says.revoking(assignments).finally(() => {
    done = true
  })
  return async () => {
    await turn()
    return done
  }
}

test('what waited for its schema is handled once it is there', async () => {
  source.answers(FIRST, rawRecord(0, { value: valueOf('a', NEW_ID) }), rawRecord(1))
  revoking(FIRST)
  source.says.joined([SECOND])
  source.says.joined([FIRST, SECOND])
  source.answers(FIRST, rawRecord(2))
  decoder.register(NEW_ID, { name: 'test.Thing' })
  await turn()
  await turn()
  expect(handled.toSorted()).toEqual(['0@0', '0@1', '0@2'])
})

test('what was settled before it came here is still not handled again', async () => {
  const metadata = encodeCompletions({ base: 0, leaderEpoch: 0, settled: [1] })
  source.says.restored({ assignment: FIRST, committed: 0, metadata })
  revoking(FIRST)
  source.says.joined([SECOND])
  source.says.joined([FIRST, SECOND])
  source.answers(FIRST, rawRecord(0), rawRecord(1), rawRecord(2))
  await turn()
  expect(handled).toEqual(['0@0', '0@2'])
})

test('what was revoked is forgotten, with all that waited for it', async () => {
  source.answers(FIRST, rawRecord(0, { value: valueOf('a', NEW_ID) }))
  revoking(FIRST)
  source.says.joined([SECOND])
  source.says.revoked([FIRST])
  const before = telemetry.facts.length
  decoder.register(NEW_ID, { name: 'test.Thing' })
  await turn()
  await turn()
  expect(telemetry.facts.slice(before)).toEqual([])
  source.answers(SECOND, rawRecord(0))
  await turn()
  expect(handled).toEqual(['1@0'])
})

test('what leaves is waited for and committed, with all that is settled in it; what is kept goes on meanwhile', async () => {
  const slow = latch()
  gate = slow.passed
  source.answers(FIRST, rawRecord(0))
  gate = Promise.resolve()
  source.answers(FIRST, rawRecord(1))
  await turn()
  const handedOver = revoking(FIRST)
  source.says.joined([SECOND])
  source.answers(SECOND, rawRecord(0))
  expect(await handedOver()).toBe(false)
  expect(handled).toEqual(['0@0', '0@1', '1@0'])
  slow.open()
  expect(await handedOver()).toBe(true)
  const last = source.commits.flat().findLast(({ assignment }) => assignment === FIRST)
  expect(last).toMatchObject({ nextOffset: 2 })
})

test('what is settled above an attempt that goes on is stored for the next one, as the metadata of the offset', async () => {
  const slow = latch()
  gate = slow.passed
  source.answers(FIRST, rawRecord(0))
  gate = Promise.resolve()
  source.answers(FIRST, rawRecord(1))
  await turn()
  const drained = consumer.drain(1e9)
  await turn()
  const [offset] = source.commits.flat()
  expect(offset).toMatchObject({ assignment: FIRST, nextOffset: 0 })
  expect([...(decodeCompletions(offset?.metadata ?? '', { committed: 0 })?.from(0) ?? [])]).toEqual([1])
  slow.open()
  expect(await drained).toEqual({ unfinished: 0, committed: true })
})

test('a log that is another one begins anew, and is not mistaken for the old one', async () => {
  const metadata = encodeCompletions({ base: 0, leaderEpoch: 0, settled: [1] })
  source.says.restored({ assignment: FIRST, committed: 0, metadata })
  const renewed: Assignment = { ...FIRST, epoch: 3 }
  source.says.renewed({ gone: FIRST, assignment: renewed })
  source.says.restored({ assignment: renewed, committed: null, metadata: '' })
  source.answers(renewed, rawRecord(0), rawRecord(1))
  await turn()
  expect(handled).toEqual(['0@0', '0@1'])
})

test('metadata that is not ours, or for another offset, is nothing: all is delivered', async () => {
  const metadata = encodeCompletions({ base: 0, leaderEpoch: 0, settled: [6] })
  source.says.restored({ assignment: FIRST, committed: 5, metadata })
  source.says.restored({ assignment: SECOND, committed: 5, metadata: 'written by somebody' })
  source.answers(FIRST, rawRecord(5), rawRecord(6))
  source.answers(SECOND, rawRecord(5), rawRecord(6))
  await turn()
  expect(handled).toEqual(['0@5', '0@6', '1@5', '1@6'])
})
