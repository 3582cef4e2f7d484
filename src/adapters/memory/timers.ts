/** What a process waits for, on its own clock; nothing of it is left when the process ends. */
import type { Clock } from '../../consumer/ports.ts'

export class Timers {
  readonly #clock: Clock
  readonly #cancels = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get nowMs(): number {
    return this.#clock.nowMs()
  }

  /** Calls back once; the answer cancels it. */
  after(ms: number, callback: () => void): () => void {
    const stop = this.#clock.at(this.#clock.nowMs() + ms, () => {
      this.#cancels.delete(cancel)
      callback()
    })
    const cancel = (): void => {
      this.#cancels.delete(cancel)
      stop()
    }
    this.#cancels.add(cancel)
    return cancel
  }

  /** Never resolves once all is cancelled. */
  pass(ms: number): Promise<void> {
    return new Promise(resolve => void this.after(ms, resolve))
  }

  cancelAll(): void {
    for (const cancel of this.#cancels) cancel()
  }
}
