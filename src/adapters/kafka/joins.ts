/** Where one consumer stands between two joins: what it has handed over for the next one, and whether it wants it. */
import type { Protocol } from '../../core/ownership.ts'

export class Joins {
  /** Asked for at every fetch until a join has come about. */
  #wanted: string | null = null
  /** The last join found a member that knows kafkajs' round robin only: everything is handed over before the next one. */
  #isEager = false
  /** One hand-over per join, however often kafkajs has to try it. */
  #isHandedOver = false
  /** No fetch runs beside the join: when one starts all the same, the join has failed. (A moved leader has kafkajs join beside fetches.) */
  #isAlone = false

  want(why: string): void {
    this.#wanted = why
  }

  /** Before a join: whether everything is to be handed over first. True once for each join. */
  handsOver(): boolean {
    if (!this.#isEager || this.#isHandedOver) return false
    this.#isHandedOver = true
    return true
  }

  /** The fetch loop has ended, and a join follows. */
  fetchingEnded(): void {
    this.#isAlone = true
  }

  fetchFailed(): void {
    this.#isAlone ||= this.#isHandedOver
  }

  /** Answers whether everything was handed over before it. */
  joined(protocol: Protocol): boolean {
    const wasHandedOver = this.#isHandedOver
    this.#wanted = null
    this.#isEager = protocol === 'eager'
    this.#isHandedOver = false
    this.#isAlone = false
    return wasHandedOver
  }

  /** Why the next fetch is to be a join; null: it is not. */
  get wanted(): string | null {
    // kafkajs goes on in the old generation after a join that failed; the listener has handed over and waits for a new one.
    return this.#isHandedOver && this.#isAlone ? 'the last join failed' : this.#wanted
  }
}
