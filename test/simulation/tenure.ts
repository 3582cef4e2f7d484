/** One assignment of one partition, as the checker sees it: sorted lists, asked again whenever something is wanted of them. */
import { type Assignment, placeOf, type Taken } from '../../src/core/record.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

export function sure(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Violation(sentence)
}

export interface Held {
  readonly tenure: Tenure
  readonly record: Taken
  state: 'waiting' | 'running' | 'writing' | 'settled'
  /** Why it may be dead-lettered, if it may. */
  condemned: string | null
  attempt: number
  /** It rests until then at the longest. */
  restsUntilMs: number
  readonly takenAtMs: number
  /** It was said to wait long. */
  isDetached: boolean
}

/** What was settled before this assignment, as its restored metadata said. */
export interface Before {
  readonly offsets: readonly number[]
  readonly leaderEpoch: number
}

export class Tenure {
  readonly assignment: Assignment
  stay: 'staying' | 'leaving' | 'left' = 'staying'
  start = 0
  position: number | null = null
  /** In offset order, since offsets rise. */
  readonly held: Held[] = []
  committed: number | null = null
  before: Before | null = null
  /** The highest that was fetched. */
  leaderEpoch = -1
  /** How many ever settled: now, when the last commit was computed, and when the last one that was taken was. */
  settles = { now: 0, sent: 0, stored: 0 }
  refused = false
  paused = false

  constructor(assignment: Assignment) {
    this.assignment = assignment
  }

  get place(): string {
    return placeOf(this.assignment)
  }

  get unsettled(): Held[] {
    return this.held.filter(({ state }) => state !== 'settled')
  }

  get committable(): number {
    return this.unsettled[0]?.record.offset ?? this.position ?? this.start
  }

  get inFlight(): number {
    return this.held.filter(({ state }) => state === 'running' || state === 'writing').length
  }

  get isWriting(): boolean {
    return this.held.some(({ state }) => state === 'writing')
  }

  /** The offset would be another one, or something settled above it since. */
  get hasToCommit(): boolean {
    if (this.position === null) return false
    const { committable, settles } = this
    if (committable > (this.committed ?? this.start)) return true
    return this.#settledAhead.length > 0 && settles.now !== settles.stored
  }

  get #settledAhead(): number[] {
    const { committable } = this
    return this.held.flatMap(({ state, record: { offset } }) => {
      return state === 'settled' && offset > committable ? [offset] : []
    })
  }

  /** What a commit now has to say of what is settled above its offset: what is settled here, and what was before and was not fetched again. */
  get claims(): Before {
    const { before } = this
    const position = this.position ?? 0
    const carried = before === null || this.leaderEpoch > before.leaderEpoch ? [] : before.offsets
    const ahead = carried.filter(offset => offset >= position)
    const leaderEpoch = Math.max(this.leaderEpoch, ahead.length > 0 ? (before?.leaderEpoch ?? -1) : -1)
    const offsets = [...this.#settledAhead, ...ahead]
    return { leaderEpoch, offsets: leaderEpoch < 0 ? [] : offsets }
  }
}

export function handlerOf({ record, condemned }: Held): string | undefined {
  return record.disposition.kind === 'handle' && condemned === null ? record.disposition.handler : undefined
}

export function sameLane(one: Held, other: Held): boolean {
  if (one.record.lane === null || one.record.lane !== other.record.lane) return false
  return one.tenure.place === other.tenure.place
}

export function isFirst(held: Held): boolean {
  const { tenure, record } = held
  if (record.lane === null) return true
  return tenure.held.find(other => other.state !== 'settled' && other.record.lane === record.lane) === held
}
