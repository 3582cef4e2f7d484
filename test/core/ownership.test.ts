import { deepEqual } from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Owned, Ownership, type Protocol } from '../../src/core/ownership.ts'
import { type Assignment, placeOf, type TopicPartition } from '../../src/core/record.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('ownership.test.ts')

interface Part extends Owned {
  readonly assignment: Assignment
}

const at = (partition: number, topic = 'orders'): TopicPartition => ({ topic, partition })
const places = (...partitions: number[]) => partitions.map(partition => at(partition))
const namesOf = (parts: readonly Part[]) => parts.map(({ assignment }) => `${assignment.partition}#${assignment.epoch}`)

function ownership(): Ownership<Part> {
  let epochs = 0
  return new Ownership(({ topic, partition }) => ({ assignment: { topic, partition, epoch: ++epochs } }))
}

/** After a first join with these. */
function owning(...partitions: number[]): Ownership<Part> {
  const owned = ownership()
  owned.join(places(...partitions), 'cooperative')
  return owned
}

function join(owned: Ownership<Part>, partitions: readonly number[], protocol: Protocol = 'cooperative') {
  const { kept, gained, leaving } = owned.join(places(...partitions), protocol)
  return { kept: namesOf(kept), gained: namesOf(gained), leaving: namesOf(leaving).toSorted() }
}

/** What it says of itself. */
function glance({ owned, staying, leaving }: Ownership<Part>) {
  return { owned: namesOf(owned).toSorted(), staying: namesOf(staying), leaving: namesOf(leaving) }
}

function partOf(owned: Ownership<Part>, partition: number): Part {
  const part = owned.at(at(partition))
  if (part === null) throw new RangeError(`partition ${partition} is not owned`)
  return part
}

describe('a cooperative join', () => {
  test('begins what is new, and keeps what was ours as it was', () => {
    const owned = owning(0, 1)
    expect(join(owned, [0, 1, 2])).toEqual({ kept: ['0#1', '1#2'], gained: ['2#3'], leaving: [] })
    expect(glance(owned)).toEqual({ owned: ['0#1', '1#2', '2#3'], staying: ['0#1', '1#2', '2#3'], leaving: [] })
  })

  test('leaves what it takes away with us until it is given up: it is claimed, and not read', () => {
    const owned = owning(0, 1)
    expect(join(owned, [1])).toEqual({ kept: ['1#2'], gained: [], leaving: ['0#1'] })
    expect(glance(owned)).toEqual({ owned: ['0#1', '1#2'], staying: ['1#2'], leaving: ['0#1'] })
    const part = partOf(owned, 0)
    expect([owned.isStaying(part), owned.isStaying(partOf(owned, 1))]).toEqual([false, true])
    owned.drop([part])
    expect(glance(owned)).toEqual({ owned: ['1#2'], staying: ['1#2'], leaving: [] })
  })

  test('names what leaves once, though it is not given up before the next join', () => {
    const owned = owning(0, 1, 2)
    join(owned, [1, 2])
    expect(join(owned, [2])).toEqual({ kept: ['2#3'], gained: [], leaving: ['1#2'] })
    expect(glance(owned).leaving.toSorted()).toEqual(['0#1', '1#2'])
  })

  test('gives back what was leaving, as it was', () => {
    const owned = owning(0, 1)
    join(owned, [1])
    expect(join(owned, [0, 1])).toEqual({ kept: ['0#1', '1#2'], gained: [], leaving: [] })
    expect(glance(owned).leaving).toEqual([])
    expect(join(owned, [1]).leaving, 'and takes it away again').toEqual(['0#1'])
  })

  test('begins anew what was given up before', () => {
    const owned = owning(0, 1)
    join(owned, [1])
    owned.drop([partOf(owned, 0)])
    expect(join(owned, [0, 1])).toEqual({ kept: ['1#2'], gained: ['0#3'], leaving: [] })
  })
})

describe('an eager join', () => {
  test('has what it does not name given up already, and begins anew with what it names', () => {
    const owned = owning(0, 1)
    expect(join(owned, [1, 2], 'eager')).toEqual({ kept: [], gained: ['1#3', '2#4'], leaving: [] })
    expect(glance(owned)).toEqual({ owned: ['1#3', '2#4'], staying: ['1#3', '2#4'], leaving: [] })
  })

  test('ends also what was leaving', () => {
    const owned = owning(0, 1)
    join(owned, [1])
    expect(join(owned, [1], 'eager').leaving).toEqual([])
    expect(owned.at(at(0))).toBeNull()
  })
})

