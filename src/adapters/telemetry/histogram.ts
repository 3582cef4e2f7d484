/**
 * Upper bounds in seconds, from 1 ms to 10 min. Below a millisecond nothing that sluice waits for ends, and the mean (sum
 * through count) tells the decoding of one record apart; past ten minutes a record is late by any measure. About 2.5 times
 * from one to the next keeps the error of an estimated quantile below that factor at eighteen series for each.
 */
export const BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
] as const

const BOUNDS_MS = Float64Array.from(BUCKETS_SECONDS, bound => bound * 1_000)

/** Counts and a sum; nothing is allocated and nothing hashed when a value comes. */
export class Histogram {
  /** One more than there are bounds: what lies above all of them. */
  readonly #counts = new Float64Array(BOUNDS_MS.length + 1)
  #sumMs = 0

  /** A clock that was set back must not make a negative duration: it counts as none. */
  observeMs(durationMs: number): void {
    const ms = durationMs > 0 ? durationMs : 0
    let bucket = 0
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] ?? 0)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sumMs += ms
  }

  get sumSeconds(): number {
    return this.#sumMs / 1_000
  }

  /** How many lie at or below each bound; the last is the count of all. */
  cumulative(): number[] {
    let below = 0
    return Array.from(this.#counts, count => (below += count))
  }
}
