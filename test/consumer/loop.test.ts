import { beforeEach, describe, expect, test } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import type { IntakeRecord } from '../../src/consumer/intake.ts'
import { Loop } from '../../src/consumer/loop.ts'
import { Engine } from '../../src/core/engine.ts'
import type { Command, Fact, Task } from '../../src/core/facts.ts'
import { collect } from '../core/memory.ts'
import { type Heard, listeningTelemetry, rawRecord, thingHandler, turn } from '../support/floor.ts'

const ASSIGNMENT = { topic: 'things', partition: 0, epoch: 1 }
const JOINED: Fact<IntakeRecord> = { type: 'joined', assignments: [ASSIGNMENT] }
/** Nobody runs it: an answer for it breaks an invariant of the engine. */
const STRANGER: Task<IntakeRecord> = {
  assignment: ASSIGNMENT,
  record: recordAt(99),
  attempt: 1,
  takenAtMs: 0,
  startedAtMs: 0,
  firstFailedAtMs: null,
}

function recordAt(offset: number): IntakeRecord {
  return {
    offset,
    timestampMs: 0,
    bytes: 1,
    lane: null,
    disposition: { kind: 'handle', handler: 'things' },
    raw: rawRecord(offset),
    delivery: null,
  }
}

function fetched(count: number): Fact<IntakeRecord> {
  const records = Array.from({ length: count }, (_, offset) => recordAt(offset))
  return {
    type: 'fetched',
    assignment: ASSIGNMENT,
    records,
    positionBefore: 0,
    positionAfter: count,
    highWatermark: 9,
    leaderEpoch: 0,
  }
}

let telemetry: Heard
let broken: string[]
let performed: Command<IntakeRecord>[]
let onCommand: (command: Command<IntakeRecord>) => void
let loop: Loop

beforeEach(() => {
  const clock = memoryClock()
  telemetry = listeningTelemetry()
  broken = []
  performed = []
  onCommand = () => undefined
  const engine = new Engine<IntakeRecord>(
    {
      handlers: [thingHandler()],
      inFlightMax: 100,
      budget: { recordsMax: 1_000, bytesMax: 1_000_000 },
      windowMax: 1_000,
      commitIntervalMs: 1_000,
      sessionTimeoutMs: 30_000,
      random: () => 0.5,
    },
    { nowMs: 0, wallMs: 0 },
  )
  loop = new Loop({
    engine,
    clock,
    telemetry,
    perform: command => {
      performed.push(command)
      onCommand(command)
    },
    onBroken: why => void broken.push(why),
  })
})

/** The records that a batch of commands starts. */
const started = (): Task<IntakeRecord>[] =>
  performed.flatMap(command => (command.type === 'start' ? [...command.tasks] : []))

const breakIt = (): void => loop.feed({ type: 'settled', task: STRANGER, outcome: 'acked' })

describe('one writer', () => {
  test('facts that arise while it decides follow in the same call, and never inside a decision', () => {
    let depth = 0
    onCommand = command => {
      expect(depth).toBe(0)
      depth++
      if (command.type === 'start')
        for (const task of command.tasks) loop.feed({ type: 'settled', task, outcome: 'acked' })
      depth--
    }
    loop.feed(JOINED, fetched(3))
    expect(telemetry.facts.map(({ type }) => type)).toEqual(['joined', 'fetched', 'settled', 'settled', 'settled'])
    expect(telemetry.decisions).toBe(2)
    expect(loop.status()).toMatchObject({ inFlight: 0, buffered: 0 })
  })

  test('attempts that end in one turn make one decision', async () => {
    loop.feed(JOINED, fetched(5))
    expect(telemetry.decisions).toBe(1)
    for (const task of started()) loop.feedSoon({ type: 'settled', task, outcome: 'acked' })
    expect(telemetry.decisions).toBe(1)
    await turn()
    expect(telemetry.decisions).toBe(2)
    expect(telemetry.facts.filter(({ type }) => type === 'settled')).toHaveLength(5)
  })

  test('what was to be told soon is told before what comes at once, and only once', async () => {
    loop.feed(JOINED, fetched(1))
    const [task] = started()
    if (task !== undefined) loop.feedSoon({ type: 'settled', task, outcome: 'acked' })
    loop.feed({ type: 'membershipConfirmed', askedAtMs: 0 })
    await turn()
    expect(telemetry.facts.map(({ type }) => type)).toEqual(['joined', 'fetched', 'settled', 'membershipConfirmed'])
    expect(telemetry.decisions).toBe(2)
  })

  test('nothing is decided where there is no fact', () => {
    loop.feed()
    expect(telemetry.decisions).toBe(0)
  })
})

describe('a broken invariant', () => {
  test('is said once, and nothing is decided or performed from then on', async () => {
    loop.feed(JOINED)
    breakIt()
    expect(broken).toEqual([expect.stringMatching(/^BrokenInvariant: .*a task answers once/)])
    const before = performed.length
    loop.feed(fetched(3))
    loop.feedSoon({ type: 'ticked' })
    await turn()
    breakIt()
    expect(performed).toHaveLength(before)
    expect(telemetry.facts.map(({ type }) => type)).toEqual(['joined'])
    expect(broken).toHaveLength(1)
  })

  test('among the facts of a turn stops what would follow from the others: no command of that decision is performed', () => {
    loop.feed(JOINED, fetched(3), { type: 'settled', task: STRANGER, outcome: 'acked' })
    expect(performed).toEqual([])
    expect(broken).toHaveLength(1)
  })

  test('leaves the state readable', () => {
    loop.feed(JOINED)
    breakIt()
    expect(loop.status()).toMatchObject({ state: 'running', partitions: [{ topic: 'things' }] })
  })

  test('also is what a port throws that promised not to', () => {
    onCommand = () => {
      throw new TypeError('no pause')
    }
    loop.feed(JOINED, fetched(1))
    expect(broken).toEqual(['TypeError: no pause'])
  })

  test('keeps nothing of what it is told afterwards: a source that still answers fills no memory', async () => {
    breakIt()
    const told = (() => {
      const fact = fetched(10)
      loop.feed(fact)
      loop.feedSoon(fact)
      return new WeakRef(fact)
    })()
    await turn()
    await collect()
    expect(told.deref()).toBeUndefined()
  })
})
