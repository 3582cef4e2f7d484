/** A consumer group in memory: members, one assignment at a time, and commits. */
import type { TopicPartition } from '../../core/record.ts'

export interface GroupMember {
  /** Orders the members, and so decides the assignment. */
  readonly id: string
  readonly topics: readonly string[]
  /** Before every join but the first. Resolves when the member has handed over, or its time is up. */
  handOver(): Promise<void>
  assigned(partitions: readonly TopicPartition[]): void
}

export interface Commit {
  readonly nextOffset: number
  readonly metadata: string
}

export function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

export class Group {
  readonly #partitionsOf: (topic: string) => number
  /** How long the coordinator takes to answer a join. */
  readonly #joinDelay: () => Promise<void>
  readonly #members = new Set<GroupMember>()
  readonly #commits = new Map<string, Commit>()
  /** stable → preparing → stable; `again`: somebody came or went while the others were handing over. */
  #state: 'stable' | 'preparing' | 'again' = 'stable'

  constructor(partitionsOf: (topic: string) => number, joinDelay: () => Promise<void>) {
    this.#partitionsOf = partitionsOf
    this.#joinDelay = joinDelay
  }

  has(member: GroupMember): boolean {
    return this.#members.has(member)
  }

  join(member: GroupMember): void {
    this.#members.add(member)
    this.rebalance()
  }

  leave(member: GroupMember): void {
    if (this.#members.delete(member)) this.rebalance()
  }

  rebalance(): void {
    if (this.#state === 'stable') void this.#rebalance()
    else this.#state = 'again'
  }

  committed(place: TopicPartition): Commit | null {
    return this.#commits.get(placeOf(place)) ?? null
  }

  knowsTopic(topic: string): boolean {
    for (const place of this.#commits.keys()) if (place.startsWith(`${topic}/`)) return true
    return false
  }

  /** As a broker does: whoever is a member may commit for any partition. */
  store(place: TopicPartition, commit: Commit): void {
    this.#commits.set(placeOf(place), commit)
  }

  /** A deleted topic takes its commits with it. */
  forget(topic: string): void {
    for (const place of this.#commits.keys()) if (place.startsWith(`${topic}/`)) this.#commits.delete(place)
  }

  async #rebalance(): Promise<void> {
    this.#state = 'preparing'
    // Not within the call that wanted it: a listener's methods are never called inside one another.
    await Promise.resolve()
    do {
      this.#state = 'preparing'
      await Promise.all([...this.#members].map(member => member.handOver()))
      await this.#joinDelay()
    } while (this.#isWantedAgain())
    this.#state = 'stable'
    for (const [member, partitions] of this.#assign()) member.assigned(partitions)
  }

  #isWantedAgain(): boolean {
    return this.#state === 'again'
  }

  /** Round robin over the members that read a topic, in the order of their ids. */
  #assign(): Map<GroupMember, TopicPartition[]> {
    const members = [...this.#members].toSorted((one, other) => (one.id < other.id ? -1 : 1))
    const assignment = new Map<GroupMember, TopicPartition[]>(members.map(member => [member, []]))
    const topics = new Set(members.flatMap(member => member.topics))
    let turn = 0
    for (const topic of topics) {
      const readers = members.filter(member => member.topics.includes(topic))
      for (let partition = 0; partition < this.#partitionsOf(topic); partition++) {
        const reader = readers[turn % readers.length]
        turn++
        if (reader !== undefined) assignment.get(reader)?.push({ topic, partition })
      }
    }
    return assignment
  }
}
