/**
 * Spreads partitions over members: as balanced as their subscriptions allow, then with as few moves as balance allows. Knows
 * nothing of groups, rounds or claims beyond one home a partition.
 */

import { assert } from './assert.ts'

/** Members are known by their index, 0 and up. */
export const NOWHERE = -1

export interface Topic {
  readonly name: string
  /** Not empty. */
  readonly readers: readonly number[]
}

/** A partition, and where it has been put. */
export interface Slot {
  readonly topic: Topic
  readonly partition: number
  /** One of the readers, or `NOWHERE`: to be anywhere else is a move. */
  readonly home: number
  at: number
}

/** Puts every slot somewhere. The same slots in the same order always give the same plan. */
export function balance(slots: readonly Slot[], members: number): void {
  const plan = new Plan(members)
  for (const slot of slots) if (slot.home !== NOWHERE) plan.move(slot, slot.home)
  for (const slot of slots) if (slot.at === NOWHERE) plan.move(slot, plan.lightestReader(slot.topic))
  level(plan, new Set(slots.map(({ topic }) => topic)))
  refine(plan, slots)
}

class Plan {
  readonly #loads: number[]
  /** By member. */
  readonly #held: readonly Map<Topic, Slot[]>[]

  constructor(members: number) {
    this.#loads = Array.from({ length: members }, () => 0)
    this.#held = Array.from({ length: members }, () => new Map<Topic, Slot[]>())
  }

