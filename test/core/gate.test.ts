import { equal } from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Breaker } from '../../src/core/breaker.ts'
import { Gate, type Sign } from '../../src/core/gate.ts'
import { randomOf, seedOf } from './seed.ts'

const seed = seedOf('gate.test.ts')

const retry = { initialMs: 100, maxMs: 1_000, attemptsMax: 3 }
const NEVER = Number.POSITIVE_INFINITY

function openBreaker(ours = false): Breaker {
  const breaker = new Breaker({ dependency: 'database', ours, nowMs: 0 })
  breaker.failed({}, 0, 0)
  return breaker
}

function gateOf(concurrencyMax: number | null = null, random: () => number = () => 0): Gate {
  return new Gate(
    ['orders', 'users', 'audit'].map(name => ({ name, retry, concurrencyMax })),
    random,
  )
}

const outage = (handler: string, dependency = 'database') => ({ dependency, ours: false, handler, error: 'gone' })

describe('a breaker', () => {
  test('rests between half and all of its backoff before the first probe', () => {
    const breaker = openBreaker()
    expect(breaker.probeAtMs).toBe(250)
    expect([breaker.mayProbe(249), breaker.mayProbe(250)]).toEqual([false, true])
    const late = new Breaker({ dependency: 'database', ours: false, nowMs: 0 })
    late.failed({}, 0, 0.999_999)
    expect(late.probeAtMs).toBeCloseTo(500, 2)
  })

  test('waits longer for a fault of ours: somebody has to change something', () => {
    expect(openBreaker(true).probeAtMs).toBe(1_000)
  })

  test('lets one probe out at a time', () => {
    const breaker = openBreaker()
    breaker.probing({})
    expect(breaker.probeAtMs).toBe(NEVER)
    expect(breaker.mayProbe(1e12)).toBe(false)
  })

  test('opens for twice as long with each failed probe, up to ten seconds', () => {
    const breaker = openBreaker()
    const restsMs: number[] = []
    for (let probe = 0; probe < 8; probe++) {
      const record = {}
      const nowMs = breaker.probeAtMs
      breaker.probing(record)
      breaker.failed(record, nowMs, 0)
      restsMs.push(breaker.probeAtMs - nowMs)
    }
    expect(restsMs).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000])
  })

  test('is not opened for longer by what was under way when it opened', () => {
    const breaker = openBreaker()
    for (let late = 0; late < 10; late++) breaker.failed({}, 100 + late, 0.9)
    expect(breaker.probeAtMs).toBe(250)
    const probe = {}
    breaker.probing(probe)
    breaker.failed({}, 300, 0)
    expect(breaker.isProbe(probe)).toBe(true)
    expect(breaker.probeAtMs).toBe(NEVER)
  })

  test('sends the next probe at once when one did not tell', () => {
    const breaker = openBreaker()
    breaker.probing({})
    breaker.inconclusive(900)
    expect(breaker.probeAtMs).toBe(900)
  })
})

/** One attempt that starts and ends, as the engine tells it. */
function attempt(
  gate: Gate,
  handler: string,
  { sign, nowMs, dependency }: { sign: Sign; nowMs: number; dependency?: string },
) {
  const record = {}
  gate.started(handler, record)
  gate.ended(handler, record, { sign, nowMs })
  if (sign === 'down') gate.failed(outage(handler, dependency), record, nowMs)
}

