/** Partitions on their way to other members. Each hand-over is bounded: whoever waits for the partitions does not wait for ever. */
import { describe } from '../../consumer/errors.ts'
import type { KafkaSourceOptions } from './options.ts'
import { assignmentsOf, type Part } from './partitions.ts'
import { rest } from './time.ts'
import type { Voice } from './voice.ts'

/** Between two looks whether a join is still under way. */
const LOOK_MS = 100
/** For the commit, once the coordinator answers again after a join: a try under the old generation, and one under the new. A guess, never tuned. */
const COMMIT_MS = 2_000

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

  /**
   * Resolves when it is over or the time is, to those of which no later hand-over has begun. While a join is under way (`isHeldUp`) the
   * coordinator answers no commit, and nobody could have the partitions that our own join claims: giving them up then would only repeat work.
   */
  async of(parts: readonly Part[], isHeldUp: () => boolean = () => false): Promise<readonly Part[]> {
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
    const ended = AbortSignal.any([signal, over.signal])
    await rest(clock, Math.min(drainTimeoutMs, rebalanceTimeoutMs / 2), ended)
    if (isHeldUp()) {
      while (!ended.aborted && isHeldUp()) await rest(clock, LOOK_MS, ended)
      await rest(clock, COMMIT_MS, ended)
    }
    return parts.filter(part => this.#last.get(part) === over)
  }
}
