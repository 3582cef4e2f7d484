/** What one process has been told and has done, as seen from outside: its assignments and the handlers that run in it. */
import type { Assignment, UnitPhase } from '../../../src/consumer/ports.ts'
import type { Entry, PlaceBook } from './book.ts'
import type { Step } from './vocabulary.ts'

/** One assignment of one partition to one process. */
export interface Tenure {
  readonly assignment: Assignment
  readonly book: PlaceBook
  readonly beganAtMs: number
  state: 'staying' | 'leaving' | 'gone'
  /** Where its answers began, and where they have got to; null before the first. */
  start: number | null
  position: number
  /** By offset: tries that may have been counted against the record, and tries that must have been. */
  readonly spent: Map<number, number>
  readonly spentSurely: Map<number, number>
  /** When its process stopped with everything committed; null: it did not. */
  closedAtMs: number | null
}

/** Whether a call of a handler was a failed attempt, as far as can be told from outside. */
export type Spending = 'excused' | 'perhaps' | 'surely'

/** One call of a handler. */
export interface Run {
  readonly entry: Entry
  readonly step: Step
  readonly tenure: Tenure
  readonly handler: string
  readonly startedAtMs: number
  readonly signal: AbortSignal
  readonly attempt: number
  /** Null where it has no transaction. */
  readonly unit: WatchedUnit | null
}

/** The transaction of one try. */
export interface WatchedUnit {
  /** What it was busy with when its time was up; null: it was not. */
  phaseAtTimeout: UnitPhase | null
  /** The call that returned before its time was up, while the rest was not over yet. */
  returned: Run | null
}

export class Observed {
  readonly name: string
  readonly tenures = new Map<number, Tenure>()
  readonly running = new Set<Run>()
  /** By the name of the record: its last try's. */
  readonly units = new Map<string, WatchedUnit>()
  confirmedAtMs = 0
  /** As far as it knows. */
  isMember = false

  constructor(name: string) {
    this.name = name
  }

  get staying(): readonly Tenure[] {
    return [...this.tenures.values()].filter(({ state }) => state === 'staying')
  }

  /** The latest assignment of a partition; null when it has none. */
  tenureAt(book: PlaceBook): Tenure | null {
    let found: Tenure | null = null
    for (const tenure of this.tenures.values()) if (tenure.book === book) found = tenure
    return found
  }

  begin(assignment: Assignment, book: PlaceBook, nowMs: number): void {
    this.tenures.set(assignment.epoch, {
      assignment,
      book,
      beganAtMs: nowMs,
      state: 'staying',
      start: null,
      position: 0,
      spent: new Map(),
      spentSurely: new Map(),
      closedAtMs: null,
    })
  }

  end({ epoch }: Assignment): void {
    const tenure = this.tenures.get(epoch)
    if (tenure === undefined) return
    tenure.state = 'gone'
    this.tenures.delete(epoch)
  }
}

export function add(counts: Map<number, number>, offset: number, by: number): void {
  counts.set(offset, (counts.get(offset) ?? 0) + by)
}
