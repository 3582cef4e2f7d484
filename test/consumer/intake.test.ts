import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemoryDecoder, memoryDecoder } from '../../src/adapters/memory/decoder.ts'
import { defineHandler, type Handler } from '../../src/consumer/handler.ts'
import { Intake, type IntakeRecord } from '../../src/consumer/intake.ts'
import type { Assignment, PartitionAnswer, RawRecord } from '../../src/consumer/ports.ts'
import { Routes, type TopicOptions } from '../../src/consumer/routes.ts'
import { decodeCompletions, encodeCompletions } from '../../src/core/completions.ts'
import type { Fact } from '../../src/core/facts.ts'
import { Ledger } from '../../src/core/ledger.ts'
import { bytes } from '../support/bytes.ts'
import {
  listeningLog,
  listeningTelemetry,
  rawRecord,
  THING,
  THING_ID,
  type Thing,
  thingHandler,
  turn,
  valueOf,
} from '../support/floor.ts'

/** Not registered, until a test does. */
const NEW_ID = 7
const NEWER_ID = 8
const LEADER_EPOCH = 3

const FIRST: Assignment = { topic: 'things', partition: 0, epoch: 1 }
const SECOND: Assignment = { topic: 'things', partition: 1, epoch: 2 }

type Fetched = Extract<Fact<IntakeRecord>, { type: 'fetched' }>

class Bench {
  readonly clock: MemoryClock = memoryClock()
  readonly log = listeningLog()
  readonly decoder: MemoryDecoder
  readonly intake: Intake
  readonly facts: Fact<IntakeRecord>[] = []

  constructor(handlers: readonly Handler[] = [thingHandler()], options: Readonly<Record<string, TopicOptions>> = {}) {
    const routes = new Routes(handlers, options)
    this.decoder = memoryDecoder({
      readers: routes.readers,
      clock: this.clock,
      schemas: new Map([
        [THING_ID, { name: 'test.Thing' }],
        [2, { name: 'test.Other' }],
        [3, { name: 'test.Thing', poison: 'incompatible-schema' }],
      ]),
    })
    this.intake = new Intake({
      decoder: this.decoder,
      routes,
      clock: this.clock,
      random: () => 0,
      telemetry: listeningTelemetry(),
      log: this.log,
      feed: facts => void this.facts.push(...facts),
    })
  }

  /** The usual schemas are known already. */
  async ready(): Promise<this> {
    for (const id of [THING_ID, 2, 3]) await this.decoder.load(id)
    return this
  }

  answer(
    assignment: Assignment,
    records: readonly RawRecord[],
    range: { from?: number; to?: number; leaderEpoch?: number } = {},
  ): void {
    const last = records.at(-1)?.offset ?? 0
    const answer: PartitionAnswer = {
      assignment,
      positionBefore: range.from ?? records[0]?.offset ?? 0,
      positionAfter: range.to ?? last + 1,
      records,
      bytes: 0,
      highWatermark: 1_000,
      leaderEpoch: range.leaderEpoch ?? LEADER_EPOCH,
    }
    this.intake.accept(answer)
  }

  /** What an assignment before this one has settled above 0, and stored. */
  restore(assignment: Assignment, ...settled: number[]): void {
    const metadata = encodeCompletions({ base: 0, leaderEpoch: LEADER_EPOCH, settled })
    this.intake.restore(assignment, decodeCompletions(metadata, { committed: 0 }))
  }

  fetched(assignment: Assignment): Fetched[] {
    return this.facts.filter(
      (fact): fact is Fetched => fact.type === 'fetched' && fact.assignment.epoch === assignment.epoch,
    )
  }

  records(assignment: Assignment = FIRST): IntakeRecord[] {
    return this.fetched(assignment).flatMap(({ records }) => records)
  }

  offsets(assignment: Assignment = FIRST): number[] {
    return this.records(assignment).map(({ offset }) => offset)
  }

  /** Why intake of a partition is held, as said over time. */
  held(assignment: Assignment = FIRST): (string | null)[] {
    return this.facts.flatMap(fact =>
      fact.type === 'intakeHeld' && fact.assignment.epoch === assignment.epoch ? [fact.why] : [],
    )
  }

