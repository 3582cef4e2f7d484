/** The partitions that one memory source has, and where its reading of each stands. */
import type { Assignment, PartitionOffsets, SourceListener } from '../../consumer/ports.ts'
import { Ownership } from '../../core/ownership.ts'
import type { TopicPartition } from '../../core/record.ts'
import type { MemberSide } from './broker-types.ts'
import type { Commit, Group } from './group.ts'
import type { PartitionLog } from './log.ts'

export interface Part {
  readonly assignment: Assignment
  /** The log that is read; null until the group's offset is known. */
  log: PartitionLog | null
  position: number
  /** It is not the log that the assignment before this one read. */
  readonly isAnotherLog: boolean
  paused: boolean
  /** Which hand-over waits for it; null: none. */
  handOver: object | null
}

export interface HoldingsOptions {
  readonly broker: MemberSide
  readonly group: Group
  /** Null once nothing is to be told any more. */
  readonly listener: () => SourceListener | null
  /** The group's offset is to be asked for, and then `restored` called. */
  readonly restore: (part: Part) => void
}

export class Holdings {
  readonly owned = new Ownership<Part>(place => this.#newPart(place))
  readonly #options: HoldingsOptions
  #isRenewing = false

  constructor(options: HoldingsOptions) {
    this.#options = options
  }

  /** Whether a partition that is not paused has something to read. */
  get hasWork(): boolean {
    return this.owned.staying.some(part => {
      const log = this.#logOf(part)
      return !part.paused && log !== null && part.log !== null && (part.log !== log || part.position !== log.end)
    })
  }

  /** As the broker sees them. A commit beyond the log's end is one of a log that is gone. */
  offsets(): readonly PartitionOffsets[] {
    const { group } = this.#options
    return this.owned.staying.flatMap(({ assignment }) => {
      const log = this.#options.broker.logOf(assignment.topic, assignment.partition)
      if (log === null) return []
      const stored = group.committed(assignment)?.nextOffset ?? null
      const committed = stored !== null && stored > log.end ? null : stored
      return [{ assignment, committed, highWatermark: log.end, logStart: log.start }]
    })
  }

  setPaused(assignments: readonly Assignment[], paused: boolean): void {
    for (const assignment of assignments) {
      const part = this.owned.of(assignment)
      if (part !== null) part.paused = paused
    }
  }

  /** What the group has stored is known: reading begins, if there is a log. */
  restored(part: Part, stored: Commit | null): void {
    const { assignment, isAnotherLog } = part
    const log = this.#logOf(part)
    if (log === null) return
    // What was stored for a log that ended higher is no offset of this one.
    const committed = isAnotherLog && stored !== null && stored.nextOffset > log.end ? null : stored
    part.log = log
    part.position = committed?.nextOffset ?? log.start
    const { position } = part
    const { nextOffset = null, metadata = '' } = committed ?? {}
    this.#options.listener()?.restored({ assignment, committed: nextOffset, metadata })
    if (isAnotherLog) this.#options.listener()?.missed({ assignment, from: position, to: position, cause: 'reset' })
  }

  /** One answer for each partition that may have one; answers their bytes, or null when there was none. */
  deliver(offsetsMax: number): number | null {
    let bytes: number | null = null
    for (const part of this.owned.staying) {
      // The listener may stop or pause us in the middle of it.
      if (!this.owned.isStaying(part)) continue
      const answered = this.#answer(part, offsetsMax)
      if (answered !== null) bytes = (bytes ?? 0) + answered
    }
    return bytes
  }

  #answer(part: Part, offsetsMax: number): number | null {
    const { assignment } = part
    const log = this.#logOf(part)
    if (log === null || part.log === null || part.paused) return null
    if (part.log !== log || part.position > log.end) {
      this.#renew(part)
      return null
    }
    const { start: logStart, end: highWatermark } = log
    if (part.position < logStart) {
      const range = { assignment, from: part.position, to: logStart, cause: 'retention' } as const
      part.position = logStart
      this.#options.listener()?.missed(range)
    }
    const positionBefore = part.position
    const { positionAfter, ...read } = log.read(positionBefore, offsetsMax)
    if (positionAfter === positionBefore) return null
    part.position = positionAfter
    this.#options.listener()?.answered({
      assignment,
      positionBefore,
      positionAfter,
      highWatermark,
      ...read,
    })
    return read.bytes
  }

  /** The log ends below the position, or was created again: it is another one now. */
  #renew(part: Part): void {
    this.#isRenewing = true
    const renewed = this.owned.renew(part)
    this.#isRenewing = false
    this.#options.listener()?.renewed({ gone: part.assignment, assignment: renewed.assignment })
    this.#options.restore(renewed)
  }

  #logOf({ assignment }: Part): PartitionLog | null {
    return this.#options.broker.logOf(assignment.topic, assignment.partition)
  }

  #newPart({ topic, partition }: TopicPartition): Part {
    const assignment = Object.freeze({ topic, partition, epoch: this.#options.broker.nextEpoch() })
    return { assignment, log: null, position: 0, isAnotherLog: this.#isRenewing, paused: false, handOver: null }
  }
}
