/** Whether the client itself is dead: its loop is silent although a broker answers others. Only a restart cures that. */
import type { Clock } from '../../consumer/ports.ts'

/** Many times the longest that a healthy loop is silent: a fetch, its timeout, a new connection. A guess, never tuned. */
const SILENCE_MS_MAX = 60_000
/** A broker that answered our own question within this is there. */
const ANSWER_AGE_MS_MAX = 15_000

export class Liveness {
  readonly #clock: Clock
  readonly #joinMsMax: number
  /** Null while no consumer is supposed to run. */
  #lastSignMs: number | null = null
  #isJoining = false
  #lastAnswerMs: number | null = null

  /** `joinMsMax`: as long may a join take, for which others are waited for. */
  constructor(clock: Clock, joinMsMax: number) {
    this.#clock = clock
    this.#joinMsMax = joinMsMax
  }

  fetching(): void {
    this.#lastSignMs = this.#clock.nowMs()
    this.#isJoining = false
  }

  joining(): void {
    this.#lastSignMs = this.#clock.nowMs()
    this.#isJoining = true
  }

  /** No consumer, no silence: it waits for its topics, or between two tries. */
  resting(): void {
    this.#lastSignMs = null
    this.#isJoining = false
  }

  brokerAnswered(): void {
    this.#lastAnswerMs = this.#clock.nowMs()
  }

  get isJoining(): boolean {
    return this.#isJoining
  }

  /** While no broker answers, the loop is silent because it tries to connect: that is no death. */
  get alive(): boolean {
    const nowMs = this.#clock.nowMs()
    if (this.#lastSignMs === null || this.#lastAnswerMs === null) return true
    if (nowMs - this.#lastAnswerMs > ANSWER_AGE_MS_MAX) return true
    return nowMs - this.#lastSignMs <= SILENCE_MS_MAX + (this.#isJoining ? this.#joinMsMax : 0)
  }
}
