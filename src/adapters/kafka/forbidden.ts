/** Which topics we may not read, by whoever has found it out: fetches partition by partition, questions topic by topic. One sentence names them all. */
import type { Part } from './partitions.ts'
import { readingRefused } from './permissions.ts'
import type { Voice } from './voice.ts'

export class Forbidden {
  readonly #voice: Voice
  readonly #fetched = new Set<Part>()
  #asked: readonly string[] = []

  constructor(voice: Voice) {
    this.#voice = voice
  }

  /** A fetch of this partition was refused. */
  refused(part: Part): void {
    this.#fetched.add(part)
    this.#say()
  }

  /** It can be read again, or is gone. */
  over(part: Part): void {
    if (this.#fetched.delete(part)) this.#say()
  }

  /** What the brokers say when they are asked about each topic. */
  known(topics: readonly string[]): void {
    this.#asked = topics
    this.#say()
  }

  #say(): void {
    const fetched = [...this.#fetched].map(({ assignment }) => assignment.topic)
    const topics = [...new Set([...fetched, ...this.#asked])].toSorted()
    this.#voice.waiting('permission', topics.length === 0 ? null : readingRefused(topics))
  }
}
