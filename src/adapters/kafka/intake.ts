/**
 * The intake: synchronous from kafkajs' batch to the listener, so the fetch loop never waits. A batch is resolved before it is
 * given on; one that is not ours (any more) is not resolved, and kafkajs fetches it again for whoever has it then.
 */
import type { EachBatchPayload } from 'kafkajs'
import type { Log } from '../../consumer/ports.ts'
import { answerOf, fetchedOffsetOf, slim } from './batch.ts'
import { safeOffset } from './offset.ts'
import type { Part, Partitions } from './partitions.ts'
import { findingOf } from './positions.ts'
import type { SkippedBatch } from './run.ts'
import type { Voice } from './voice.ts'

export class Intake {
  readonly #partitions: Partitions
  readonly #voice: Voice
  readonly #log: Log

  constructor({ partitions, voice, log }: { partitions: Partitions; voice: Voice; log: Log }) {
    this.#partitions = partitions
    this.#voice = voice
    this.#log = log
  }

  /** Throws where the log cannot be read by anybody like us. */
  batch(payload: EachBatchPayload): void {
    const { batch } = payload
    const resolveOffset = (offset: string): void => payload.resolveOffset(offset)
    const found = this.#partitions.at(batch.topic, batch.partition)
    if (found === null) return
    const part = this.#reconcile(found, fetchedOffsetOf(batch))
    if (part === null) return
    const answer = answerOf(batch, part)
    const position = answer?.positionAfter ?? part.position ?? fetchedOffsetOf(batch)
    resolveOffset(String(position - 1))
    part.resolve = resolveOffset
    part.position = position
    slim(batch)
    if (answer !== null) this.#voice.answered(answer)
  }

  /** kafkajs has moved its own position already; nothing but the end of the batch is known. */
  skipped(batch: SkippedBatch): void {
    const found = this.#partitions.at(batch.topic, batch.partition)
    if (found === null) return
    // kafkajs gives null where no message is left, against its own types.
    const first: string | null = batch.firstOffset
    const positionAfter = safeOffset(batch.lastOffset) + 1
    const firstOffset = first === null ? positionAfter - 1 : safeOffset(first)
    const part = found.outOfRangeAt === null ? found : this.#reconcile(found, firstOffset)
    if (part === null) return
    const positionBefore = part.position ?? firstOffset
    if (positionAfter <= positionBefore) return
    part.position = positionAfter
    const { assignment } = part
    const highWatermark = safeOffset(batch.highWatermark)
    const nothing = { records: [], bytes: 0, logStart: null }
    this.#voice.answered({ assignment, positionBefore, positionAfter, highWatermark, ...nothing })
  }

  /** Says what the batch's beginning tells of the log. Null: it cannot be said now, so the batch has to come again. */
  #reconcile(part: Part, fetched: number): Part | null {
    const finding = findingOf(part, fetched)
    if (finding.kind !== 'continues' && this.#voice.isHandingOver) return null
    switch (finding.kind) {
      case 'continues':
        break
      case 'lost': {
        const { from, to } = finding
        this.#log.error(
          { ...part.assignment, from, to },
          'the log no longer has these records: they were removed before we read them',
        )
        this.#voice.missed({ assignment: part.assignment, from, to, cause: 'retention' })
        break
      }
      case 'another-log':
        return this.anotherLog(part, finding.at)
      default:
        return finding satisfies never
    }
    part.outOfRangeAt = null
    return part
  }

  /** A new epoch from `at` on. What was skipped is not known, so the range that is reported is empty and stands at its beginning. */
  anotherLog(part: Part, at: number): Part {
    this.#log.error(
      { ...part.assignment, position: part.position, at },
      'the log ends below our position: it was truncated or created again; reading it anew',
    )
    const renewed = part.position === null ? part : this.#partitions.renew(part)
    renewed.outOfRangeAt = null
    renewed.committed = null
    if (renewed !== part) this.#voice.joined(this.#partitions.assignments)
    this.#voice.missed({ assignment: renewed.assignment, from: at, to: at, cause: 'reset' })
    return renewed
  }
}
