/** What a commit stores of a partition: the committable offset, and in its metadata what is settled above it, restored or new. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeCompletions, encodeCompletions } from '../../src/core/completions.ts'
import type { OffsetToCommit } from '../../src/core/facts.ts'
import { Lanes } from '../../src/core/lanes.ts'
import { Partition } from '../../src/core/partition.ts'
import type { Disposition, Taken } from '../../src/core/record.ts'
import type { Work } from '../../src/core/work.ts'
import { assignmentOf, handledBy, recordOf } from './make.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('partition.test.ts')

/** A partition whose outside is played by the test; it settles by offset. */
class Bench {
  readonly partition = new Partition<Taken>(assignmentOf(0, 1), new Lanes(), 1_000)
  readonly #works = new Map<number, Work<Taken>>()

  /** What the group had stored. */
  restored(committed: number, settled: readonly number[], leaderEpoch = 3): this {
    const metadata = encodeCompletions({ base: committed, leaderEpoch, settled })
    const completions = decodeCompletions(metadata, { committed })
    this.partition.restore({ assignment: this.partition.assignment, committed, completions })
    return this
  }

  /** Offsets [from, to), of which some are settled by being taken. */
  fetch(from: number, to: number, { leaderEpoch = 3, completed = [] as readonly number[] } = {}): this {
    const records = Array.from({ length: to - from }, (_, index) => {
      const offset = from + index
      return recordOf(offset, { lane: null, disposition: completed.includes(offset) ? COMPLETED : handledBy('h') })
    })
    const range = { positionBefore: from, positionAfter: to, highWatermark: to, leaderEpoch }
    const { partition } = this
    for (const work of partition.take({ assignment: partition.assignment, records, ...range }, 0)) {
      partition.settle(work)
    }
    while (partition.admit());
    for (let work = partition.lanes.take('h'); work !== undefined; work = partition.lanes.take('h')) {
      this.#works.set(work.record.offset, work)
    }
    return this
  }

  settle(...offsets: number[]): this {
    for (const offset of offsets) {
      const work = this.#works.get(offset)
      if (work === undefined) throw new RangeError(`offset ${offset} was not fetched`)
      this.partition.settle(work)
    }
    return this
  }

  /** `next+settled…@epoch`; null when there is nothing to commit. */
  commit(): string | null {
    const offset = this.partition.takeCommit()
    return offset === null ? null : spell(offset)
  }

  /** The same, and the broker takes it. */
  committed(): string | null {
    const offset = this.partition.takeCommit()
    if (offset !== null) this.partition.commitTaken(offset)
    return offset === null ? null : spell(offset)
  }
}

const COMPLETED: Disposition = { kind: 'completed' }

function spell({ nextOffset, metadata }: OffsetToCommit): string {
  const completions = decodeCompletions(metadata, { committed: nextOffset })
  if (completions === null) return metadata === '' ? `${nextOffset}` : `${nextOffset}: unreadable`
  return `${[nextOffset, ...completions.from(0)].join('+')}@${completions.leaderEpoch}`
}

const begun = () => new Bench().restored(10, [])

describe('there is something to commit', () => {
  test('not before the first answer, not before anything settled', () => {
    const bench = begun()
    expect([bench.partition.hasToCommit, bench.commit()]).toEqual([false, null])
    bench.fetch(10, 14)
    expect([bench.partition.hasToCommit, bench.commit()]).toEqual([false, null])
  })

  test('when the committable offset moved', () => {
    expect(begun().fetch(10, 14).settle(10).commit()).toBe('11')
  })

  test('when only what is settled above it did', () => {
    const bench = begun().fetch(10, 14).settle(12)
    expect(bench.partition.hasToCommit).toBe(true)
    expect(bench.committed()).toBe('10+12@3')
    expect([bench.partition.hasToCommit, bench.commit()], 'nothing is new').toEqual([false, null])
    expect(bench.settle(13).committed()).toBe('10+12+13@3')
    expect(bench.settle(10, 11).committed(), 'nothing is settled above').toBe('14')
  })

  test('in a group that has stored nothing yet too', () => {
    const bench = new Bench()
    bench.partition.restore({ assignment: bench.partition.assignment, committed: null, completions: null })
    expect(bench.fetch(10, 14).settle(12).committed()).toBe('10+12@3')
    expect(bench.partition.committed).toBe(10)
  })

  test('as long as the broker has not taken it', () => {
    const bench = begun().fetch(10, 14).settle(12)
    expect(bench.commit()).toBe('10+12@3')
    expect(bench.partition.hasToCommit).toBe(true)
    expect(bench.committed()).toBe('10+12@3')
    expect(bench.partition.hasToCommit).toBe(false)
  })

  test('when something settled while a commit was under way', () => {
    const bench = begun().fetch(10, 14).settle(12)
    const offset = bench.partition.takeCommit()
    bench.settle(13)
    if (offset !== null) bench.partition.commitTaken(offset)
    expect(bench.commit()).toBe('10+12+13@3')
  })

  test('not when the broker turned out to hold a higher offset: committed never falls', () => {
    const bench = begun().fetch(10, 14).settle(12)
    const known = { assignment: bench.partition.assignment, committed: 13, highWatermark: 14, logStart: 0 }
    bench.partition.know(known)
    expect([bench.partition.hasToCommit, bench.commit()]).toEqual([false, null])
    expect(bench.settle(10, 11, 13).commit()).toBe('14')
  })
})

