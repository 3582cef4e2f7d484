import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../../src/core/assert.ts'
import { Ledger } from '../../src/core/ledger.ts'
import { collect } from './memory.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('ledger.test.ts')

interface Item {
  readonly offset: number
}

function ledgerOf(start: number, ...offsets: number[]): Ledger<Item> {
  const ledger = new Ledger<Item>(start)
  for (const offset of offsets) ledger.take(offset, { offset })
  return ledger
}

/** What the ledger knows, at a glance. */
function glance({ committable, position, unsettled, span, oldest }: Ledger<Item>) {
  return { committable, position, unsettled, span, oldest: oldest?.offset ?? null }
}

describe('what may be committed', () => {
  test('nothing but the start, while nothing was taken', () => {
    expect(glance(ledgerOf(7))).toEqual({ committable: 7, position: 7, unsettled: 0, span: 0, oldest: null })
  })

  test('the lowest unsettled offset, whatever is settled above it', () => {
    const ledger = ledgerOf(0, 0, 1, 2, 3)
    for (const offset of [3, 1, 2]) expect(ledger.settle(offset)).toBe(true)
    expect(glance(ledger)).toEqual({ committable: 0, position: 4, unsettled: 1, span: 4, oldest: 0 })
  })

  test('all that was settled above is passed at once when the lowest one is settled', () => {
    const ledger = ledgerOf(0, 0, 1, 2, 3)
    for (const offset of [2, 1, 0]) ledger.settle(offset)
    expect(glance(ledger)).toEqual({ committable: 3, position: 4, unsettled: 1, span: 1, oldest: 3 })
  })

  test('the position, when everything is settled', () => {
    const ledger = ledgerOf(5, 5, 6)
    ledger.settle(5)
    ledger.settle(6)
    expect(glance(ledger)).toEqual({ committable: 7, position: 7, unsettled: 0, span: 0, oldest: null })
  })
})

describe('what is settled above it', () => {
  test('is counted and listed, rising, gaps or not, and none of it below', () => {
    const ledger = ledgerOf(0, 0, 3, 5, 90, 91)
    for (const offset of [91, 5, 0]) ledger.settle(offset)
    expect(ledger.committable).toBe(3)
    expect([...ledger.offsetsAhead()]).toEqual([5, 91])
    expect([ledger.settledAhead, ledger.settles]).toEqual([2, 3])
  })

  test('is nothing before the first take, and when all is settled', () => {
    const ledger = ledgerOf(7)
    expect([[...ledger.offsetsAhead()], ledger.settledAhead, ledger.settles]).toEqual([[], 0, 0])
    ledger.take(7, { offset: 7 })
    ledger.settle(7)
    expect([[...ledger.offsetsAhead()], ledger.settledAhead, ledger.settles]).toEqual([[], 0, 1])
  })

  test('only what settles for the first time is counted', () => {
    const ledger = ledgerOf(0, 0, 1)
    ledger.settle(1)
    ledger.settle(1)
    ledger.settle(7)
    expect(ledger.settles).toBe(1)
  })

  test('is listed as far as it is asked for: a long ring is not walked for the first few', () => {
    const ledger = ledgerOf(0)
    for (let offset = 0; offset < 5_000; offset++) ledger.take(offset, { offset })
    for (let offset = 1; offset < 5_000; offset++) ledger.settle(offset)
    const first: number[] = []
    for (const offset of ledger.offsetsAhead()) {
      if (first.length === 3) break
      first.push(offset)
    }
    expect(first).toEqual([1, 2, 3])
  })
})

describe('gaps', () => {
  test('the committable offset jumps over what compaction removed', () => {
    const ledger = ledgerOf(0, 3, 90, 1_000_000)
    expect(ledger.committable).toBe(3)
    ledger.settle(3)
    expect(ledger.committable).toBe(90)
    expect(ledger.span).toBe(1_000_000 - 90 + 1)
  })

  test('an offset within a gap is unknown', () => {
    const ledger = ledgerOf(0, 3, 90)
    expect([0, 2, 4, 89, 91].filter(offset => ledger.settle(offset))).toEqual([])
    expect(ledger.unsettled).toBe(2)
  })

  test('the end of the fetched range is the position, though no record shows it', () => {
    const ledger = ledgerOf(0, 0)
    ledger.advanceTo(10)
    expect(glance(ledger)).toMatchObject({ committable: 0, position: 10, span: 1 })
    ledger.settle(0)
    expect(ledger.committable).toBe(10)
  })

  test('a range without records moves what may be committed', () => {
    const ledger = ledgerOf(4)
    ledger.advanceTo(9)
    expect(glance(ledger)).toEqual({ committable: 9, position: 9, unsettled: 0, span: 0, oldest: null })
  })
})

