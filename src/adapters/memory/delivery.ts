/** When a source reads: a moment after there is something, and again as long as there is. */
import type { SourceListener } from '../../consumer/ports.ts'
import type { Holdings } from './holdings.ts'
import type { LineFaults } from './line.ts'
import type { Timers } from './timers.ts'

export interface DeliveryOptions {
  readonly holdings: Holdings
  readonly timers: Timers
  readonly faults: LineFaults
  /** Null once nothing is to be told any more. */
  readonly listener: () => SourceListener | null
}

export class Delivery {
  readonly #options: DeliveryOptions
  #isSet = false
  /** Everything was handed over, or is: nothing is read until the next join. */
  isStopped = false

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  soon(): void {
    const { holdings, timers, faults } = this.#options
    if (this.#isSet || !this.#mayRead || !holdings.hasWork) return
    this.#isSet = true
    const durationMs = faults.drawLatencyMs()
    timers.after(durationMs, () => {
      this.#isSet = false
      this.#read(durationMs)
      this.soon()
    })
  }

  #read(durationMs: number): void {
    const { holdings, faults, listener } = this.#options
    if (!this.#mayRead) return
    const bytes = holdings.deliver(faults.answerOffsetsMax)
    if (bytes !== null) listener()?.fetchDone({ durationMs, bytes })
  }

  get #mayRead(): boolean {
    return !this.isStopped && !this.#options.faults.down && this.#options.listener() !== null
  }
}