describe('whose it is', () => {
  test('is asked by place, and by exactly one assignment', () => {
    const owned = owning(0)
    const part = partOf(owned, 0)
    expect(owned.of(part.assignment)).toBe(part)
    expect(owned.of({ ...part.assignment, epoch: 9 })).toBeNull()
    expect(owned.at(at(0, 'users'))).toBeNull()
    expect(owned.at(at(1))).toBeNull()
  })

  test('a log that is another one begins under an epoch of its own, and the old part is nobody’s', () => {
    const owned = owning(0, 1)
    const old = partOf(owned, 0)
    const renewed = owned.renew(old)
    expect(renewed.assignment).toEqual({ topic: 'orders', partition: 0, epoch: 3 })
    expect(owned.of(old.assignment)).toBeNull()
    expect([owned.isStaying(old), owned.isStaying(renewed)]).toEqual([false, true])
    owned.drop([old])
    expect(glance(owned).owned, 'a late end of the old one takes nothing').toEqual(['0#3', '1#2'])
  })

  test('after a loss nothing is, and all begins anew', () => {
    const owned = owning(0, 1)
    join(owned, [1])
    owned.clear()
    expect(glance(owned)).toEqual({ owned: [], staying: [], leaving: [] })
    expect(join(owned, [0]).gained).toEqual(['0#3'])
  })
})

// ── Against a naive model ───────────────────────────────────────────────────────────────────────────────────────────────

type Step =
  | { readonly type: 'join'; readonly partitions: readonly number[]; readonly protocol: Protocol }
  | { readonly type: 'drop' | 'renew'; readonly partition: number }
  | { readonly type: 'clear' }

const partition = fc.nat(5)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('join'),
      partitions: fc.uniqueArray(partition),
      protocol: fc.constantFrom('cooperative', 'cooperative', 'cooperative', 'eager'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('drop', 'renew'), partition }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear') }) },
)

/** Two plain maps, epochs by partition. */
class NaiveOwnership {
  readonly staying = new Map<number, number>()
  readonly leaving = new Map<number, number>()
  epochs = 0

  join({ partitions, protocol }: Extract<Step, { type: 'join' }>) {
    const before = new Map(this.staying)
    const wasLeaving = new Map(this.leaving)
    const [kept, gained, leaving]: [string[], string[], string[]] = [[], [], []]
    this.staying.clear()
    for (const name of partitions) {
      const known = protocol === 'eager' ? undefined : (before.get(name) ?? wasLeaving.get(name))
      const epoch = known ?? ++this.epochs
      ;(known === undefined ? gained : kept).push(`${name}#${epoch}`)
      this.staying.set(name, epoch)
      this.leaving.delete(name)
    }
    for (const [name, epoch] of before) {
      if (this.staying.has(name) || protocol === 'eager') continue
      leaving.push(`${name}#${epoch}`)
      this.leaving.set(name, epoch)
    }
    if (protocol === 'eager') this.leaving.clear()
    return { kept, gained, leaving: leaving.toSorted() }
  }

  owned(): string[] {
    return [...this.staying, ...this.leaving].map(([name, epoch]) => `${name}#${epoch}`).toSorted()
  }
}

function play(owned: Ownership<Part>, model: NaiveOwnership, step: Step): void {
  if (step.type === 'join') {
    const joined = join(owned, step.partitions, step.protocol)
    deepEqual(joined, model.join(step))
    return
  }
  if (step.type === 'clear') {
    owned.clear()
    model.staying.clear()
    model.leaving.clear()
    return
  }
  const part = owned.at(at(step.partition))
  if (part === null) return
  if (step.type === 'drop') owned.drop([part])
  else owned.renew(part)
  model.leaving.delete(step.partition)
  model.staying.delete(step.partition)
  if (step.type === 'renew') model.staying.set(step.partition, ++model.epochs)
}

test('any joins, ends and losses: it owns what two plain maps own, a place once, and no epoch comes twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const owned = ownership()
      const model = new NaiveOwnership()
      for (const step of steps) {
        play(owned, model, step)
        const parts = owned.owned
        expect(namesOf(parts).toSorted()).toEqual(model.owned())
        expect(new Set(parts.map(({ assignment }) => placeOf(assignment))).size).toBe(parts.length)
        expect([...owned.staying, ...owned.leaving].toSorted(byEpoch)).toEqual(parts.toSorted(byEpoch))
        for (const part of parts) {
          expect(owned.of(part.assignment)).toBe(part)
          expect(owned.isStaying(part)).toBe(model.staying.get(part.assignment.partition) === part.assignment.epoch)
        }
      }
    }),
    { seed, numRuns: 300 },
  )
})

function byEpoch(one: Part, other: Part): number {
  return one.assignment.epoch - other.assignment.epoch
}

test('what a join takes away is claimed by every join until it is given up', () => {
  const joins = fc.array(fc.uniqueArray(partition), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(joins, joins => {
      const owned = ownership()
      const given = new Set<number>()
      for (const partitions of joins) {
        join(owned, partitions)
        for (const name of partitions) given.add(name)
        const claimed = new Set(owned.owned.map(({ assignment }) => assignment.partition))
        expect(claimed).toEqual(given)
      }
    }),
    { seed },
  )
})
