/** What the group has stored for partitions that have just become ours, offset and metadata from one answer, before anything of them is read. */
import { describe } from '../../consumer/errors.ts'
import type { Clock, Log } from '../../consumer/ports.ts'
import type { Questions } from './admin.ts'
import { safeOffset } from './offset.ts'
import { assignmentsOf, type Part } from './partitions.ts'
import { backoff, rest } from './time.ts'
import type { Voice } from './voice.ts'

const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

export interface RestorerOptions {
  readonly groupId: string
  readonly clock: Clock
  readonly log: Log
  readonly questions: Questions
  readonly voice: Voice
  readonly signal: AbortSignal
  readonly isLive: (part: Part) => boolean
  /** What kafkajs is to fetch has changed. */
  readonly apply: (parts: readonly Part[]) => void
}

interface Stored {
  readonly committed: number | null
  readonly metadata: string
}

export class Restorer {
  readonly #options: RestorerOptions

  constructor(options: RestorerOptions) {
    this.#options = options
  }

  /** Until it is known, or nobody wants to know any more; never rejects. */
  async restore(gained: readonly Part[]): Promise<void> {
    const { clock, log, signal, isLive } = this.#options
    const nextWaitMs = backoff(RETRY_MS_MIN, RETRY_MS_MAX)
    let said = false
    for (let parts = gained; ; parts = parts.filter(isLive)) {
      if (parts.length === 0 || signal.aborted) return
      try {
        return this.#begin(parts, await this.#ask(parts), said)
      } catch (error) {
        const why = `what the group has stored for it cannot be read: ${describe(error)}`
        if (!said)
          log.warn(
            { partitions: parts.length, error: describe(error) },
            'the stored offsets of new partitions cannot be read; trying again',
          )
        said = true
        for (const assignment of assignmentsOf(parts.filter(isLive))) this.#options.voice.held({ assignment, why })
        await rest(clock, nextWaitMs(), signal)
      }
    }
  }

  async #ask(parts: readonly Part[]): Promise<(part: Part) => Stored> {
    const { questions, groupId } = this.#options
    const topics = [...new Set(parts.map(({ assignment }) => assignment.topic))]
    const stored = await questions.ask(admin => admin.fetchOffsets({ groupId, topics }))
    return ({ assignment: { topic, partition } }) => {
      const found = stored.find(each => each.topic === topic)?.partitions.find(each => each.partition === partition)
      // Below 0 is what a client has put in place of an offset ("the beginning"): whatever stands beside it belongs to no offset.
      const offset = found === undefined ? -1 : safeOffset(found.offset)
      return offset < 0 ? { committed: null, metadata: '' } : { committed: offset, metadata: found?.metadata ?? '' }
    }
  }

  #begin(parts: readonly Part[], storedOf: (part: Part) => Stored, wasSaid: boolean): void {
    const { voice, isLive, apply } = this.#options
    const begun = parts.filter(part => isLive(part) && !part.isRestored)
    for (const part of begun) {
      const { assignment } = part
      const { committed, metadata } = storedOf(part)
      part.isRestored = true
      part.committed = committed
      part.position = committed
      part.fetched = committed
      if (wasSaid) voice.held({ assignment, why: null })
      voice.restored({ assignment, committed, metadata })
    }
    apply(begun)
  }
}
