/** A group over time: whatever comes in between, no partition has two owners, and no more moves than has to. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Group, readPlaces, sharesOf, splitPlace, TOPICS } from './group.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('assignor-over-time.test.ts')

/** What each owns, the leaving ones included, and what of that is leaving. */
class World {
  readonly members = new Map<string, { topics: readonly string[]; owned: Set<string>; leaving: Set<string> }>()
  readonly partitions: Group['partitions']
  #next = 0
  moves = 0

  constructor(partitions: Group['partitions']) {
    this.partitions = partitions
  }

  get group(): Group {
    const members = [...this.members].map(([id, { topics, owned }]) => ({
      id,
      topics,
      owned: [...owned].map(splitPlace),
    }))
    return { members, partitions: this.partitions }
  }

  join(topics: readonly string[]): void {
    this.members.set(`member-${this.#next++}`, { topics, owned: new Set(), leaving: new Set() })
  }

  round(): void {
    const shares = sharesOf(this.group)
    for (const [id, member] of this.members) {
      const share = new Set(shares[id])
      this.moves += share.difference(member.owned).size
      member.leaving = member.owned.difference(share)
      member.owned = member.owned.union(share)
    }
    const { owned } = this
    if (new Set(owned).size !== owned.length) throw new Error(`two owners: ${owned.join(' ')}`)
  }

  /** What is leaving has left. */
  drop(id: string): void {
    const member = this.members.get(id)
    if (member === undefined) return
    member.owned = member.owned.difference(member.leaving)
    member.leaving = new Set()
  }

  /** The hand-overs end, and their round. */
  finish(): void {
    this.round()
    for (const id of this.members.keys()) this.drop(id)
    this.round()
  }

  /** Two owners, twice. */
  get owned(): string[] {
    return Array.from(this.members.values(), ({ owned }) => Array.from(owned))
      .flat()
      .toSorted()
  }

  get loads(): number[] {
    return [...this.members.values()].map(({ owned }) => owned.size).toSorted((one, other) => one - other)
  }
}

test('joins, leaves, changed subscriptions and slow hand-overs, mixed: a partition never has two owners, and in the end one', () => {
  const step = fc.record({
    kind: fc.constantFrom('join', 'leave', 'subscribe', 'drop', 'drop', 'drop', 'nothing'),
    which: fc.nat(),
    topics: fc.subarray(TOPICS, { minLength: 1 }),
  })
  fc.assert(
    fc.property(
      fc.array(fc.nat(8), { minLength: 4, maxLength: 4 }),
      fc.array(step, { maxLength: 40 }),
      (counts, steps) => {
        const world = new World(Object.fromEntries(TOPICS.map((topic, index) => [topic, counts[index] ?? 0])))
        for (const { kind, which, topics } of steps) {
          const ids = [...world.members.keys()]
          const id = ids[which % Math.max(1, ids.length)] ?? ''
          const member = world.members.get(id)
          if (kind === 'join') world.join(topics)
          else if (kind === 'leave') world.members.delete(id)
          else if (kind === 'drop') world.drop(id)
          else if (kind === 'subscribe' && member !== undefined) member.topics = topics
          world.round()
        }
        for (const id of world.members.keys()) world.drop(id)
        world.finish()
        expect(world.owned).toEqual(readPlaces(world.group).toSorted())
        const { moves } = world
        world.finish()
        expect(world.moves).toBe(moves)
      },
    ),
    { seed, numRuns: 500 },
  )
})

function worldOf(partitions: number, members: number): World {
  const world = new World({ a: Math.ceil(partitions / 2), b: Math.floor(partitions / 2) })
  for (let index = 0; index < members; index++) {
    world.join(['a', 'b'])
    world.finish()
  }
  world.moves = 0
  return world
}

test('a join moves what the newcomer gets, a leave what the leaver had, and nothing else', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(),
      (partitions, members, which) => {
        const world = worldOf(partitions, members)
        world.join(['a', 'b'])
        world.finish()
        expect(world.moves).toBeLessThanOrEqual(Math.ceil(partitions / (members + 1)))
        expect(world.moves).toBe(Math.floor(partitions / (members + 1)))
        const [id, { owned }] = [...world.members][which % world.members.size]!
        world.moves = 0
        world.members.delete(id)
        world.round()
        expect(world.moves).toBe(owned.size)
        expect((world.loads.at(-1) ?? 0) - (world.loads[0] ?? 0)).toBeLessThanOrEqual(1)
      },
    ),
    { seed, numRuns: 200 },
  )
})

test('24 partitions, 4 members restarted in turn: 48 moves, each partition away and back once', () => {
  const world = worldOf(24, 4)
  const old = Array.from(world.members.keys())
  for (const id of old) {
    world.members.delete(id)
    world.round()
    world.join(['a', 'b'])
    world.finish()
    expect(world.loads).toEqual([6, 6, 6, 6])
  }
  expect(world.moves).toBe(48)
})

test('the same with the new one first: 36 moves, as few as a fifth member can have', () => {
  const world = worldOf(24, 4)
  const old = Array.from(world.members.keys())
  for (const id of old) {
    world.join(['a', 'b'])
    world.finish()
    world.members.delete(id)
    world.round()
  }
  expect(world.loads).toEqual([6, 6, 6, 6])
  expect(world.moves).toBe(36)
})