  /** All that was said of a partition's positions, as its ledger takes it. Throws where that would, at an overlap and at a hole. */
  ledger(assignment: Assignment = FIRST): Ledger<object> {
    const ranges = this.fetched(assignment)
    let end = ranges[0]?.positionBefore ?? 0
    const ledger = new Ledger<object>(end)
    for (const { positionBefore, positionAfter, records } of ranges) {
      if (positionBefore !== end) throw new Error(`a range begins at ${positionBefore}, the last one ended at ${end}`)
      for (const { offset } of records) ledger.take(offset, {})
      ledger.advanceTo(positionAfter)
      end = positionAfter
    }
    return ledger
  }

  async pass(ms: number): Promise<void> {
    const end = this.clock.nowMs() + ms
    for (let next = this.clock.nextAtMs(); next !== null && next <= end; next = this.clock.nextAtMs()) {
      this.clock.advanceTo(next)
      await turn()
    }
    this.clock.advanceTo(end)
    await turn()
  }
}

const unknownValue = (offset: number, schemaId = NEW_ID): RawRecord =>
  rawRecord(offset, { value: valueOf(`e${offset}`, schemaId) })

const throws = (): string => {
  throw new TypeError('no such field')
}

describe('a record that is decoded', () => {
  test('knows its handler, its lane, its identity and its weight', async () => {
    const bench = await new Bench().ready()
    const headers: RawRecord['headers'] = [
      ['a', bytes('1')],
      ['a', bytes('2')],
      ['b', null],
    ]
    bench.answer(FIRST, [rawRecord(5, { key: bytes('k'), headers, timestampMs: 77 })])
    const [record] = bench.records()
    expect(record).toMatchObject({
      offset: 5,
      timestampMs: 77,
      lane: 'k',
      disposition: { kind: 'handle', handler: 'things' },
      delivery: { idempotencyKey: 'e5' },
    })
    expect(record?.bytes).toBeGreaterThan(1 + valueOf('e5').length + 4)
    const seen = record?.delivery?.record
    expect(seen).toMatchObject({ topic: 'things', partition: 0, offset: 5, timestampMs: 77, value: { id: 'e5' } })
    expect(seen?.headers).toBe(headers)
    expect(seen?.header('a')).toEqual(bytes('2'))
    expect(seen?.header('b')).toBeNull()
    expect(seen?.header('c')).toBeUndefined()
    // As handlers take it: out of the record.
    const taken = seen?.header
    expect(taken?.('a')).toEqual(bytes('2'))
  })

  test('is fed before accept returns', async () => {
    const bench = await new Bench().ready()
    bench.answer(FIRST, [rawRecord(0), rawRecord(1)])
    expect(bench.offsets()).toEqual([0, 1])
  })

  test('keeps the range that its answer had: gaps and an end without records', async () => {
    const bench = await new Bench().ready()
    bench.answer(FIRST, [rawRecord(3), rawRecord(9)], { from: 1, to: 20 })
    bench.answer(FIRST, [], { from: 20, to: 25 })
    expect(bench.fetched(FIRST)).toMatchObject([
      { positionBefore: 1, positionAfter: 20, highWatermark: 1_000 },
      { positionBefore: 20, positionAfter: 25 },
    ])
    expect(bench.ledger().position).toBe(25)
  })
})

describe('what cannot be handled is marked and never thrown', () => {
  test.each<[string, Partial<RawRecord>, string]>([
    ['no frame', { value: bytes('{"a":1}') }, 'framing'],
    ['nothing at all', { value: new Uint8Array(0) }, 'framing'],
    ['a wrong magic byte', { value: Uint8Array.from([1, 0, 0, 0, 1, 0]) }, 'framing'],
    ['a payload that is none', { value: valueOf('x').subarray(0, 7) }, 'undecodable'],
    ['a schema that the reader cannot take', { value: valueOf('x', 3) }, 'incompatible-schema'],
    ['a schema that no handler takes', { value: valueOf('x', 2) }, 'unmatched'],
    ['no value', { value: null }, 'unexpected-tombstone'],
  ])('%s', async (_what, differs, reason) => {
    const bench = await new Bench().ready()
    bench.answer(FIRST, [rawRecord(0, { key: bytes('k'), ...differs }), rawRecord(1, { key: bytes('k') })])
    expect(bench.records()).toMatchObject([
      { disposition: { kind: 'dead-letter', reason, handler: null }, delivery: null, lane: 'k' },
      { disposition: { kind: 'handle' }, lane: 'k' },
    ])
    expect(bench.records()[0]?.raw.value).toEqual(differs.value)
  })

  test.each<[string, object, string]>([
    ['an order that throws', { orderBy: throws }, 'invalid-key'],
    ['an identity that throws', { idempotencyKey: throws }, 'invalid-key'],
    ['an identity of nothing', { idempotencyKey: () => '' }, 'missing-idempotency-key'],
  ])('%s, and the dead letter names the handler', async (_what, differs, reason) => {
    const bench = await new Bench([{ ...thingHandler(), ...differs }]).ready()
    bench.answer(FIRST, [rawRecord(0, { key: bytes('k') })])
    expect(bench.records()).toMatchObject([{ disposition: { reason, handler: 'things' }, delivery: null, lane: 'k' }])
  })

  test('a record without an identity keeps its place in the order of its handler', async () => {
    const bench = await new Bench([thingHandler({ orderBy: () => 'mine', idempotencyKey: () => '' })]).ready()
    bench.answer(FIRST, [rawRecord(0, { key: bytes('k') })])
    expect(bench.records()).toMatchObject([{ lane: 'mine', disposition: { reason: 'missing-idempotency-key' } }])
  })

  test('a topic that ignores what nobody takes still dead-letters what nobody can read', async () => {
    const bench = await new Bench([thingHandler()], { things: { unmatched: 'ignore' } }).ready()
    bench.answer(FIRST, [
      rawRecord(0, { value: valueOf('x', 2) }),
      rawRecord(1, { value: null }),
      rawRecord(2, { value: bytes('?') }),
    ])
    expect(bench.records().map(({ disposition }) => disposition.kind)).toEqual(['ignore', 'dead-letter', 'dead-letter'])
  })
})

