/** How many transactions one process may have open at once, as a pool of connections bounds them. */
import { ClaimBusy } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'

/** For a free connection. As the Postgres adapter has it. */
const CONNECT_TIMEOUT_MS = 3_000

export class Connections {
  readonly #clock: Clock
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(clock: Clock, max: number) {
    this.#clock = clock
    this.#free = max
  }

  /** The answer gives it back. Rejects with `ClaimBusy` when all are in use for too long. */
  checkOut(): Promise<() => void> {
    if (this.#free > 0) return Promise.resolve(this.#take())
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.at(this.#clock.nowMs() + CONNECT_TIMEOUT_MS, () => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1)
        reject(new ClaimBusy(null))
      })
      const next = (): void => {
        cancel()
        resolve(this.#take())
      }
      this.#waiting.push(next)
    })
  }

  #take(): () => void {
    this.#free--
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#free++
      this.#waiting.shift()?.()
    }
  }
}
