import type { Clock } from '../../consumer/ports.ts'

export interface MemoryClock extends Clock {
  /** Time passes: everything due within `ms` is called, in time order, also what the callbacks themselves ask for. */
  advance(ms: number): void
  /** As `advance`, up to a point in monotonic time. One that has passed already changes nothing. */
  advanceTo(atMs: number): void
  /** Somebody sets the wall clock; monotonic time knows nothing of it. */
  jumpWall(ms: number): void
  /** When the next callback is due; null when none is. */
  nextAtMs(): number | null
}

interface Timer {
  readonly atMs: number
  readonly callback: () => void
}

/** An arbitrary morning in 2026: close to what records carry, and the same in every run. */
const WALL_MS_DEFAULT = Date.UTC(2026, 0, 5, 9)

/** Time that passes only when a test says so. Callbacks of one moment are called in the order they were asked for. */
export function memoryClock({ nowMs = 0, wallMs = WALL_MS_DEFAULT } = {}): MemoryClock {
  let now = nowMs
  let wallAhead = wallMs - nowMs
  const timers = new Set<Timer>()

  const next = (): Timer | null => {
    let first: Timer | null = null
    // A set keeps the order of insertion, so the earliest of equals is the one that was asked for first.
    for (const timer of timers) if (first === null || timer.atMs < first.atMs) first = timer
    return first
  }

  const advanceTo = (atMs: number): void => {
    for (let timer = next(); timer !== null && timer.atMs <= atMs; timer = next()) {
      timers.delete(timer)
      // A timer of the past is called late, not in the past.
      now = Math.max(now, timer.atMs)
      timer.callback()
    }
    now = Math.max(now, atMs)
  }

  return {
    nowMs: () => now,
    wallMs: () => now + wallAhead,
    at(atMs, callback) {
      const timer = { atMs, callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    advance: ms => advanceTo(now + ms),
    advanceTo,
    jumpWall(ms) {
      wallAhead += ms
    },
    nextAtMs: () => next()?.atMs ?? null,
  }
}

export function timePasses(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => void clock.at(clock.nowMs() + ms, resolve))
}
