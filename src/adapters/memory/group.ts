/** A consumer group in memory: its coordinator, and the offsets that are stored for it. */
import { placeOf, type TopicPartition } from '../../core/record.ts'
import type { Coordinator } from './coordinator.ts'

export interface Commit {
  readonly nextOffset: number
  readonly metadata: string
}

export class Group {
  readonly coordinator: Coordinator
  readonly #onStored: (place: TopicPartition, commit: Commit, memberId: string | null) => void
  readonly #metadataCharactersMax: number
  readonly #commits = new Map<string, Commit>()

  constructor(options: {
    coordinator: Coordinator
    metadataCharactersMax: number
    onStored: (place: TopicPartition, commit: Commit, memberId: string | null) => void
  }) {
    this.coordinator = options.coordinator
    this.#metadataCharactersMax = options.metadataCharactersMax
    this.#onStored = options.onStored
  }

  committed(place: TopicPartition): Commit | null {
    return this.#commits.get(placeOf(place)) ?? null
  }

  knowsTopic(topic: string): boolean {
    for (const place of this.#commits.keys()) if (place.startsWith(`${topic}/`)) return true
    return false
  }

  /** As a broker does: whoever is a member may commit for any partition. */
  store(place: TopicPartition, { nextOffset, metadata }: Commit, memberId: string | null): void {
    const commit = { nextOffset, metadata: metadata.length > this.#metadataCharactersMax ? '' : metadata }
    this.#commits.set(placeOf(place), commit)
    this.#onStored(place, commit, memberId)
  }

  /** A deleted topic takes its commits with it. */
  forget(topic: string): void {
    for (const place of this.#commits.keys()) if (place.startsWith(`${topic}/`)) this.#commits.delete(place)
  }
}
