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
  /** What the last one was for, as far as it is not known to be stored. */
  readonly #sent = new Set<Partition<R>>()
  /** How often in a row each one's commit has failed, since somebody began to wait: one partition's trouble is not another's. */
  readonly #failures = new Map<Partition<R>, number>()
  #underWay = false
  #startedAtMs: number
  #retryAtMs = 0
  #refusals = 0

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
    this.#sent.delete(partition)
    this.#failures.delete(partition)
  }

  /** Somebody begins to wait: what failed before does not count. */
  awaited(): void {
    this.#failures.clear()
  }

  failuresOf(partition: Partition<R>): number {
    return this.#failures.get(partition) ?? 0
  }

  get hasFailed(): boolean {
    return this.#failures.size > 0
  }

  /** When the next one is due; infinite while there is nothing to commit or one is under way. */
  dueAtMs(urgent: boolean): number {
    if (this.#underWay || this.#pending.size === 0) return Number.POSITIVE_INFINITY
    return urgent ? this.#retryAtMs : Math.max(this.#retryAtMs, this.#startedAtMs + this.#intervalMs)
  }

  begin(nowMs: number): OffsetToCommit[] {
    const offsets: OffsetToCommit[] = []
    this.#sent.clear()
    for (const partition of this.#pending) {
      const offset = partition.takeCommit()
      // The broker may have turned out to know as much already.
      if (offset === null) {
        this.#pending.delete(partition)
        continue
      }
      offsets.push(offset)
      this.#sent.add(partition)
    }
    this.#startedAtMs = nowMs
    this.#underWay = offsets.length > 0
    return offsets
  }

  succeeded(partition: Partition<R>, offset: OffsetToCommit): void {
    partition.commitTaken(offset)
    this.#sent.delete(partition)
    this.#failures.delete(partition)
    this.moved(partition)
  }

  ended(): void {
    this.#underWay = false
    this.#refusals = 0
    this.#failures.clear()
  }

  /** What was stored all the same has been told before. True: ask for a rejoin. */
  failed(cause: CommitFailure, nowMs: number): boolean {
    this.#underWay = false
    for (const partition of this.#sent) this.#failures.set(partition, this.failuresOf(partition) + 1)
    this.#retryAtMs = nowMs + RETRY_MS
    if (cause !== 'refused') return false
    this.#refusals = (this.#refusals + 1) % REFUSALS_BEFORE_REJOIN
    return this.#refusals === 0
  }
}