  get membersByLoad(): number[] {
    return [...this.#loads.keys()].toSorted((one, other) => this.load(one) - this.load(other))
  }

  /** How many slots it holds. */
  load(member: number): number {
    return this.#loads[member] ?? 0
  }

  /** How many of one topic. */
  share(member: number, topic: Topic): number {
    return this.#held[member]?.get(topic)?.length ?? 0
  }

  last(member: number, topic: Topic): Slot | undefined {
    return this.#held[member]?.get(topic)?.at(-1)
  }

  /** Of equal ones that with the fewest of this topic, so that a busy topic is spread as well. */
  lightestReader(topic: Topic): number {
    return topic.readers.reduce((best, reader) => {
      const lighter = this.load(reader) - this.load(best) || this.share(reader, topic) - this.share(best, topic)
      return lighter < 0 ? reader : best
    })
  }

  move(slot: Slot, to: number): void {
    const from = this.#held[slot.at]?.get(slot.topic)
    from?.splice(from.lastIndexOf(slot), 1)
    if (from !== undefined) this.#loads[slot.at] = this.load(slot.at) - 1
    const held = this.#held[to]
    assert(held !== undefined, 'a slot is given to a member')
    const slots = held.get(slot.topic)
    if (slots === undefined) held.set(slot.topic, [slot])
    else slots.push(slot)
    this.#loads[to] = this.load(to) + 1
    slot.at = to
  }
}

interface Change {
  readonly slot: Slot
  readonly to: number
}

/** Single moves from the heaviest to the lightest. All there is to do when everybody reads the same topics, and quick. */
function level(plan: Plan, topics: ReadonlySet<Topic>): void {
  const topicsOf = plan.membersByLoad.map((_, member) => [...topics].filter(({ readers }) => readers.includes(member)))
  const next = () => {
    for (const to of plan.membersByLoad) {
      const slot = spareFor(to, plan, topicsOf[to] ?? [])
      if (slot !== null) return { slot, to }
    }
    return null
  }
  for (let change = next(); change !== null; change = next()) plan.move(change.slot, change.to)
}

/** From the heaviest member that would still hold as much as `light`, of the topic in which the two differ most. */
function spareFor(light: number, plan: Plan, topics: readonly Topic[]): Slot | null {
  let best: Slot | null = null
  let load = plan.load(light) + 1
  let ahead = Number.POSITIVE_INFINITY
  for (const topic of topics) {
    for (const reader of topic.readers) {
      if (plan.load(reader) < load) continue
      const slot = plan.last(reader, topic)
      const difference = plan.share(reader, topic) - plan.share(light, topic)
      if (slot === undefined || (plan.load(reader) === load && difference <= ahead)) continue
      best = slot
      load = plan.load(reader)
      ahead = difference
    }
  }
  return best
}

// ── From good to best ───────────────────────────────────────────────────────────────────────────────────────────────────
// A minimum-cost flow: a plan is best when no ring of changes improves it (M. Klein, "A primal method for minimal cost
// flows", 1967). On a ring each member passes a slot to the next; at the scale the first one ends with one fewer, the last
// with one more. What a ring costs is the growth of the sum of squared loads, and among equals the moves.

function refine(plan: Plan, slots: readonly Slot[]): void {
  for (let changes = improvement(plan, slots); changes.length > 0; changes = improvement(plan, slots)) {
    for (const { slot, to } of changes) plan.move(slot, to)
  }
}

/** The changes of a ring that improves the plan; empty when it is the best one. */
function improvement(plan: Plan, slots: readonly Slot[]): Change[] {
  const members = plan.membersByLoad.length
  const cheapest = cheapestChanges(slots, members)
  // More than all moves of one ring: no number of moves outweighs balance.
  const weight = members + 1
  const scale = members
  const ring = negativeRing(members + 1, (from, to) => {
    if (to === scale) return weight * (2 * plan.load(from) + 1)
    if (from === scale) return plan.load(to) === 0 ? Number.POSITIVE_INFINITY : weight * (1 - 2 * plan.load(to))
    const slot = cheapest[from]?.[to]
    return slot === undefined ? Number.POSITIVE_INFINITY : costOf(slot, to)
  })
  return ring.flatMap(({ from, to }) => {
    const slot = cheapest[from]?.[to]
    return slot === undefined ? [] : [{ slot, to }]
  })
}

/** By the member that holds it and the reader that could: the slot whose change costs least. */
function cheapestChanges(slots: readonly Slot[], members: number): (Slot | undefined)[][] {
  const cheapest = Array.from({ length: members }, () =>
    Array.from({ length: members }, (): Slot | undefined => undefined),
  )
  for (const slot of slots) {
    const from = cheapest[slot.at] ?? []
    for (const to of slot.topic.readers) {
      const best = from[to]
      if (to !== slot.at && (best === undefined || costOf(slot, to) < costOf(best, to))) from[to] = slot
    }
  }
  return cheapest
}

/** In moves: one more when it leaves its home, one fewer when it returns. */
function costOf({ at, home }: Slot, to: number): number {
  return home === at ? 1 : home === to ? -1 : 0
}

interface Edge {
  readonly from: number
  readonly to: number
}

/** Edges of a ring whose costs sum to less than nothing; empty when there is none. Source: the Bellman-Ford algorithm. */
function negativeRing(nodes: number, priceOf: (from: number, to: number) => number): Edge[] {
  const distances = Array.from({ length: nodes }, () => 0)
  const before = Array.from({ length: nodes }, () => NOWHERE)
  for (;;) {
    let shorter = false
    for (let from = 0; from < nodes; from++) {
      for (let to = 0; to < nodes; to++) {
        const distance = from === to ? Number.POSITIVE_INFINITY : (distances[from] ?? 0) + priceOf(from, to)
        if (distance >= (distances[to] ?? 0)) continue
        distances[to] = distance
        before[to] = from
        shorter = true
      }
    }
    const ring = ringIn(before)
    if (ring.length > 0 || !shorter) return ring
  }
}

/** Where following `before` comes back to where it was. */
function ringIn(before: readonly number[]): Edge[] {
  const seenFrom = before.map(() => NOWHERE)
  for (const start of before.keys()) {
    let node = start
    for (; node !== NOWHERE && seenFrom[node] === NOWHERE; node = before[node] ?? NOWHERE) seenFrom[node] = start
    if (node === NOWHERE || seenFrom[node] !== start) continue
    const ring: Edge[] = []
    for (let to = node; ring.length === 0 || to !== node; to = before[to] ?? NOWHERE)
      ring.push({ from: before[to] ?? NOWHERE, to })
    return ring
  }
  return []
}
