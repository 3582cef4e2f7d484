import type { Clock } from '../../consumer/ports.ts'

export interface MemoryClock extends Clock {
  /** Time passes: everything due within `ms` is called, in time order, also what the callbacks themselves ask for. */
  advance(ms: number): void
  /** As `advance`, up to a point in monotonic time. One that has passed already changes nothing. */
  advanceTo(atMs: number): void
  /** Time passes until the next callback is due, and that one alone is called; false when none is. */
  advanceToNext(): boolean
  /** Somebody sets the wall clock; monotonic time knows nothing of it. */
  jumpWall(ms: number): void
  /** When the next callback is due; null when none is. */
  nextAtMs(): number | null
}

interface Timer {
  readonly atMs: number
  /** Tells timers of one moment apart: the one that was asked for first is called first. */
  readonly turn: number
  /** Null once it was cancelled or called. */
  callback: (() => void) | null
}

/** An arbitrary morning in 2026: close to what records carry, and the same in every run. */
const WALL_MS_DEFAULT = Date.UTC(2026, 0, 5, 9)

/** Time that passes only when a test says so. Callbacks of one moment are called in the order they were asked for. */
export function memoryClock({ nowMs = 0, wallMs = WALL_MS_DEFAULT } = {}): MemoryClock {
  let now = nowMs
  let wallAhead = wallMs - nowMs
  let turns = 0
  const timers = new Timers()

  const call = (timer: Timer): void => {
    const { callback } = timer
    timers.shift()
    timer.callback = null
    // A timer of the past is called late, not in the past.
    now = Math.max(now, timer.atMs)
    callback?.()
  }
  const advanceTo = (atMs: number): void => {
    for (let timer = timers.first; timer !== undefined && timer.atMs <= atMs; timer = timers.first) call(timer)
    now = Math.max(now, atMs)
  }

  return {
    nowMs: () => now,
    wallMs: () => now + wallAhead,
    at(atMs, callback) {
      const timer: Timer = { atMs, turn: turns++, callback }
      timers.add(timer)
      return () => {
        timer.callback = null
      }
    },
    advance: ms => advanceTo(now + ms),
    advanceTo,
    advanceToNext() {
      const timer = timers.first
      if (timer !== undefined) call(timer)
      return timer !== undefined
    },
    jumpWall(ms) {
      wallAhead += ms
    },
    nextAtMs: () => timers.first?.atMs ?? null,
  }
}

/** A binary heap. What was cancelled stays in it until it would have been due. */
class Timers {
  readonly #heap: Timer[] = []

  /** The next one that was not cancelled. */
  get first(): Timer | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.callback !== null) return first
      this.shift()
    }
  }

  add(timer: Timer): void {
    const heap = this.#heap
    let index = heap.push(timer) - 1
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isBefore(parent, timer)) break
      heap[index] = parent
      index = above
    }
    heap[index] = timer
  }

  shift(): void {
    const heap = this.#heap
    const timer = heap.pop()
    if (timer === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      const left = heap[below]
      if (left === undefined) break
      const right = heap[below + 1]
      if (right !== undefined && isBefore(right, left)) below++
      const child = right !== undefined && isBefore(right, left) ? right : left
      if (isBefore(timer, child)) break
      heap[index] = child
      index = below
    }
    heap[index] = timer
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.turn < other.turn)
}

export function timePasses(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => void clock.at(clock.nowMs() + ms, resolve))
}
