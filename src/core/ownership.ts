/**
 * Which partitions a member of the group owns, through rebalances of two rounds: what a join leaves with us stays as it is, what it
 * takes away is still owned (and claimed) until it was handed over, and only then asked for anew by others. A source decides
 * nothing of this itself.
 */
import { type Assignment, placeOf, type TopicPartition } from './record.ts'

/** What a source knows of one assignment; its object is its identity. */
export interface Owned {
  readonly assignment: Assignment
}

/**
 * `cooperative`: what a join does not name was withheld from everybody until we have let go of it. `eager`: everything was handed
 * over before the join. What it does not name is another's already, and what it names begins anew: a generation that we did not
 * hear of may have given it to another meanwhile, who has committed more than we know.
 */
export type Protocol = 'cooperative' | 'eager'

export interface Joined<P extends Owned> {
  readonly kept: readonly P[]
  readonly gained: readonly P[]
  /** To be handed over, and then given up with `drop`. Those of an earlier join that are not given up yet are not named again. */
  readonly leaving: readonly P[]
}

interface Entry<P extends Owned> {
  readonly part: P
  isLeaving: boolean
}

export class Ownership<P extends Owned> {
  readonly #make: (place: TopicPartition) => P
  #entries = new Map<string, Entry<P>>()

  /** `make` begins an assignment of a partition, under an epoch of its own. */
  constructor(make: (place: TopicPartition) => P) {
    this.#make = make
  }

  /** All that is ours, what is leaving included: this is what a join claims. */
  get owned(): readonly P[] {
    return [...this.#entries.values()].map(({ part }) => part)
  }

  /** What is ours to stay: records are read for these only. */
  get staying(): readonly P[] {
    return [...this.#entries.values()].filter(({ isLeaving }) => !isLeaving).map(({ part }) => part)
  }

  get leaving(): readonly P[] {
    return [...this.#entries.values()].filter(({ isLeaving }) => isLeaving).map(({ part }) => part)
  }

  at(place: TopicPartition): P | null {
    return this.#entries.get(placeOf(place))?.part ?? null
  }

  /** The part of exactly this assignment; null when it is gone. */
  of(assignment: Assignment): P | null {
    const part = this.at(assignment)
    return part !== null && part.assignment.epoch === assignment.epoch ? part : null
  }

  isStaying(part: P): boolean {
    const entry = this.#entries.get(placeOf(part.assignment))
    return entry !== undefined && entry.part === part && !entry.isLeaving
  }

  join(assigned: readonly TopicPartition[], protocol: Protocol): Joined<P> {
    const before = this.#entries
    this.#entries = new Map()
    const kept: P[] = []
    const gained: P[] = []
    const leaving: P[] = []
    for (const place of assigned) {
      const known = protocol === 'eager' ? undefined : before.get(placeOf(place))
      const part = known?.part ?? this.#make(place)
      const list = known === undefined ? gained : kept
      list.push(part)
      this.#entries.set(placeOf(place), { part, isLeaving: false })
    }
    for (const [place, { part, isLeaving }] of before) {
      if (protocol === 'eager' || this.#entries.has(place)) continue
      if (!isLeaving) leaving.push(part)
      this.#entries.set(place, { part, isLeaving: true })
    }
    return { kept, gained, leaving }
  }

  /** The partition under a new epoch: its log is another one now. */
  renew(part: P): P {
    const renewed = this.#make(part.assignment)
    this.#entries.set(placeOf(part.assignment), { part: renewed, isLeaving: false })
    return renewed
  }

  /** These are given up. */
  drop(parts: readonly P[]): void {
    for (const { assignment } of parts) {
      if (this.of(assignment) !== null) this.#entries.delete(placeOf(assignment))
    }
  }

  clear(): void {
    this.#entries.clear()
  }
}
