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

  apply(parts: readonly Part[]): void {
    if (this.#consumer === null || parts.length === 0) return
    try {
      this.#consumer.pause(byTopic(parts.filter(part => !isFetching(part))))
      this.#consumer.resume(byTopic(parts.filter(isFetching)))
    } catch (error) {
      // It throws while it does not run; the next join applies everything again.
      this.#log.debug({ error: describe(error) }, 'kafkajs took no pause')
    }
  }
}