describe('what is refused', () => {
  test('an offset that was settled', () => {
    const ledger = ledgerOf(0, 0, 1)
    expect(ledger.settle(1)).toBe(true)
    expect(ledger.settle(1)).toBe(false)
    expect(ledger.settle(0)).toBe(true)
    expect(ledger.settle(0)).toBe(false)
    expect(ledger.settle(1)).toBe(false)
    expect(ledger.unsettled).toBe(0)
  })

  test('an offset that was never taken, and what is no offset', () => {
    const ledger = ledgerOf(10, 10, 12)
    const strange = [-1, 0, 9, 11, 13, 10.5, Number.NaN, Number.POSITIVE_INFINITY]
    expect(strange.filter(offset => ledger.settle(offset))).toEqual([])
  })

  test.each([
    ['a repeated offset', 4],
    ['a lower offset', 3],
    ['a fraction', 5.5],
    ['a number that is not exact', 2 ** 53],
  ])('%s is not taken', (_, offset) => {
    expect(() => ledgerOf(0, 4).take(offset, { offset })).toThrow(BrokenInvariant)
  })

  test('an offset below the end of the range that was fetched is not taken', () => {
    const ledger = ledgerOf(0)
    ledger.advanceTo(10)
    expect(() => ledger.take(9, { offset: 9 })).toThrow('rising order')
  })

  test('a position that falls', () => {
    expect(() => ledgerOf(0, 4).advanceTo(4)).toThrow('never moves backwards')
  })
})

describe('the ring', () => {
  test('grows while it is wound around its end, and loses nothing', () => {
    const ledger = ledgerOf(0)
    let next = 0
    const take = (count: number) => {
      for (const end = next + count; next < end; next++) ledger.take(next * 3, { offset: next * 3 })
    }
    take(200)
    for (let index = 0; index < 150; index++) ledger.settle(index * 3)
    take(2_000)
    expect(glance(ledger)).toMatchObject({ committable: 450, unsettled: 2_050, oldest: 450 })
    for (let index = 2_199; index >= 150; index--) expect(ledger.settle(index * 3)).toBe(true)
    expect(glance(ledger)).toEqual({ committable: 6_598, position: 6_598, unsettled: 0, span: 0, oldest: null })
  })

  test('keeps nothing alive that is settled', async () => {
    const ledger = new Ledger<Item>(0)
    const weak = Array.from({ length: 10 }, (_, offset) => {
      const item = { offset }
      ledger.take(offset, item)
      return new WeakRef(item)
    })
    for (const offset of [0, 1, 5, 9]) ledger.settle(offset)
    await collect()
    const alive = weak.flatMap((item, offset) => (item.deref() === undefined ? [] : [offset]))
    expect(alive).toEqual([2, 3, 4, 6, 7, 8])
    expect(ledger.unsettled).toBe(6)
  })
})

// ── Against a naive model ───────────────────────────────────────────────────────────────────────────────────────────────

/** A sorted list of what was taken and a set of what is settled: slow and plainly right. */
class NaiveLedger {
  readonly taken: number[] = []
  readonly settled = new Set<number>()
  position: number

  constructor(start: number) {
    this.position = start
  }

  get ahead(): number[] {
    const { committable } = this.glance()
    return this.taken.filter(offset => offset > committable && this.settled.has(offset))
  }

  glance() {
    const unsettled = this.taken.filter(offset => !this.settled.has(offset))
    const oldest = unsettled[0] ?? null
    const newest = this.taken.at(-1) ?? 0
    return {
      committable: oldest ?? this.position,
      position: this.position,
      unsettled: unsettled.length,
      span: oldest === null ? 0 : newest - oldest + 1,
      oldest,
    }
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('take'), gap: fc.oneof(fc.constant(0), fc.nat(5)) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('takeMany'), gap: fc.nat(300) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('settle'), gap: fc.nat(1_000) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('settleAny'), gap: fc.integer({ min: -20, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('settleLowest'), gap: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('advance'), gap: fc.nat(20) }) },
)

function play(ledger: Ledger<Item>, model: NaiveLedger, { type, gap }: { type: string; gap: number }): void {
  const take = (offset: number) => {
    ledger.take(offset, { offset })
    model.taken.push(offset)
    model.position = offset + 1
  }
  const settle = (offset: number) => {
    const first = model.taken.includes(offset) && !model.settled.has(offset)
    expect(ledger.settle(offset), `settle ${offset}`).toBe(first)
    if (first) model.settled.add(offset)
  }
  if (type === 'take') take(model.position + gap)
  else if (type === 'takeMany')
    for (let index = 0; index < gap; index++) take(model.position + (index % 7 === 0 ? 2 : 0))
  else if (type === 'settle') settle(model.taken[gap % Math.max(1, model.taken.length)] ?? gap)
  else if (type === 'settleAny') settle((model.glance().oldest ?? model.position) + gap)
  else if (type === 'settleLowest') for (const offset of model.taken.slice(-600).slice(0, gap)) settle(offset)
  else {
    ledger.advanceTo(model.position + gap)
    model.position += gap
  }
}

test('any takes, settles and advances: the ledger says what a sorted list and a set say, and committable never falls', () => {
  const steps = fc.array(step, { maxLength: 80 })
  fc.assert(
    fc.property(fc.nat(1_000), steps, (start, steps) => {
      const ledger = new Ledger<Item>(start)
      const model = new NaiveLedger(start)
      let committable = start
      for (const step of steps) {
        play(ledger, model, step)
        expect(glance(ledger)).toEqual(model.glance())
        const { ahead } = model
        expect([...ledger.offsetsAhead()]).toEqual(ahead)
        expect([ledger.settledAhead, ledger.settles]).toEqual([ahead.length, model.settled.size])
        expect(ledger.committable).toBeGreaterThanOrEqual(committable)
        committable = ledger.committable
      }
    }),
    { seed, numRuns: 300 },
  )
})
