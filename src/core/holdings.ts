/** Every partition that is ours, its lanes, and what they hold together. */
import { assert } from './assert.ts'
import { Budget, type BudgetLimits } from './budget.ts'
import type { Fetched } from './facts.ts'
import { Lanes } from './lanes.ts'
import { Partition } from './partition.ts'
import { type Assignment, placeOf, type Taken } from './record.ts'
import type { Work } from './work.ts'

/**
 * A record is a view of the answer that brought it, and the last one of an answer keeps all of it. Within this time most are settled, and
 * copying them would be waste. A guess, never tuned.
 */
const LONG_MS = 5_000
const LOOK_EVERY_MS = 1_000

export class Holdings<R extends Taken> {
  readonly #windowMax: number
  readonly #partitions = new Map<number, Partition<R>>()
  /** By place, not by epoch: an attempt of a lost assignment keeps its lane closed for the next one. */
  readonly #lanes = new Map<string, Lanes<Work<R>>>()
  readonly budget: Budget
  #lookAtMs = 0

  constructor(limits: BudgetLimits, windowMax: number) {
    this.budget = new Budget(limits)
    this.#windowMax = windowMax
  }

  get size(): number {
    return this.#partitions.size
  }

  /** In the order they came. */
  all(): Iterable<Partition<R>> {
    return this.#partitions.values()
  }

  /** Undefined when the assignment is gone: a late fact meets nothing. */
  of({ epoch }: Assignment): Partition<R> | undefined {
    return this.#partitions.get(epoch)
  }

  /** Whether a partition leaves for which nothing is missing but its commit. */
  get handOverNeedsCommit(): boolean {
    for (const { stay, inFlight, hasToCommit } of this.#partitions.values()) {
      if (stay === 'leaving' && inFlight === 0 && hasToCommit) return true
    }
    return false
  }

  /** Partitions that were leaving and may go: nothing of them is in flight, and what settled is committed, or that is given up. Each is answered once. */
  takeHandedOver(isCommitGivenUp: (partition: Partition<R>) => boolean): Assignment[] {
    const assignments: Assignment[] = []
    for (const partition of this.#partitions.values()) {
      const { stay, inFlight, hasToCommit, assignment } = partition
      if (stay !== 'leaving' || inFlight > 0 || (hasToCommit && !isCommitGivenUp(partition))) continue
      partition.stay = 'left'
      assignments.push(assignment)
    }
    return assignments
  }

  /** What is in hand for so long that it should pin no more than itself; each record is answered once. */
  takeLongWaiting(nowMs: number): R[] {
    if (nowMs < this.#lookAtMs) return []
    this.#lookAtMs = nowMs + LOOK_EVERY_MS
    const waiting: R[] = []
    for (const partition of this.#partitions.values()) waiting.push(...partition.takeLongWaiting(nowMs - LONG_MS))
    return waiting
  }

  /** When to look again; infinite while nothing is in hand. */
  get lookAtMs(): number {
    return this.budget.records === 0 ? Number.POSITIVE_INFINITY : this.#lookAtMs
  }

  /** Works in flight, of assignments that are still ours. */
  get inFlight(): number {
    let inFlight = 0
    for (const partition of this.#partitions.values()) inFlight += partition.inFlight
    return inFlight
  }

  add(assignment: Assignment): void {
    const place = placeOf(assignment)
    const lanes = this.#lanes.get(place) ?? new Lanes<Work<R>>()
    this.#lanes.set(place, lanes)
    this.#partitions.set(assignment.epoch, new Partition(assignment, lanes, this.#windowMax))
  }

  /** Answers what still runs, though nobody waits for it. */
  drop(partition: Partition<R>): Work<R>[] {
    this.#partitions.delete(partition.assignment.epoch)
    this.budget.remove(partition.records, partition.bytes)
    const running = partition.drop()
    this.#forget(partition.assignment)
    return running
  }

  /** Answers what is settled by being taken. */
  take(partition: Partition<R>, fetched: Fetched<R>, nowMs: number): Work<R>[] {
    const { records, bytes } = partition
    const settled = partition.take(fetched, nowMs)
    this.budget.add(partition.records - records, partition.bytes - bytes)
    return settled
  }

  /** Answers its partition, or undefined when that is gone and nothing was settled. */
  settle(work: Work<R>): Partition<R> | undefined {
    const partition = this.#partitions.get(work.assignment.epoch)
    if (partition === undefined) return undefined
    assert(partition.settle(work), 'a record is settled once')
    this.budget.remove(1, work.record.bytes)
    return partition
  }

  /** It goes back to the head of its lane. */
  again(work: Work<R>): void {
    this.#lanesOf(work).again(work)
  }

  /** Its lane goes on. */
  done(work: Work<R>): void {
    this.#lanesOf(work).done(work)
    if (!this.#partitions.has(work.assignment.epoch)) this.#forget(work.assignment)
  }

  #lanesOf({ assignment }: Work<R>): Lanes<Work<R>> {
    const lanes = this.#partitions.get(assignment.epoch)?.lanes ?? this.#lanes.get(placeOf(assignment))
    assert(lanes !== undefined, 'lanes stay while something of them is out')
    return lanes
  }

  #forget(assignment: Assignment): void {
    const place = placeOf(assignment)
    const lanes = this.#lanes.get(place)
    if (lanes === undefined || lanes.out > 0) return
    for (const partition of this.#partitions.values()) if (partition.lanes === lanes) return
    this.#lanes.delete(place)
  }
}
