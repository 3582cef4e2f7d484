/** Who is paused, when to commit, and the way of the process: the small deciders. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Budget } from '../../src/core/budget.ts'
import { Commits } from '../../src/core/commits.ts'
import { Lanes } from '../../src/core/lanes.ts'
import { advance, type LifecycleState } from '../../src/core/lifecycle.ts'
import { Partition } from '../../src/core/partition.ts'
import { pauseWanted } from '../../src/core/pause.ts'
import type { Taken } from '../../src/core/record.ts'
import type { PauseReason } from '../../src/core/status.ts'
import { recordOf } from './make.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('limits.test.ts')

function partitionOf(epoch: number, { records = 0, bytes = 1, windowMax = 1_000 } = {}): Partition<Taken> {
  const assignment = { topic: 'orders', partition: epoch, epoch }
  const partition = new Partition<Taken>(assignment, new Lanes(), windowMax)
  fetch(partition, { count: records, bytes })
  return partition
}

function fetch(partition: Partition<Taken>, { count, bytes = 1 }: { count: number; bytes?: number }) {
  const positionBefore = partition.ledger?.position ?? 0
  const positionAfter = positionBefore + count
  const records = Array.from({ length: count }, (_, index) => recordOf(positionBefore + index, { bytes, lane: null }))
  const { assignment } = partition
  partition.take(
    { assignment, records, positionBefore, positionAfter, highWatermark: positionAfter, leaderEpoch: 0 },
    0,
  )
}

/** Takes the first of its lanes and settles it. */
function settle(partition: Partition<Taken>, count: number) {
  for (let index = 0; index < count; index++) {
    if (partition.lanes.ready === 0) partition.admit()
    const work = partition.lanes.take('h')
    if (work === undefined) throw new RangeError('nothing is left to settle')
    partition.settle(work)
    partition.lanes.done(work)
  }
}

const taken = ({ assignment }: Partition<Taken>, nextOffset: number) => ({ assignment, nextOffset, metadata: '' })

const holding = (records: number, bytes = 0) => ({ records, bytes })

function budgetOf(records: number, bytes = 0): Budget {
  const budget = new Budget({ recordsMax: 100, bytesMax: 1_000 })
  budget.add(records, bytes)
  return budget
}

describe('the budget', () => {
  test.each([
    ['room for all', budgetOf(49), holding(49), false],
    ['half full, and this one has its fair share', budgetOf(50), holding(25), true],
    ['half full, and this one has less', budgetOf(50), holding(24), false],
    ['full: everybody', budgetOf(100), holding(0), true],
    ['half full in bytes, and this one has its fair share of them', budgetOf(4, 500), holding(1, 250), true],
    ['full in bytes, though few records', budgetOf(1, 1_000), holding(0), true],
    ['fuller than full: an answer was on its way', budgetOf(130), holding(1), true],
  ])('pauses one of four: %s', (_, budget, held, pauses) => {
    expect(budget.mustPause(held, 4)).toBe(pauses)
  })

  test.each([
    ['three quarters are free', budgetOf(25), holding(25), true],
    ['it is down to half its share', budgetOf(99), holding(12), true],
    ['it has more than half its share', budgetOf(99), holding(13), false],
    ['nothing is free', budgetOf(100), holding(0), false],
  ])('lets one of four go on: %s', (_, budget, held, resumes) => {
    expect(budget.mayResume(held, 4)).toBe(resumes)
  })

  test('never asks for a pause and a resume at once, and an empty one lets everybody go on', () => {
    const part = fc.tuple(fc.nat(120), fc.nat(1_200))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), parts => {
        const budget = budgetOf(0)
        for (const [records, bytes] of parts) budget.add(records, bytes)
        for (const [records, bytes] of parts) {
          const held = { records, bytes }
          expect(budget.mustPause(held, parts.length) && budget.mayResume(held, parts.length)).toBe(false)
        }
        for (const [records, bytes] of parts) budget.remove(records, bytes)
        expect([budget.records, budget.bytes]).toEqual([0, 0])
        expect(budget.mayResume(holding(0), parts.length)).toBe(true)
      }),
      { seed },
    )
  })
})

