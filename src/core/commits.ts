/**
 * When to commit, and what. One commit at a time; a failed one is never replayed: the next one is computed anew from the
 * ledgers. Asking for a commit of a partition that is gone is impossible: it is not in the set any more.
 */
import type { CommitFailure, OffsetToCommit } from './facts.ts'
import type { Partition } from './partition.ts'
import type { Taken } from './record.ts'

/** Between two tries while somebody waits for the commit (a stop, a hand-over). A guess, never tuned. */
const RETRY_MS = 200

/** The client looks for a new coordinator only in a join: after so many refusals in a row we ask for one. Found on a real cluster with one broker killed. */
const REFUSALS_BEFORE_REJOIN = 2

export class Commits<R extends Taken> {
  readonly #intervalMs: number
  readonly #pending = new Set<Partition<R>>()
  #underWay = false
  #startedAtMs: number
  #retryAtMs = 0
  #refusals = 0
  /** Since somebody began to wait. */
  failures = 0

  constructor(intervalMs: number, nowMs: number) {
    this.#intervalMs = intervalMs
    this.#startedAtMs = nowMs
  }

  /** When the last one was sent. */
  get sentAtMs(): number {
    return this.#startedAtMs
  }

  get underWay(): boolean {
    return this.#underWay
  }

  /** Whether all that settled is committed, as far as we may commit it. */
  get idle(): boolean {
    return !this.#underWay && this.#pending.size === 0
  }

  /** Call it whenever a ledger may have moved, or the broker may have turned out to know as much already. */
  moved(partition: Partition<R>): void {
    if (partition.hasToCommit) this.#pending.add(partition)
    else this.#pending.delete(partition)
  }

  gone(partition: Partition<R>): void {
    this.#pending.delete(partition)
  }

  /** When the next one is due; infinite while there is nothing to commit or one is under way. */
  dueAtMs(urgent: boolean): number {
    if (this.#underWay || this.#pending.size === 0) return Number.POSITIVE_INFINITY
    return urgent ? this.#retryAtMs : Math.max(this.#retryAtMs, this.#startedAtMs + this.#intervalMs)
  }

  begin(nowMs: number): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    for (const partition of this.#pending) {
      const offset = partition.takeCommit()
      // The broker may have turned out to know as much already.
      if (offset === null) this.#pending.delete(partition)
      else offsets.push(offset)
    }
    this.#startedAtMs = nowMs
    this.#underWay = offsets.length > 0
    return offsets
  }

  succeeded(partition: Partition<R>, offset: OffsetToCommit): void {
    partition.commitTaken(offset)
    this.moved(partition)
  }

  ended(): void {
    this.#underWay = false
    this.#refusals = 0
    this.failures = 0
  }

  /** True: ask for a rejoin. */
  failed(cause: CommitFailure, nowMs: number): boolean {
    this.#underWay = false
    this.failures++
    this.#retryAtMs = nowMs + RETRY_MS
    if (cause !== 'refused') return false
    this.#refusals = (this.#refusals + 1) % REFUSALS_BEFORE_REJOIN
    return this.#refusals === 0
  }
}
