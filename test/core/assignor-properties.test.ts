/** Whatever members read and claim: no partition has two owners, two rounds are enough, and the plan is the best one. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { assign } from '../../src/core/assignor.ts'
import { placeOf, type TopicPartition } from '../../src/core/record.ts'
import { type Group, partitionsOf, readPlaces, reads, settled, sharesOf, TOPICS } from './group.ts'
import { randomOf, seedOf } from './seed.ts'

const seed = seedOf('assignor-properties.test.ts')

function claimsOf({ members }: Group): Map<string, string[]> {
  const claims = members.flatMap(({ id, owned }) =>
    [...new Set((owned ?? []).map(placeOf))].map(place => ({ id, place })),
  )
  return new Map([...Map.groupBy(claims, ({ place }) => place)].map(([place, by]) => [place, by.map(({ id }) => id)]))
}

// ── Any group ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function anyGroup({ membersMax, partitionsMax }: { membersMax: number; partitionsMax: number }): fc.Arbitrary<Group> {
  const member = fc.record({
    topics: fc.oneof(fc.constant(TOPICS), fc.subarray(TOPICS)),
    silent: fc.nat(9).map(nth => nth === 0),
  })
  const counts = fc.array(fc.nat(partitionsMax), { minLength: TOPICS.length, maxLength: TOPICS.length })
  const skew = fc.constantFrom(1, 3)
  return fc
    .record({ shapes: fc.array(member, { minLength: 1, maxLength: membersMax }), counts, skew, salt: fc.nat() })
    .map(({ shapes, counts, skew, salt }) => {
      const random = randomOf(salt)
      const owned = shapes.map((): TopicPartition[] => [])
      for (const [index, topic] of TOPICS.entries()) {
        // One more than there are: a claim on what does not exist.
        for (let partition = 0; partition <= (counts[index] ?? 0); partition++) {
          const claimants = Math.floor(random() ** 0.7 * 2.3)
          for (let claim = 0; claim < claimants; claim++)
            owned[Math.floor(random() ** skew * owned.length)]?.push({ topic, partition })
        }
      }
      const members = shapes.map(({ topics, silent }, index) => ({
        id: `member-${index}`,
        topics,
        owned: silent ? null : (owned[index] ?? []),
      }))
      return { members, partitions: Object.fromEntries(TOPICS.map((topic, index) => [topic, counts[index] ?? 0])) }
    })
}

test('nothing is given to two, to one that does not read it, or past the claim of another; the rest is all given', () => {
  fc.assert(
    fc.property(anyGroup({ membersMax: 8, partitionsMax: 9 }), group => {
      const shares = sharesOf(group)
      const claims = claimsOf(group)
      expect(Object.keys(shares)).toEqual(group.members.map(({ id }) => id).toSorted())
      const given = Object.values(shares).flat()
      expect(new Set(given).size).toBe(given.length)
      const readable = readPlaces(group)
      expect(given.filter(place => !readable.includes(place))).toEqual([])
      for (const member of group.members) {
        const share = shares[member.id] ?? []
        expect(share.filter(place => !reads(member, place))).toEqual([])
        expect(share.filter(place => claims.get(place)?.some(id => id !== member.id))).toEqual([])
      }
      expect(readable.filter(place => !given.includes(place) && !claims.has(place))).toEqual([])
    }),
    { seed, numRuns: 2_000 },
  )
})

test('the second round gives out all, takes nothing back and is the last one', () => {
  fc.assert(
    fc.property(anyGroup({ membersMax: 8, partitionsMax: 9 }), group => {
      const first = sharesOf(group)
      const second = sharesOf(settled(group, first))
      expect(Object.values(second).flat().toSorted()).toEqual(readPlaces(group).toSorted())
      for (const [id, share] of Object.entries(first))
        expect(share.filter(place => !second[id]?.includes(place))).toEqual([])
      expect(sharesOf(settled(group, second))).toEqual(second)
    }),
    { seed, numRuns: 2_000 },
  )
})

test('after two rounds members that read the same differ by at most one, and no single move would balance better', () => {
  fc.assert(
    fc.property(anyGroup({ membersMax: 12, partitionsMax: 15 }), group => {
      const shares = sharesOf(settled(group, sharesOf(group)))
      const load = (id: string) => shares[id]?.length ?? 0
      for (const { id } of group.members) {
        const lighter = group.members.filter(member => load(member.id) + 1 < load(id))
        expect(shares[id]?.filter(place => lighter.some(member => reads(member, place)))).toEqual([])
      }
    }),
    { seed, numRuns: 1_000 },
  )
})

test('the order in which anything is told does not matter', () => {
  fc.assert(
    fc.property(anyGroup({ membersMax: 8, partitionsMax: 9 }), fc.nat(), (group, salt) => {
      const random = randomOf(salt)
      const shuffled = <T>(list: readonly T[]) =>
        list
          .map(value => ({ value, at: random() }))
          .toSorted((one, other) => one.at - other.at)
          .map(({ value }) => value)
      const members = group.members.map(({ id, topics, owned }) => ({
        id,
        topics: shuffled(topics),
        owned: owned && shuffled(owned),
      }))
      const told = assign({
        members: shuffled(members),
        partitionsOf: topic => shuffled(partitionsOf(group.partitions)(topic)),
      })
      const plain = assign({ members: group.members, partitionsOf: partitionsOf(group.partitions) })
      expect([...told]).toEqual([...plain])
    }),
    { seed, numRuns: 500 },
  )
})

// ── Against every plan there is ─────────────────────────────────────────────────────────────────────────────────────────

/** Squared loads, then moves: of the best of all plans. Slow and plainly right. */
function bestOf(group: Group): { squares: number; moves: number } {
  const places = readPlaces(group)
  const claims = claimsOf(group)
  const loads = group.members.map(() => 0)
  let best = { squares: Number.POSITIVE_INFINITY, moves: Number.POSITIVE_INFINITY }
  const tryFrom = (at: number, moves: number): void => {
    const place = places[at]
    if (place === undefined) {
      const squares = loads.reduce((sum, load) => sum + load ** 2, 0)
      if (squares < best.squares || (squares === best.squares && moves < best.moves)) best = { squares, moves }
      return
    }
    for (const [index, member] of group.members.entries()) {
      if (!reads(member, place)) continue
      loads[index]!++
      tryFrom(at + 1, moves + movesOf(group, { place, id: member.id, claims }))
      loads[index]!--
    }
  }
  tryFrom(0, 0)
  return best
}

