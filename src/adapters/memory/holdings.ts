/** The partitions that one memory source has, and where its reading of each stands. */

import type { Assignment, PartitionOffsets, SourceListener } from '../../consumer/ports.ts'
import type { TopicPartition } from '../../core/record.ts'
import type { MemberSide } from './broker-types.ts'
import { type Group, placeOf } from './group.ts'

interface Part {
  readonly assignment: Assignment
  position: number
  hasAnswered: boolean
  paused: boolean
}

const ANSWER_RECORDS_MAX = 500

export class Holdings {
  readonly #broker: MemberSide
  readonly #group: Group
  #parts = new Map<string, Part>()

  constructor(broker: MemberSide, group: Group) {
    this.#broker = broker
    this.#group = group
  }

  get assignments(): readonly Assignment[] {
    return [...this.#parts.values()].map(part => part.assignment)
  }

  get offsets(): readonly PartitionOffsets[] {
    return this.assignments.flatMap(assignment => {
      const log = this.#broker.logOf(assignment.topic, assignment.partition)
      if (log === null) return []
      const committed = this.#group.committed(assignment)?.nextOffset ?? null
      return [{ assignment, committed, highWatermark: log.end, logStart: log.start }]
    })
  }

  /** Whether a partition that is not paused has something to read. */
  get hasWork(): boolean {
    for (const { assignment, position, paused } of this.#parts.values()) {
      const log = this.#broker.logOf(assignment.topic, assignment.partition)
      if (log !== null && !paused && position !== log.end) return true
    }
    return false
  }

  isLive(assignment: Assignment): boolean {
    return this.#parts.get(placeOf(assignment))?.assignment.epoch === assignment.epoch
  }

  /** What stays keeps its epoch, position and pause; the rest is new or gone. */
  join(partitions: readonly TopicPartition[]): void {
    const before = this.#parts
    this.#parts = new Map()
    for (const place of partitions) this.#parts.set(placeOf(place), before.get(placeOf(place)) ?? this.#newPart(place))
  }

  setPaused(assignments: readonly Assignment[], paused: boolean): void {
    for (const assignment of assignments) {
      const part = this.#parts.get(placeOf(assignment))
      if (part !== undefined && this.isLive(assignment)) part.paused = paused
    }
  }

  /** Answers whether there was any partition of these topics. */
  drop(topics: readonly string[]): boolean {
    const before = this.#parts.size
    for (const [key, { assignment }] of this.#parts) if (topics.includes(assignment.topic)) this.#parts.delete(key)
    return this.#parts.size < before
  }

  clear(): void {
    this.#parts.clear()
  }

  /** One answer for each partition that may have one; answers their bytes, or null when there was none. */
  deliver(listener: SourceListener): number | null {
    let bytes: number | null = null
    for (const part of this.#parts.values()) {
      const answered = this.#answer(part, listener)
      if (answered !== null) bytes = (bytes ?? 0) + answered
    }
    return bytes
  }

  #answer(part: Part, listener: SourceListener): number | null {
    const { topic, partition } = part.assignment
    const log = this.#broker.logOf(topic, partition)
    if (log === null || part.paused || part.position === log.end) return null
    const current = part.position > log.end ? this.#anotherLog(part, log.start, listener) : part
    if (current.position < log.start) {
      listener.missed({ assignment: current.assignment, from: current.position, to: log.start, cause: 'retention' })
      current.position = log.start
    }
    const { assignment, position } = current
    const { positionAfter, records, bytes } = log.read(position, ANSWER_RECORDS_MAX)
    if (positionAfter === position) return null
    current.position = positionAfter
    current.hasAnswered = true
    const { end: highWatermark, start: logStart } = log
    listener.answered({ assignment, positionBefore: position, positionAfter, records, bytes, highWatermark, logStart })
    return bytes
  }

  /** The log ends below the position: it is another one now, under a new epoch where the listener knows the old one. */
  #anotherLog(part: Part, at: number, listener: SourceListener): Part {
    let renewed = part
    if (part.hasAnswered) {
      renewed = this.#newPart(part.assignment)
      this.#parts.set(placeOf(part.assignment), renewed)
      listener.joined(this.assignments)
    }
    renewed.position = at
    listener.missed({ assignment: renewed.assignment, from: at, to: at, cause: 'reset' })
    return renewed
  }

  #newPart({ topic, partition }: TopicPartition): Part {
    const committed = this.#group.committed({ topic, partition })
    const position = committed?.nextOffset ?? this.#broker.logOf(topic, partition)?.start ?? 0
    const assignment = Object.freeze({ topic, partition, epoch: this.#broker.nextEpoch() })
    return { assignment, position, hasAnswered: false, paused: false }
  }
}
