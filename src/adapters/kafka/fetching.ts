/** What kafkajs is to fetch. It remembers pauses by partition, over joins and losses: what it believes is overwritten with what is so. */
import type { Consumer } from 'kafkajs'
import { describe } from '../../consumer/errors.ts'
import type { Assignment, Log } from '../../consumer/ports.ts'
import { byTopic, isFetching, type Part, type Parts } from './partitions.ts'

export class Fetching {
  readonly #parts: Parts
  readonly #log: Log
  #consumer: Consumer | null = null

  constructor(parts: Parts, log: Log) {
    this.#parts = parts
    this.#log = log
  }

  /** Null: nobody fetches. */
  of(consumer: Consumer | null): void {
    this.#consumer = consumer
  }

  /** As the listener wishes. Answers the parts for which that is new. */
  set(assignments: readonly Assignment[], paused: boolean): readonly Part[] {
    const changed: Part[] = []
    for (const assignment of assignments) {
      const part = this.#parts.of(assignment)
      if (part === null || part.paused === paused) continue
      part.paused = paused
      changed.push(part)
    }
    this.apply(changed)
    return changed
  }

  /** Passes over what is gone: kafkajs knows places only, and one may have begun anew. */
  apply(parts: readonly Part[]): void {
    const live = parts.filter(part => this.#parts.of(part.assignment) !== null)
    if (this.#consumer === null || live.length === 0) return
    try {
      this.#consumer.pause(byTopic(live.filter(part => !isFetching(part))))
      this.#consumer.resume(byTopic(live.filter(isFetching)))
    } catch (error) {
      // It throws while it does not run; the next join applies everything again.
      this.#log.debug({ error: describe(error) }, 'kafkajs took no pause')
    }
  }
}
