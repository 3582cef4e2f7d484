/**
 * The offsets of one assignment of one partition: which were taken, which of those are settled, and what may be committed.
 * Nothing but this class decides `committable`. It knows no lanes, no limits, no clock and no metrics.
 *
 * Taken offsets stand in a ring in rising order, each with the caller's item until it is settled. Offsets have gaps, so a
 * settled one is found by where it would stand without gaps, and by bisection where there are some.
 */

import { assert } from './assert.ts'

/** Covers a small answer without growing; a guess, never tuned. */
const CAPACITY_INITIAL = 256

export class Ledger<T extends object> {
  /** Where this assignment began to read: below it nothing is ours to commit. */
  readonly start: number
  #position: number
  #offsets = new Float64Array(CAPACITY_INITIAL)
  /** Null is settled. Slots outside [head, head + size) hold null too, so that nothing is kept alive. */
  #items: (T | null)[] = Array.from({ length: CAPACITY_INITIAL }, () => null)
  #head = 0
  #size = 0
  #unsettled = 0
  #settles = 0
  #taken = 0

  constructor(start: number) {
    this.start = start
    this.#position = start
  }

  /** The end of what was fetched: the next offset to accept. */
  get position(): number {
    return this.#position
  }

  /** The lowest unsettled offset, or the position: the next offset after a restart. Never falls. */
  get committable(): number {
    return this.#size === 0 ? this.#position : this.#offsetAt(0)
  }

  get unsettled(): number {
    return this.#unsettled
  }

  /** How many were settled, ever: tells whether anything was since. */
  get settles(): number {
    return this.#settles
  }

  /** How many settled ones stand above the committable offset. */
  get settledAhead(): number {
    return this.#size - this.#unsettled
  }

  /** The settled offsets above the committable one, rising. */
  *offsetsAhead(): Iterable<number> {
    let left = this.settledAhead
    for (let index = 0; left > 0; index++) {
      if (this.#items[this.#slot(index)] !== null) continue
      left--
      yield this.#offsetAt(index)
    }
  }

  /** From the committable offset to the newest taken one, both included; 0 when nothing is unsettled. */
  get span(): number {
    return this.#size === 0 ? 0 : this.#offsetAt(this.#size - 1) - this.#offsetAt(0) + 1
  }

  /** The item of the lowest unsettled offset. */
  get oldest(): T | null {
    return this.#size === 0 ? null : (this.#items[this.#slot(0)] ?? null)
  }

  /** How many were taken, ever. */
  get taken(): number {
    return this.#taken
  }

  /** What was taken from the nth on, in order; null stands for what is settled and kept in between. */
  *takenFrom(nth: number): Iterable<T | null> {
    for (let index = Math.max(0, nth - (this.#taken - this.#size)); index < this.#size; index++) {
      yield this.#items[this.#slot(index)] ?? null
    }
  }

  /** Accepts the next record. Offsets rise; skipping some is what compaction does. */
  take(offset: number, item: T): void {
    assert(Number.isSafeInteger(offset) && offset >= this.#position, 'an offset is taken once, in rising order')
    if (this.#size === this.#offsets.length) this.#grow()
    const slot = this.#slot(this.#size)
    this.#offsets[slot] = offset
    this.#items[slot] = item
    this.#size++
    this.#unsettled++
    this.#taken++
    this.#position = offset + 1
  }

  /** The fetched range ends here, though its last records may be gone or invisible. */
  advanceTo(position: number): void {
    assert(Number.isSafeInteger(position) && position >= this.#position, 'a position never moves backwards')
    this.#position = position
  }

  /** True the first time; false for an offset that is settled already or was never taken. */
  settle(offset: number): boolean {
    const index = this.#indexOf(offset)
    if (index === null) return false
    const slot = this.#slot(index)
    if (this.#items[slot] === null) return false
    this.#items[slot] = null
    this.#unsettled--
    this.#settles++
    if (index === 0) this.#dropSettled()
    return true
  }

  #dropSettled(): void {
    while (this.#size > 0 && this.#items[this.#head] === null) {
      this.#head = this.#slot(1)
      this.#size--
    }
  }

  #indexOf(offset: number): number | null {
    if (this.#size === 0) return null
    const guess = offset - this.#offsetAt(0)
    if (guess < 0) return null
    if (guess < this.#size && this.#offsetAt(guess) === offset) return guess
    // Gaps only ever move an offset towards the head.
    let low = 0
    let high = Math.min(guess, this.#size - 1)
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = this.#offsetAt(middle)
      if (found === offset) return middle
      if (found < offset) low = middle + 1
      else high = middle - 1
    }
    return null
  }

  #slot(index: number): number {
    // The capacity is a power of two.
    return (this.#head + index) & (this.#offsets.length - 1)
  }

  #offsetAt(index: number): number {
    return this.#offsets[this.#slot(index)] ?? Number.NaN
  }

  #grow(): void {
    const capacity = this.#offsets.length * 2
    const offsets = new Float64Array(capacity)
    const items: (T | null)[] = Array.from({ length: capacity }, () => null)
    for (let index = 0; index < this.#size; index++) {
      offsets[index] = this.#offsetAt(index)
      items[index] = this.#items[this.#slot(index)] ?? null
    }
    this.#offsets = offsets
    this.#items = items
    this.#head = 0
  }
}
