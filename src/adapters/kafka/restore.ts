/** What the group has stored for partitions that have just become ours, offset and metadata from one answer, before anything of them is read. */
import { describe } from '../../consumer/errors.ts'
import type { Clock, Log } from '../../consumer/ports.ts'
import type { Questions } from './admin.ts'
import { safeOffset } from './offset.ts'
import type { Part } from './partitions.ts'
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

interface Failed {
  readonly part: Part
  readonly error: unknown
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
    const { clock, log, signal, voice, isLive } = this.#options
    const nextWaitMs = backoff(RETRY_MS_MIN, RETRY_MS_MAX)
    let wasSaid = false
    let parts = gained
    while (parts.length > 0 && !signal.aborted) {
      const failed = (await this.#try(parts, wasSaid)).filter(({ part }) => isLive(part))
      const [first] = failed
      if (first === undefined) return
      for (const { part, error } of failed)
        voice.held({
          assignment: part.assignment,
          why: `what the group has stored for it cannot be read: ${describe(error)}`,
        })
      if (!wasSaid)
        log.warn(
          { partitions: failed.length, error: describe(first.error) },
          'the stored offsets of new partitions cannot be read; trying again',
        )
      wasSaid = true
      await rest(clock, nextWaitMs(), signal)
      parts = failed.map(({ part }) => part).filter(isLive)
    }
  }

  /** Answers which could not begin, and why. One that cannot keeps no other from it, nor does a topic that we may not read. */
  async #try(parts: readonly Part[], wasSaid: boolean): Promise<Failed[]> {
    const failed: Failed[] = []
    // One after the other: a question that fails takes the client, and what else it is asked, with it.
    for (const [topic, those] of Map.groupBy(parts, ({ assignment }) => assignment.topic))
      failed.push(...(await this.#tryTopic(topic, those, wasSaid)))
    return failed
  }

  async #tryTopic(topic: string, parts: readonly Part[], wasSaid: boolean): Promise<Failed[]> {
    try {
      const storedOf = await this.#ask(topic)
      return parts.filter(this.#options.isLive).flatMap(part => {
        try {
          this.#begin(part, storedOf(part), wasSaid)
          return []
        } catch (error) {
          return [{ part, error }]
        }
      })
    } catch (error) {
      return parts.map(part => ({ part, error }))
    }
  }

  async #ask(topic: string): Promise<(part: Part) => Stored> {
    const { questions, groupId } = this.#options
    const stored = await questions.ask(admin => admin.fetchOffsets({ groupId, topics: [topic] }))
    return ({ assignment: { partition } }) => {
      const found = stored.find(each => each.topic === topic)?.partitions.find(each => each.partition === partition)
      // Below 0 is what a client has put in place of an offset ("the beginning"): whatever stands beside it belongs to no offset.
      const offset = found === undefined ? -1 : safeOffset(found.offset)
      return offset < 0 ? { committed: null, metadata: '' } : { committed: offset, metadata: found?.metadata ?? '' }
    }
  }

  #begin(part: Part, { committed, metadata }: Stored, wasSaid: boolean): void {
    const { voice, apply } = this.#options
    const { assignment } = part
    part.isRestored = true
    part.committed = committed
    part.position = committed
    part.fetched = committed
    if (wasSaid) voice.held({ assignment, why: null })
    voice.restored({ assignment, committed, metadata })
    apply([part])
  }
}