describe('why a partition is paused', () => {
  test('its window is full, until half of it is free again', () => {
    const partition = partitionOf(1, { records: 9, windowMax: 10 })
    const roomy = new Budget({ recordsMax: 1_000_000, bytesMax: 1_000_000_000 })
    const wanted = () => (partition.paused = pauseWanted(partition, roomy, 1))
    expect(wanted()).toBeNull()
    fetch(partition, { count: 1 })
    expect(wanted()).toBe('window')
    settle(partition, 5)
    expect(wanted()).toBe('window')
    settle(partition, 1)
    expect(wanted()).toBeNull()
  })

  test('intake comes before all, the window before the budget', () => {
    const full = new Budget({ recordsMax: 1, bytesMax: 1 })
    full.add(1, 1)
    const partition = partitionOf(1, { records: 10, windowMax: 10 })
    expect(pauseWanted(partition, full, 1)).toBe('window')
    partition.intakeHeld = 'schema 7 is not known yet'
    expect(pauseWanted(partition, full, 1)).toBe('intake')
  })

  test('what paused a partition for one reason does not flap when another takes over', () => {
    const wishes = fc.array(fc.record({ fetch: fc.nat(6), settle: fc.nat(6) }), { maxLength: 60 })
    fc.assert(
      fc.property(wishes, wishes => {
        const budget = new Budget({ recordsMax: 20, bytesMax: 1_000 })
        const partition = partitionOf(1, { windowMax: 15 })
        for (const wish of wishes) {
          const before = partition.records
          // Paused is paused: the client asks for nothing.
          if (partition.paused === null) fetch(partition, { count: wish.fetch })
          settle(partition, Math.min(wish.settle, partition.records))
          budget.add(partition.records - before, 0)
          const wanted: PauseReason | null = pauseWanted(partition, budget, 1)
          partition.paused = wanted
          expect(pauseWanted(partition, budget, 1), 'nothing happened, so nothing changes').toBe(wanted)
          expect(partition.records > 0 || wanted === null, 'what holds nothing is not paused').toBe(true)
        }
      }),
      { seed },
    )
  })
})

describe('commits', () => {
  const INTERVAL_MS = 1_000
  const ready = (records = 5, settled = 3) => {
    const partition = partitionOf(1, { records })
    settle(partition, settled)
    const commits = new Commits<Taken>(INTERVAL_MS, 0)
    commits.moved(partition)
    return { partition, commits }
  }
  const NEVER = Number.POSITIVE_INFINITY

  test('nothing is due while nothing moved', () => {
    const commits = new Commits<Taken>(INTERVAL_MS, 0)
    commits.moved(partitionOf(1, { records: 3 }))
    expect([commits.idle, commits.dueAtMs(false), commits.dueAtMs(true)]).toEqual([true, NEVER, NEVER])
  })

  test('one is due an interval after the last one began, or at once when somebody waits', () => {
    const { commits, partition } = ready()
    expect([commits.idle, commits.dueAtMs(false), commits.dueAtMs(true)]).toEqual([false, 1_000, 0])
    expect(commits.begin(1_000)).toEqual([taken(partition, 3)])
    expect([commits.underWay, commits.idle, commits.dueAtMs(true)]).toEqual([true, false, NEVER])
    commits.succeeded(partition, taken(partition, 3))
    commits.ended()
    expect([commits.underWay, commits.idle]).toEqual([false, true])
    settle(partition, 1)
    commits.moved(partition)
    expect(commits.dueAtMs(false)).toBe(2_000)
  })

  test('a failed one is computed anew, not replayed', () => {
    const { commits, partition } = ready()
    commits.begin(1_000)
    settle(partition, 2)
    commits.moved(partition)
    commits.failed('generation', 1_100)
    expect([commits.dueAtMs(true), commits.dueAtMs(false)]).toEqual([1_300, 2_000])
    expect(commits.begin(2_000)).toEqual([taken(partition, 5)])
  })

  test('what settled while one was under way is left for the next', () => {
    const { commits, partition } = ready()
    commits.begin(1_000)
    settle(partition, 1)
    commits.moved(partition)
    commits.succeeded(partition, taken(partition, 3))
    commits.ended()
    expect(commits.idle).toBe(false)
    expect(commits.begin(2_000)).toEqual([taken(partition, 4)])
  })

  test('a partition that is gone is not in it', () => {
    const { commits, partition } = ready()
    commits.gone(partition)
    expect([commits.idle, commits.begin(1_000), commits.underWay]).toEqual([true, [], false])
  })

  test('committed never falls, whatever an answer says', () => {
    const { commits, partition } = ready()
    partition.committed = 7
    commits.succeeded(partition, taken(partition, 3))
    expect(partition.committed).toBe(7)
  })

  test('what the broker turned out to know is not committed again', () => {
    const { commits, partition } = ready()
    partition.committed = 3
    expect([commits.begin(1_000), commits.underWay, commits.idle]).toEqual([[], false, true])
  })

  test.each([
    [['refused'], [false]],
    [
      ['refused', 'refused', 'refused', 'refused'],
      [false, true, false, true],
    ],
    [
      ['generation', 'fenced', 'generation'],
      [false, false, false],
    ],
    [
      ['refused', 'ok', 'refused', 'refused'],
      [false, false, false, true],
    ],
  ] as const)('%j: a rejoin is asked for after every second refusal in a row', (ends, rejoins) => {
    const { commits } = ready()
    const asked = ends.map(end => {
      commits.begin(0)
      if (end !== 'ok') return commits.failed(end, 0)
      commits.ended()
      return false
    })
    expect(asked).toEqual(rejoins)
  })
})

test('a lifecycle goes one way: no step leads back', () => {
  const states: LifecycleState[] = ['starting', 'running', 'draining', 'stopped']
  for (const [from, state] of states.entries()) {
    const after = states.map(next => advance(state, next))
    expect(after).toEqual(states.map((next, to) => (to > from ? next : state)))
  }
})