describe('the gate', () => {
  test('lets a handler start as many as its own limit', () => {
    const gate = gateOf(2)
    const records = [{}, {}]
    for (const record of records) {
      expect(gate.mayStart('orders', 0)).toBe(true)
      gate.started('orders', record)
    }
    expect(gate.mayStart('orders', 0)).toBe(false)
    expect(gate.mayStart('users', 0)).toBe(true)
    gate.ended('orders', records[0] ?? {}, { sign: 'up', nowMs: 1 })
    expect(gate.mayStart('orders', 1)).toBe(true)
  })

  test('knows its handlers only', () => {
    expect(() => gateOf().mayStart('nobody', 0)).toThrow('no handler is named nobody')
  })

  test('holds the handlers that felt an outage, and no other', () => {
    const gate = gateOf()
    attempt(gate, 'orders', { sign: 'down', nowMs: 0 })
    expect([gate.mayStart('orders', 1), gate.mayStart('users', 1)]).toEqual([false, true])
    expect(gate.breakers(40)).toEqual([
      { dependency: 'database', ours: false, openForMs: 40, error: 'gone', handlers: ['orders'] },
    ])
    expect(gate.handlers().map(({ heldBy }) => heldBy)).toEqual(['database', null, null])
  })

  test('sends one probe for all handlers of one dependency, and a good one frees them all', () => {
    const gate = gateOf()
    attempt(gate, 'orders', { sign: 'down', nowMs: 0 })
    attempt(gate, 'users', { sign: 'down', nowMs: 10 })
    expect([gate.mayStart('orders', 250), gate.mayStart('users', 250)]).toEqual([true, true])
    const probe = {}
    gate.started('users', probe)
    expect([gate.mayStart('orders', 1e9), gate.mayStart('users', 1e9)]).toEqual([false, false])
    gate.ended('users', probe, { sign: 'up', nowMs: 300 })
    expect([gate.mayStart('orders', 300), gate.mayStart('users', 300)]).toEqual([true, true])
    expect(gate.breakers(300)).toEqual([])
  })

  test('a success that was under way when the breaker opened closes nothing', () => {
    const gate = gateOf()
    const early = {}
    gate.started('orders', early)
    attempt(gate, 'orders', { sign: 'down', nowMs: 0 })
    gate.ended('orders', early, { sign: 'up', nowMs: 1 })
    expect(gate.mayStart('orders', 1)).toBe(false)
  })

  test('a probe that fails with the outage of something else ends: the breaker it probed may probe again', () => {
    const gate = gateOf()
    attempt(gate, 'orders', { sign: 'down', nowMs: 0, dependency: 'database' })
    attempt(gate, 'orders', { sign: 'down', nowMs: 250, dependency: 'registry' })
    expect(gate.breakers(250).map(({ dependency }) => dependency)).toEqual(['database', 'registry'])
    expect(gate.mayStart('orders', 251)).toBe(false)
    expect(gate.mayStart('orders', 500)).toBe(true)
    attempt(gate, 'orders', { sign: 'up', nowMs: 500 })
    expect(gate.breakers(500)).toEqual([])
  })

  test('says when each breaker may probe: one that nobody probes hides no other', () => {
    const gate = gateOf()
    attempt(gate, 'orders', { sign: 'down', nowMs: 0, dependency: 'database' })
    attempt(gate, 'users', { sign: 'down', nowMs: 1_000, dependency: 'registry' })
    expect([...gate.probeTimes()]).toEqual([250, 1_250])
  })

  test('whatever happens, one probe is out at most, and what is held may go on in the end', () => {
    const end = fc.record({
      handler: fc.constantFrom('orders', 'users', 'audit'),
      sign: fc.constantFrom<Sign>('up', 'down', 'none'),
      dependency: fc.constantFrom('database', 'registry', 'search'),
      restMs: fc.nat(20_000),
      overlap: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(end, { maxLength: 60 }), fc.nat(), (ends, chance) => {
        const gate = gateOf(null, randomOf(chance))
        let nowMs = 0
        let out: { handler: string; record: object; sign: Sign; dependency: string }[] = []
        const answer = () => {
          for (const { handler, record, sign, dependency } of out) {
            gate.ended(handler, record, { sign, nowMs })
            if (sign === 'down') gate.failed(outage(handler, dependency), record, nowMs)
          }
          out = []
        }
        for (const { handler, sign, dependency, restMs, overlap } of ends) {
          nowMs += restMs
          if (gate.mayStart(handler, nowMs)) {
            const held = gate.holding(handler) !== null
            const record = {}
            gate.started(handler, record)
            out.push({ handler, record, sign, dependency })
            equal(held && gate.mayStart(handler, nowMs + 1e9), false)
          }
          if (!overlap) answer()
        }
        answer()
        for (const handler of ['orders', 'users', 'audit']) {
          nowMs += 30_000
          expect(gate.mayStart(handler, nowMs), `${handler} is never tried again`).toBe(true)
        }
      }),
      { seed, numRuns: 300 },
    )
  })
})