interface Given {
  readonly place: string
  readonly id: string
  readonly claims: ReadonlyMap<string, readonly string[]>
}

/** 1 when it leaves its only claimant though that still reads it. */
function movesOf({ members }: Group, { place, id, claims }: Given): number {
  const [claimant, second] = claims.get(place) ?? []
  if (claimant === undefined || second !== undefined || claimant === id) return 0
  return reads(
    members.find(member => member.id === claimant),
    place,
  )
    ? 1
    : 0
}

test('of all plans the one that is reached is the most balanced, and of those one with the fewest moves', () => {
  fc.assert(
    fc.property(anyGroup({ membersMax: 4, partitionsMax: 2 }), group => {
      const claims = claimsOf(group)
      const shares = sharesOf(settled(group, sharesOf(group)))
      const squares = Object.values(shares).reduce((sum, { length }) => sum + length ** 2, 0)
      const moves = Object.entries(shares).flatMap(([id, share]) =>
        share.map(place => movesOf(group, { place, id, claims })),
      )
      const best = bestOf(group)
      const none = readPlaces(group).length === 0
      expect({ squares, moves: moves.reduce((sum, move) => sum + move, 0) }).toEqual(
        none ? { squares: 0, moves: 0 } : best,
      )
    }),
    { seed, numRuns: 400 },
  )
})