describe('what was settled before', () => {
  test('is carried by every commit until it was fetched again', () => {
    const bench = new Bench().restored(10, [12, 30, 40]).fetch(10, 12)
    expect(bench.commit(), 'it is stored already').toBeNull()
    expect(bench.settle(11).committed()).toBe('10+11+12+30+40@3')
    expect(bench.fetch(12, 31, { completed: [12, 30] }).committed()).toBe('10+11+12+30+40@3')
    const rest = Array.from({ length: 17 }, (_, index) => 13 + index)
    expect(bench.settle(10, ...rest.slice(1)).committed()).toBe(`13+${rest.slice(1).join('+')}+30+40@3`)
    expect(bench.settle(13).committed()).toBe('31+40@3')
    expect(bench.fetch(31, 41, { completed: [40] }).commit()).toBe('31+40@3')
  })

  test('and stands where reading goes on is completed at the very offset that is committed', () => {
    const bench = new Bench().restored(10, [12, 13]).fetch(10, 12)
    expect(bench.settle(10, 11).committed()).toBe('12+12+13@3')
  })

  test('is forgotten under a higher leader epoch: other records may stand there', () => {
    const bench = new Bench().restored(10, [12, 30]).fetch(10, 12, { leaderEpoch: 4 })
    expect(bench.settle(11).commit()).toBe('10+11@4')
    const later = new Bench().restored(10, [12, 30]).fetch(10, 12)
    expect(later.settle(11).committed()).toBe('10+11+12+30@3')
    expect(later.fetch(12, 14, { leaderEpoch: 4 }).settle(13).commit()).toBe('10+11+13@4')
  })

  test('keeps its leader epoch when what is taken has a lower one, or none', () => {
    expect(new Bench().restored(10, [30]).fetch(10, 12, { leaderEpoch: 2 }).settle(11).commit()).toBe('10+11+30@3')
    expect(new Bench().restored(10, [30]).fetch(10, 12, { leaderEpoch: -1 }).settle(11).commit()).toBe('10+11+30@3')
  })

  test('is passed over with what the log has lost', () => {
    const bench = new Bench().restored(10, [12, 30]).fetch(20, 22)
    expect(bench.committed()).toBe('20+30@3')
    expect(new Bench().restored(10, [12, 30]).fetch(50, 52).commit()).toBe('50')
  })

  test('is nothing where no offset was stored, or nothing that can be read', () => {
    const bench = begun()
    expect(bench.partition.committed).toBe(10)
    expect(bench.fetch(10, 14).settle(11).commit()).toBe('10+11@3')
  })
})

describe('the leader epoch', () => {
  test('is the highest of what was taken, whatever comes later', () => {
    const bench = begun().fetch(10, 12, { leaderEpoch: 5 }).fetch(12, 14, { leaderEpoch: 4 })
    expect(bench.settle(13).commit()).toBe('10+13@5')
  })

  test('unknown claims nothing', () => {
    const bench = begun().fetch(10, 14, { leaderEpoch: -1 }).settle(12)
    expect(bench.partition.takeCommit()).toMatchObject({ nextOffset: 10, metadata: '' })
  })
})

describe('what is settled by being taken', () => {
  test('is what is ignored and what is completed; it is in no lane and weighs nothing once settled', () => {
    const { partition } = begun()
    const dispositions: Disposition[] = [handledBy('h'), COMPLETED, { kind: 'ignore' }]
    const records = dispositions.map((disposition, index) => recordOf(10 + index, { disposition }))
    const range = { positionBefore: 10, positionAfter: 13, highWatermark: 13, leaderEpoch: 3 }
    const settled = partition.take({ assignment: partition.assignment, records, ...range }, 0)
    expect(settled.map(({ record }) => record.offset)).toEqual([11, 12])
    for (const work of settled) expect(partition.settle(work)).toBe(true)
    expect([partition.records, partition.bytes, partition.buffered]).toEqual([1, 100, 1])
  })
})

/** Offsets from a base on, each settled or not, and where they are cut into answers. */
const history = fc.record({
  settledBefore: fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
  settledNow: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
  read: fc.nat(60),
})

test('no commit forgets what is settled, wherever reading is interrupted', () => {
  fc.assert(
    fc.property(history, ({ settledBefore, settledNow, read }) => {
      const before = settledBefore.flatMap((settled, index) => (settled && index > 0 ? [index] : []))
      const end = Math.min(read, settledBefore.length)
      const bench = new Bench().restored(0, before).fetch(0, end, { completed: before })
      const now = settledNow.flatMap((settled, offset) => (settled && offset < end ? [offset] : []))
      bench.settle(...now.filter(offset => !before.includes(offset)))
      const all = [...new Set([...before, ...now])].toSorted((one, other) => one - other)
      let base = 0
      while (base < end && all.includes(base)) base++
      const ahead = all.filter(offset => offset >= base)
      const expected = ahead.length === 0 ? `${base}` : `${[base, ...ahead].join('+')}@3`
      const isNew = base > 0 || all.length > before.length || before.some(offset => offset < end)
      expect(bench.commit()).toBe(isNew ? expected : null)
    }),
    { seed, numRuns: 500 },
  )
})
