/**
 * What must hold, whatever happened. The checker knows the log, the effects, the dead letters, what handlers saw, the offsets that were
 * stored, and what was said at the ports; it knows nothing of the inside of what it checks.
 */
import type { Claim } from '../../../src/consumer/ports.ts'
import { placeOf, type TopicPartition } from '../../../src/core/record.ts'
import { type Entry, PlaceBook } from './book.ts'
import type { Scenario, Setting } from './scenario.ts'
import type { WatchedUnit } from './tenure.ts'
import type { Trace } from './trace.ts'
import { type Counted, type Counts, type Invariant, noCounts, Violation } from './vocabulary.ts'

export interface CheckerOptions {
  readonly scenario: Scenario
  readonly trace: Trace
  readonly nowMs: () => number
}

/** What was sent, once or several times. */
export interface Event {
  kept: Entry | null
  readonly entries: Entry[]
}

export class Checker {
  readonly counts: Counts = noCounts()
  readonly books = new Map<string, PlaceBook>()
  readonly #options: CheckerOptions
  /** Of each event, who has it: the one whose effect is kept, and its repeats. */
  readonly events = new Map<string, Event>()
  /** The transaction that a claim was last begun in; a claim is of one process. */
  readonly units = new WeakMap<Claim, WatchedUnit>()
  violation: { invariant: Invariant; message: string; atMs: number } | null = null

  constructor(options: CheckerOptions) {
    this.#options = options
    for (const { name, partitions } of options.scenario.setting.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        this.books.set(`${name}/${partition}`, new PlaceBook(name, partition))
      }
    }
  }

  get setting(): Setting {
    return this.#options.scenario.setting
  }

  get nowMs(): number {
    return this.#options.nowMs()
  }

  count(what: Counted, by = 1): void {
    this.counts[what] += by
  }

  trace(who: string, what: string): void {
    this.#options.trace.add(who, what)
  }

  /** The first one counts; the run ends at the next turn. Throwing here would only be taken for somebody's failure. */
  broken(invariant: Invariant, message: string): void {
    if (this.violation !== null) return
    this.violation = { invariant, message, atMs: this.nowMs }
    this.trace('!', `${invariant}: ${message}`)
  }

  bookOf(place: TopicPartition): PlaceBook {
    const book = this.books.get(placeOf(place))
    if (book === undefined) throw new Violation('records-arrive-as-written', `there is no ${placeOf(place)}`)
    return book
  }

  unmatchedPolicy(topic: string): 'dead-letter' | 'ignore' {
    return this.setting.topics.find(({ name }) => name === topic)?.unmatched ?? 'dead-letter'
  }

  /** All before it in its lane must be settled by now. */
  inOrder(entry: Entry, what: string): void {
    const open = entry.book.openBefore(entry)
    if (open !== null)
      this.broken('a-key-keeps-its-order', `${entry.name} ${what}, and ${open.name} of the same key is not settled`)
  }
}