describe('a tombstone', () => {
  test('reaches the handler that asks for it, with a null value', async () => {
    const handler = defineHandler<Thing, true>({
      topic: 'things',
      schema: THING,
      tombstones: true,
      orderBy: ({ value }) => (value === null ? 'gone' : value.id),
      idempotencyKey: ({ value, offset }) => value?.id ?? `gone ${offset}`,
      handle: () => undefined,
    })
    const bench = await new Bench([handler]).ready()
    bench.answer(FIRST, [rawRecord(4, { key: bytes('k'), value: null })])
    expect(bench.records()).toMatchObject([
      {
        lane: 'gone',
        delivery: { idempotencyKey: 'gone 4', record: { value: null } },
        disposition: { kind: 'handle' },
      },
    ])
  })
})

describe('what an assignment before this one has settled', () => {
  const kinds = (bench: Bench, assignment = FIRST) =>
    bench.records(assignment).map(({ offset, disposition: { kind } }) => `${offset} ${kind}`)
  let bench: Bench
  beforeEach(async () => {
    bench = await new Bench().ready()
  })

  test('is marked as completed, in no lane and for no handler, and the others are decoded', () => {
    bench.restore(FIRST, 1, 3)
    bench.answer(FIRST, [rawRecord(0), rawRecord(1, { key: bytes('k') }), rawRecord(2), rawRecord(3), rawRecord(4)])
    expect(kinds(bench)).toEqual(['0 handle', '1 completed', '2 handle', '3 completed', '4 handle'])
    expect(bench.records()[1]).toMatchObject({ lane: null, delivery: null, disposition: { kind: 'completed' } })
    expect(bench.ledger().position).toBe(5)
  })

  test.each<[string, Partial<RawRecord>]>([
    ['of an unknown schema', { value: valueOf('x', NEW_ID) }],
    ['that is poison', { value: bytes('?') }],
    ['without a value', { value: null }],
  ])('is not decoded: one %s neither waits nor is condemned', (_what, differs) => {
    bench.restore(FIRST, 1)
    bench.answer(FIRST, [rawRecord(0), rawRecord(1, differs), rawRecord(2)])
    expect(kinds(bench)).toEqual(['0 handle', '1 completed', '2 handle'])
    expect(bench.held()).toEqual([])
    expect(bench.decoder.asked(NEW_ID)).toBe(0)
  })

  test('is passed over in answers that waited for a schema too', async () => {
    bench.restore(FIRST, 2, 4)
    bench.answer(FIRST, [rawRecord(0), unknownValue(1), unknownValue(2, NEWER_ID)])
    bench.answer(FIRST, [rawRecord(3), unknownValue(4, NEWER_ID), rawRecord(5)])
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    await bench.pass(60_000)
    expect(kinds(bench)).toEqual(['0 handle', '1 handle', '2 completed', '3 handle', '4 completed', '5 handle'])
  })

  test('is another record under a higher leader epoch, and where the epoch is unknown nobody can tell', () => {
    bench.restore(FIRST, 1, 2, 3)
    bench.answer(FIRST, [rawRecord(1)], { leaderEpoch: LEADER_EPOCH - 1 })
    bench.answer(FIRST, [rawRecord(2)], { leaderEpoch: -1 })
    bench.answer(FIRST, [rawRecord(3)], { leaderEpoch: LEADER_EPOCH + 1 })
    expect(kinds(bench)).toEqual(['1 completed', '2 handle', '3 handle'])
  })

  test('is known of that assignment only, and forgotten with it', () => {
    bench.restore(FIRST, 1)
    bench.restore(SECOND, 2)
    bench.answer(SECOND, [rawRecord(1), rawRecord(2)])
    expect(kinds(bench, SECOND)).toEqual(['1 handle', '2 completed'])
    bench.intake.forget([FIRST])
    bench.answer(FIRST, [rawRecord(1)])
    expect(kinds(bench)).toEqual(['1 handle'])
  })

  test('is kept for what stays, and forgotten for what does not', () => {
    bench.restore(FIRST, 1)
    bench.restore(SECOND, 1)
    bench.intake.retain([SECOND])
    bench.answer(FIRST, [rawRecord(1)])
    bench.answer(SECOND, [rawRecord(1)])
    expect([kinds(bench, FIRST), kinds(bench, SECOND)]).toEqual([['1 handle'], ['1 completed']])
  })

  test('is nothing where nothing was stored', () => {
    bench.intake.restore(FIRST, null)
    bench.answer(FIRST, [rawRecord(1)])
    expect(kinds(bench)).toEqual(['1 handle'])
  })
})

