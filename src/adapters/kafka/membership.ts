/** Who we are in the group at this moment, and through which door a commit of ours goes. */
import type { Broker } from 'kafkajs'
import type { CommitDoor } from './commit.ts'

export class Membership {
  readonly #groupId: string
  #memberId: string | null = null
  /** Known from the first heartbeat of a generation on; kafkajs' join event does not tell it. */
  #generation: number | null = null
  #coordinator: Broker | null = null
  /** kafkajs' own door, from any batch: it commits under the generation of the moment, and dies with the consumer. */
  #closure: CommitDoor | null = null

  constructor(groupId: string) {
    this.#groupId = groupId
  }

  get isMember(): boolean {
    return this.#memberId !== null
  }

  get memberId(): string | null {
    return this.#memberId
  }

  /** Answers true when the coordinator had forgotten us: under another member id nothing of before counts. */
  joined(memberId: string): boolean {
    const wasExpelled = this.#memberId !== null && this.#memberId !== memberId
    this.#memberId = memberId
    this.#generation = null
    return wasExpelled
  }

  heartbeat(memberId: string, generation: number): void {
    if (memberId === this.#memberId) this.#generation = generation
  }

  coordinatorFound(coordinator: Broker): void {
    this.#coordinator = coordinator
  }

  closureFound(closure: CommitDoor): void {
    this.#closure = closure
  }

  /** The same consumer, but no longer a member. */
  expelled(): void {
    this.#memberId = null
    this.#generation = null
  }

  /** Another consumer begins from nothing. */
  reset(): void {
    this.expelled()
    this.#coordinator = null
    this.#closure = null
  }

  /**
   * `consumer.commitOffsets` is no door: it repeats a failed commit by itself, for ever, beside newer ones. Before the first
   * batch (a log that ends in aborted records gives none) the coordinator is asked directly.
   */
  door(): CommitDoor | null {
    if (this.#memberId === null) return null
    if (this.#closure !== null) return this.#closure
    const coordinator = this.#coordinator
    if (coordinator === null || this.#generation === null) return null
    const identity = { groupId: this.#groupId, memberId: this.#memberId, groupGenerationId: this.#generation }
    return request => coordinator.offsetCommit({ ...identity, ...request })
  }
}
