/** Partitions on their way to other members. Each hand-over is bounded: whoever waits for the partitions does not wait for ever. */
import { describe } from '../../consumer/errors.ts'
import type { KafkaSourceOptions } from './options.ts'
import { assignmentsOf, type Part } from './partitions.ts'
import { rest } from './time.ts'
import type { Voice } from './voice.ts'

export interface HandOversOptions {
  readonly options: KafkaSourceOptions
  readonly voice: Voice
  /** Ends them all. */
  readonly signal: AbortSignal
}

export class HandOvers {
  readonly #options: HandOversOptions
  /** A partition that was given back and is taken away again is on its way anew: only its last hand-over counts. */
  readonly #last = new WeakMap<Part, AbortController>()

  constructor(options: HandOversOptions) {
    this.#options = options
  }

  /** Resolves when it is over or the time is, to those of which no later hand-over has begun. */
  async of(parts: readonly Part[]): Promise<readonly Part[]> {
    const { voice, signal, options } = this.#options
    const { clock, log, drainTimeoutMs, rebalanceTimeoutMs } = options
    const over = new AbortController()
    for (const part of parts) this.#last.set(part, over)
    void voice
      .revoking(assignmentsOf(parts))
      .catch((error: unknown) => {
        log.error({ error: describe(error) }, 'a hand-over failed; the partitions go all the same')
      })
      .then(() => over.abort())
    await rest(clock, Math.min(drainTimeoutMs, rebalanceTimeoutMs / 2), AbortSignal.any([signal, over.signal]))
    return parts.filter(part => this.#last.get(part) === over)
  }
}