describe('a schema that is not known yet', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await new Bench().ready()
  })

  test('holds its partition and only that one; what came before it goes on', async () => {
    bench.answer(FIRST, [rawRecord(0), unknownValue(1), rawRecord(2)])
    bench.answer(FIRST, [rawRecord(3)])
    bench.answer(SECOND, [rawRecord(0), rawRecord(1)])
    expect(bench.offsets(FIRST)).toEqual([0])
    expect(bench.offsets(SECOND)).toEqual([0, 1])
    expect(bench.held(FIRST)).toEqual([expect.stringMatching(/schema 7/)])
    expect(bench.held(SECOND)).toEqual([])
  })

  test('is asked for once, however many partitions and records wait for it', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.answer(FIRST, [unknownValue(0), unknownValue(1)])
    bench.answer(SECOND, [unknownValue(0)])
    bench.answer(FIRST, [unknownValue(2)])
    await turn()
    expect(bench.decoder.asked(NEW_ID)).toBe(1)
    expect(bench.offsets(FIRST)).toEqual([0, 1, 2])
    expect(bench.offsets(SECOND)).toEqual([0])
  })

  test('releases everything in order once it is there, and says that it is over', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.decoder.register(NEWER_ID, { name: 'test.Thing' })
    bench.answer(FIRST, [rawRecord(0), unknownValue(1), rawRecord(2), unknownValue(3, NEWER_ID), rawRecord(4)])
    bench.answer(FIRST, [rawRecord(5), unknownValue(6, NEWER_ID)])
    await turn()
    expect(bench.offsets()).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(bench.held().at(-1)).toBeNull()
    expect(bench.held().filter(why => why === null)).toHaveLength(1)
    bench.answer(FIRST, [rawRecord(7)])
    expect(bench.offsets().at(-1)).toBe(7)
  })

  test('cuts answers into ranges without overlap and without a hole', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.decoder.register(NEWER_ID, { name: 'test.Thing' })
    bench.answer(FIRST, [unknownValue(5), rawRecord(8), unknownValue(11, NEWER_ID), rawRecord(12)], { from: 2, to: 20 })
    bench.answer(FIRST, [], { from: 20, to: 30 })
    bench.answer(FIRST, [unknownValue(33)], { from: 30, to: 40 })
    expect(bench.ledger().position).toBe(5)
    await turn()
    expect(bench.ledger().position).toBe(40)
    expect(bench.fetched(FIRST)[0]?.positionBefore).toBe(2)
    expect(bench.offsets()).toEqual([5, 8, 11, 12, 33])
  })

  test('holds back the position too: nothing past the record that waits can be committed', () => {
    bench.answer(FIRST, [rawRecord(0), unknownValue(1), rawRecord(2)])
    const ledger = bench.ledger()
    ledger.settle(0)
    expect(ledger.committable).toBe(1)
  })

  test('that the registry says is missing becomes a dead letter, and its partition goes on', async () => {
    bench.answer(FIRST, [unknownValue(0), rawRecord(1)])
    await bench.pass(31_000)
    expect(bench.records()).toMatchObject([
      { offset: 0, disposition: { kind: 'dead-letter', reason: 'unknown-schema' } },
      { offset: 1, disposition: { kind: 'handle' } },
    ])
    expect(bench.held().at(-1)).toBeNull()
  })

  test('is forgotten with its assignment: late answers of the registry feed nothing, the next assignment starts fresh', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.decoder.down()
    bench.answer(FIRST, [unknownValue(0), rawRecord(1)])
    await turn()
    bench.intake.retain([])
    const again: Assignment = { ...FIRST, epoch: 9 }
    bench.answer(again, [unknownValue(0), rawRecord(1)])
    bench.decoder.up()
    await bench.pass(11_000)
    expect(bench.offsets(FIRST)).toEqual([])
    expect(bench.held(FIRST)).not.toContain(null)
    expect(bench.offsets(again)).toEqual([0, 1])
  })

  test('is forgotten with what is revoked, and with nothing else', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.answer(FIRST, [unknownValue(0)])
    bench.answer(SECOND, [unknownValue(0)])
    bench.intake.forget([FIRST])
    await turn()
    expect([bench.offsets(FIRST), bench.offsets(SECOND)]).toEqual([[], [0]])
  })

  test('goes on waiting for an assignment that stays', async () => {
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.answer(FIRST, [unknownValue(0)])
    bench.answer(SECOND, [unknownValue(0)])
    bench.intake.retain([SECOND])
    await turn()
    expect(bench.offsets(FIRST)).toEqual([])
    expect(bench.offsets(SECOND)).toEqual([0])
  })
})

