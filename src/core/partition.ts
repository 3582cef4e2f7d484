/**
 * One assignment of one partition: its ledger, its lanes, what it holds, and what stops it. Knows nothing of other partitions.
 */

import { assert } from './assert.ts'
import { type Completions, encodeCompletions } from './completions.ts'
import type { Fetched, OffsetsKnown, OffsetToCommit, Restored, Sentence } from './facts.ts'
import { Fifo } from './fifo.ts'
import type { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import type { Assignment, Taken } from './record.ts'
import type { PauseReason } from './status.ts'
import { CONDEMNED, Work } from './work.ts'

/** How many dead letters one write carries: enough to make a write cheap, few enough to bound what a failed one repeats. A guess, never tuned. */
const LETTERS_MAX = 100

/**
 * So many are let into their lanes at once. A lane costs memory and a look-up that a large map makes dear, so records wait
 * outside until there is room for them; a handler's turn comes within so many records. Measured in bench/engine.
 */
const ADMITTED_AT_ONCE = 100

export interface LettersRefused {
  readonly error: string
  readonly sinceMs: number
  readonly failures: number
  readonly retryAtMs: number
}

export class Partition<R extends Taken> {
  readonly assignment: Assignment
  readonly lanes: Lanes<Work<R>>
  readonly #windowMax: number
  /** Null before the first answer: until then nobody knows where it begins. */
  ledger: Ledger<Work<R>> | null = null
  /** Taken and in no lane yet, in offset order: nothing has asked for them, or they lie beyond the window. */
  readonly #ahead = new Fifo<Work<R>>()
  committed: number | null = null
  highWatermark: number | null = null
  /** Where a group without a commit begins, as long as nothing was fetched. */
  logStart: number | null = null
  /** In a handler. */
  readonly running = new Set<Work<R>>()
  /** Out of their lanes until their next attempt is due. */
  readonly resting = new Set<Work<R>>()
  /** Being written to the dead letter topic. */
  letters: readonly Work<R>[] = []
  lettersRefused: LettersRefused | null = null
  intakeHeld: string | null = null
  sourceHeld: string | null = null
  /** staying → leaving, when others are to have it → left, when it was handed over; back to staying when a join gives it to us again. */
  stay: 'staying' | 'leaving' | 'left' = 'staying'
  /** The highest leader epoch of what was taken; -1 unknown. */
  #leaderEpoch = -1
  #restored: Completions | null = null
  /** How many of those taken have been looked at for having waited long. */
  #looked = 0
  /** How much the ledger had settled when the last commit was computed, and when the last one that succeeded was. */
  #settlesSent = 0
  #settlesCommitted = 0
  paused: PauseReason | null = null
  /** Unsettled, in bytes. */
  bytes = 0
  /** Of the newest record taken: what lag is measured by while nothing is in hand. */
  newestTimestampMs: number | null = null

  constructor(assignment: Assignment, lanes: Lanes<Work<R>>, windowMax: number) {
    this.assignment = assignment
    this.lanes = lanes
    this.#windowMax = windowMax
  }

  /** Unsettled records in hand. */
  get records(): number {
    return this.ledger?.unsettled ?? 0
  }

  get inFlight(): number {
    return this.running.size + this.letters.length
  }

  get buffered(): number {
    return this.records - this.inFlight
  }

  /** Whether a commit would store anything new: another offset, or more that is settled above it. */
  get hasToCommit(): boolean {
    if (this.ledger === null) return false
    const { committable, start, settledAhead, settles } = this.ledger
    const committed = this.committed ?? start
    // Below what is committed nothing is said, not even of what is settled above it: committed never falls.
    if (committable !== committed) return committable > committed
    return settledAhead > 0 && settles !== this.#settlesCommitted
  }

  /** What a commit is to store; null when that would say nothing new. */
  takeCommit(): OffsetToCommit | null {
    if (this.ledger === null || !this.hasToCommit) return null
    const { assignment, ledger } = this
    const { committable: nextOffset, settles } = ledger
    this.#settlesSent = settles
    const leaderEpoch = Math.max(this.#leaderEpoch, this.#carried?.leaderEpoch ?? -1)
    const metadata = encodeCompletions({ base: nextOffset, leaderEpoch, settled: this.#settledAhead(ledger) })
    return { assignment, nextOffset, metadata }
  }

  *#settledAhead(ledger: Ledger<Work<R>>): Iterable<number> {
    yield* ledger.offsetsAhead()
    if (this.#carried !== null) yield* this.#carried.from(ledger.position)
  }

  /** What was restored and not fetched again yet, so that no commit forgets it. A higher leader epoch may have written other records there. */
  get #carried(): Completions | null {
    return this.#restored !== null && this.#leaderEpoch <= this.#restored.leaderEpoch ? this.#restored : null
  }

  commitTaken({ nextOffset }: OffsetToCommit): void {
    this.committed = Math.max(this.committed ?? 0, nextOffset)
    this.#settlesCommitted = this.#settlesSent
  }

  /** How much of the window lies between the committable offset and the newest in hand, 1 being all of it. */
  get windowUsed(): number {
    return (this.ledger?.span ?? 0) / this.#windowMax
  }

  /** Answers what is settled by being taken: what is ignored, and what was settled by an assignment before this one. */
  take(fetched: Fetched<R>, nowMs: number): Work<R>[] {
    const ledger = (this.ledger ??= new Ledger<Work<R>>(fetched.positionBefore))
    const settled: Work<R>[] = []
    for (const record of fetched.records) {
      const work = new Work<R>({ assignment: this.assignment, record, takenAtMs: nowMs })
      ledger.take(record.offset, work)
      this.bytes += record.bytes
      this.newestTimestampMs = record.timestampMs
      if (work.handler === null && work.sentence === null) settled.push(work)
      else this.#ahead.push(work)
    }
    ledger.advanceTo(Math.max(ledger.position, fetched.positionAfter))
    this.highWatermark = Math.max(this.highWatermark ?? 0, fetched.highWatermark)
    this.#leaderEpoch = Math.max(this.#leaderEpoch, fetched.leaderEpoch)
    if (this.#restored !== null && ledger.position >= this.#restored.end) this.#restored = null
    return settled
  }

  /** Whether more may be let into their lanes: there are some, and the window reaches them. */
  get mayAdmit(): boolean {
    const next = this.#ahead.peek()
    return next !== undefined && this.ledger !== null && next.record.offset < this.ledger.committable + this.#windowMax
  }

  /** Those taken before `takenBeforeMs` that still are unsettled; each is answered once. */
  takeLongWaiting(takenBeforeMs: number): R[] {
    const { ledger } = this
    const waiting: R[] = []
    if (ledger === null) return waiting
    this.#looked = Math.max(this.#looked, ledger.taken - ledger.unsettled - ledger.settledAhead)
    for (const work of ledger.takenFrom(this.#looked)) {
      if (work !== null && work.takenAtMs > takenBeforeMs) break
      this.#looked++
      if (work !== null) waiting.push(work.record)
    }
    return waiting
  }

  /** Lets some into their lanes; false when there are none. */
  admit(): boolean {
    let admitted = 0
    for (; admitted < ADMITTED_AT_ONCE && this.mayAdmit; admitted++) {
      const work = this.#ahead.shift()
      if (work !== undefined) this.lanes.add(work)
    }
    return admitted > 0
  }

  restore({ committed, completions }: Restored): void {
    this.committed = committed
    this.#restored = completions
  }

  /** What the broker answered, perhaps before something that was committed or fetched since. */
  know({ committed, highWatermark, logStart }: OffsetsKnown): void {
    if (committed !== null) this.committed = Math.max(this.committed ?? 0, committed)
    this.highWatermark = Math.max(this.highWatermark ?? 0, highWatermark)
    this.logStart = logStart
  }

  /** False when it was settled before. */
  settle(work: Work<R>): boolean {
    if (this.ledger === null || !this.ledger.settle(work.record.offset)) return false
    this.bytes -= work.record.bytes
    return true
  }

  /** The next dead letters, if none are under way and the last refusal has rested. */
  takeLetters(nowMs: number): Sentence<R>[] {
    if (this.letters.length > 0 || nowMs < (this.lettersRefused?.retryAtMs ?? 0)) return []
    const works: Work<R>[] = []
    const sentences: Sentence<R>[] = []
    while (works.length < LETTERS_MAX) {
      const work = this.lanes.take(CONDEMNED)
      if (work === undefined) break
      assert(work.sentence !== null, 'what stands in the line of the condemned has a sentence')
      works.push(work)
      sentences.push(work.sentence)
    }
    this.letters = works
    return sentences
  }

  /** Nothing of this assignment counts any more. Answers what still runs. */
  drop(): Work<R>[] {
    for (const work of this.resting) this.lanes.done(work)
    this.resting.clear()
    this.#ahead.clear()
    this.lanes.clear()
    return [...this.running]
  }
}
