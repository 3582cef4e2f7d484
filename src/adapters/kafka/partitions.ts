/** Which partitions are ours, under which epoch, and how far their fetching has come. */
import type { Assignment } from '../../consumer/ports.ts'

/** One assignment of one partition. Its object is its identity: after a loss there is another one. */
export interface Part {
  readonly assignment: Assignment
  /** The next offset that the listener has not been given; null before the first answer. */
  position: number | null
  /** kafkajs' way to set the position of the next fetch, from the last batch; null before the first. */
  resolve: ((offset: string) => void) | null
  /** Ours, not kafkajs' truth: it is applied again after every join. */
  paused: boolean
  /** Where the log had nothing for us; kafkajs begins again at its start, and the next batch tells what that means. */
  outOfRangeAt: number | null
  /** The group's, as far as we know; null: none or unknown. */
  committed: number | null
}

/** Never used twice in a process, whichever source asks. */
let lastEpoch = 0

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

export class Partitions {
  #parts = new Map<string, Part>()

  get all(): readonly Part[] {
    return [...this.#parts.values()]
  }

  get assignments(): readonly Assignment[] {
    return this.all.map(part => part.assignment)
  }

  at(topic: string, partition: number): Part | null {
    return this.#parts.get(keyOf(topic, partition)) ?? null
  }

  /** The part of exactly this assignment; null when it is gone. */
  live(assignment: Assignment): Part | null {
    const part = this.at(assignment.topic, assignment.partition)
    return part !== null && part.assignment.epoch === assignment.epoch ? part : null
  }

  /** After a join: what stays keeps its object and epoch, the rest is new or gone. Answers those that stayed. */
  join(assigned: Readonly<Record<string, readonly number[]>>): readonly Part[] {
    const before = this.#parts
    const kept: Part[] = []
    this.#parts = new Map()
    for (const [topic, partitions] of Object.entries(assigned)) {
      for (const partition of partitions) {
        const part = before.get(keyOf(topic, partition))
        if (part !== undefined) kept.push(part)
        this.#parts.set(keyOf(topic, partition), part ?? newPart(topic, partition))
      }
    }
    return kept
  }

  /** The same partition under a new epoch: its log is another one now. */
  renew(part: Part): Part {
    const { topic, partition } = part.assignment
    const renewed = newPart(topic, partition)
    renewed.resolve = part.resolve
    this.#parts.set(keyOf(topic, partition), renewed)
    return renewed
  }

  /** Nothing of this topic is live any more, until the next join gives it anew. */
  drop(topic: string): void {
    for (const part of this.all)
      if (part.assignment.topic === topic) this.#parts.delete(keyOf(topic, part.assignment.partition))
  }

  clear(): void {
    this.#parts.clear()
  }
}

function newPart(topic: string, partition: number): Part {
  lastEpoch++
  return {
    assignment: Object.freeze({ topic, partition, epoch: lastEpoch }),
    position: null,
    resolve: null,
    paused: false,
    outOfRangeAt: null,
    committed: null,
  }
}

/** By topic, as kafkajs wants them. */
export function byTopic(parts: readonly Part[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { assignment } of parts) {
    const partitions = topics.get(assignment.topic)
    if (partitions === undefined) topics.set(assignment.topic, [assignment.partition])
    else partitions.push(assignment.partition)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