describe('a registry that does not answer', () => {
  test('is asked again with growing waits, says why each partition is held, and no record is lost or out of order', async () => {
    const bench = await new Bench().ready()
    bench.decoder.register(NEW_ID, { name: 'test.Thing' })
    bench.decoder.down()
    bench.answer(FIRST, [rawRecord(0), unknownValue(1), rawRecord(2)])
    bench.answer(SECOND, [unknownValue(0)])
    expect(bench.intake.registryError).toBeNull()
    await turn()
    expect(bench.held(FIRST).at(-1)).toMatch(/schema 7: Unavailable: registry is unavailable/)
    expect(bench.held(SECOND).at(-1)).toMatch(/registry is unavailable/)
    expect(bench.intake.registryError).toMatch(/registry is unavailable/)
    await bench.pass(60_000)
    const waits = bench.log.lines.map(({ fields }) => Number(fields['retryAfterMs']))
    expect(bench.decoder.asked(NEW_ID)).toBe(waits.length)
    expect(waits.slice(0, 5)).toEqual([250, 500, 1_000, 2_000, 4_000])
    expect(Math.max(...waits)).toBe(5_000)
    bench.answer(FIRST, [rawRecord(3)])
    bench.decoder.up()
    await bench.pass(5_000)
    expect(bench.offsets(FIRST)).toEqual([0, 1, 2, 3])
    expect(bench.offsets(SECOND)).toEqual([0])
    expect(bench.held(FIRST).at(-1)).toBeNull()
    expect(bench.held(SECOND).at(-1)).toBeNull()
    expect(bench.intake.registryError).toBeNull()
    bench.ledger(FIRST)
  })

  test('does not hold schemas that are known', async () => {
    const bench = await new Bench().ready()
    bench.decoder.down()
    bench.answer(FIRST, [rawRecord(0), rawRecord(1)])
    expect(bench.offsets()).toEqual([0, 1])
  })

  test('is not asked any more when nobody waits', async () => {
    const bench = await new Bench().ready()
    bench.decoder.down()
    bench.answer(FIRST, [unknownValue(0)])
    await turn()
    bench.intake.retain([])
    await bench.pass(60_000)
    expect(bench.decoder.asked(NEW_ID)).toBe(1)
    expect(bench.intake.registryError).toBeNull()
  })

  test('and refuses our credentials is a fault of ours: said at error level, nothing dead-lettered', async () => {
    const bench = await new Bench().ready()
    bench.decoder.down('denied')
    bench.answer(FIRST, [unknownValue(0)])
    await bench.pass(60_000)
    expect(new Set(bench.log.lines.map(({ level }) => level))).toEqual(new Set(['error']))
    expect(bench.offsets()).toEqual([])
    expect(bench.intake.registryError).toMatch(/credentials/)
  })
})
