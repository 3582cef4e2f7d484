/**
 * From an answer to the listener: synchronous, so that the fetch loop never waits. Batches stay compressed until it is their turn,
 * and it is nobody's turn in a partition that the listener has paused: what is in memory is what the listener holds, one batch and
 * one answer a partition. An answer that is not ours (any more) is not resolved, and kafkajs fetches it again for whoever has it then.
 */
import type { EachBatchPayload } from 'kafkajs'
import type { Log } from '../../consumer/ports.ts'
import { fetchedOffsetOf, takePartition } from './insides.ts'
import type { Part, Parts, Pending } from './partitions.ts'
import { isFetching } from './partitions.ts'
import { type Skip, skipFor, skipText } from './skips.ts'
import type { Troubles } from './troubles.ts'
import type { Voice } from './voice.ts'
import type { WirePartition } from './wire/answer.ts'
import { Malformed } from './wire/bytes.ts'
import { readRecords, type WireRecord } from './wire/records.ts'

/** A batch is at most `message.max.bytes` (1 MiB by default) compressed; real ones inflate tenfold. A guess, never tuned. */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024
/** The native codecs give memory back only at a turn of the event loop, and nobody else runs meanwhile: found on 20,000 batches in one go, which took 4 GB. */
const BATCHES_A_TURN_MAX = 20
const RECORDS_A_TURN_MAX = 10_000

export interface IntakeOptions {
  readonly parts: Parts
  readonly voice: Voice
  readonly troubles: Troubles
  readonly skips: readonly Skip[]
  readonly log: Log
  /** What kafkajs is to fetch may have changed. */
  readonly apply: (parts: readonly Part[]) => void
  /** Whatever is thrown is a defect of ours: nothing goes on after it. */
  readonly guarded: (take: () => void) => void
}

export class Intake {
  readonly #options: IntakeOptions
  /** Those whose turn comes with the next turn of the event loop. */
  readonly #due = new Set<Part>()

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  accept(payload: EachBatchPayload): void {
    const { parts, troubles } = this.#options
    const answer = takePartition(payload)
    const part = parts.at(payload.batch)
    if (answer === null || part === null || !parts.isStaying(part) || !isFetching(part)) return
    part.resolve = offset => payload.resolveOffset(offset)
    const from = fetchedOffsetOf(payload)
    part.position ??= from
    part.fetched ??= from
    // A generation begins where the group's commit stands, which is not where we stand.
    if (from !== part.fetched) return part.resolve(String(part.fetched - 1))
    if (answer.errorCode !== 0) return troubles.answered(part, answer.errorCode)
    if (isAnotherLog(part, answer)) return this.#doubtLog(part, answer)
    this.#append(part, answer)
    this.#deliver(part)
  }

  /** No checksum covers the leader epoch: one damaged answer must not have a whole log read anew, so another one has to say the same. */
  #doubtLog(part: Part, { logStartOffset }: WirePartition): void {
    if (part.isDoubted) return this.beginAgain(part, logStartOffset)
    part.isDoubted = true
    this.#options.troubles.doubted(part, 'its records are of an older leader than those before them')
  }

  /** Goes on with what was fetched already, at the next turn. */
  goOn(part: Part): void {
    if (part.pending.length === 0 || this.#due.has(part)) return
    this.#due.add(part)
    setImmediate(() => {
      this.#due.delete(part)
      this.#options.guarded(() => this.#deliver(part))
    })
  }

  /** A new epoch from `at` on, since the log is another one. How much was skipped nobody knows: the range that is reported is empty and stands at its beginning. */
  beginAgain(part: Part, at: number): void {
    const { parts, voice, log, apply, troubles } = this.#options
    const gone = part.assignment
    log.error(
      { ...gone, position: part.position, at },
      'the log ends below our position, or is younger than what we have read: it was truncated or created again; reading it anew',
    )
    troubles.over(part)
    const { resolve } = part
    const renewed = Object.assign(parts.renew(part), {
      resolve,
      position: at,
      fetched: at,
      isRestored: true,
      isAnew: true,
    })
    const { assignment } = renewed
    resolve?.(String(at - 1))
    voice.renewed({ gone, assignment })
    voice.restored({ assignment, committed: null, metadata: '' })
    voice.missed({ assignment, from: at, to: at, cause: 'reset' })
    apply([renewed])
  }

  #append(part: Part, { batches, broken, highWatermark }: WirePartition): void {
    const from = part.fetched ?? 0
    let fetched = from
    for (const batch of batches) {
      // No checksum covers where a batch stands. Nobody is given what lies beyond the high watermark: it is asked for again.
      if (batch.lastOffset >= highWatermark) break
      // Also one that seems to end below what was asked for: its checksum tells whether it does.
      part.pending.push({ batch, highWatermark })
      fetched = Math.max(fetched, batch.lastOffset + 1)
    }
    part.fetched = fetched
    if (fetched > from) return part.resolve?.(String(fetched - 1))
    if (batches.length > part.pending.length) {
      part.pending = []
      return this.#options.troubles.doubted(
        part,
        `the broker gives offset ${from} and says that it ends at ${highWatermark}`,
      )
    }
    // What lies before the break is given first; the next answer begins with it.
    this.#unreadable(
      part,
      null,
      broken ?? new Malformed('offset', `the answer ends below offset ${from}, which was asked for`),
    )
  }

  #deliver(part: Part): void {
    const { parts, apply } = this.#options
    let batches = 0
    let records = 0
    while (part.pending.length > 0 && !part.paused && part.trouble === null && parts.isStaying(part)) {
      if (batches >= BATCHES_A_TURN_MAX || records >= RECORDS_A_TURN_MAX) {
        this.goOn(part)
        break
      }
      batches++
      records += this.#deliverNext(part)
    }
    apply([part])
  }

  /** Answers how many records were in it. */
  #deliverNext(part: Part): number {
    const [next] = part.pending
    if (next === undefined) return 0
    const positionBefore = part.position ?? next.batch.baseOffset
    const records = this.#read(part, next, positionBefore)
    if (records === null) return 0
    part.pending.shift()
    const { batch, highWatermark } = next
    part.position = Math.max(positionBefore, batch.lastOffset + 1)
    part.isDoubted = false
    part.leaderEpoch = Math.max(part.leaderEpoch, batch.leaderEpoch)
    if (part.position === positionBefore) return 0
    this.#options.troubles.over(part)
    this.#options.voice.answered({
      assignment: part.assignment,
      positionBefore,
      positionAfter: part.position,
      records,
      bytes: records.reduce((sum, record) => sum + record.bytes, 0),
      highWatermark,
      leaderEpoch: batch.leaderEpoch,
    })
    return records.length
  }

  #read(part: Part, { batch }: Pending, from: number): readonly WireRecord[] | null {
    try {
      return readRecords(batch, from, INFLATED_BYTES_MAX)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      // A damaged header may say anything of its end; what comes next says where it must be.
      this.#unreadable(part, part.pending[1]?.batch.baseOffset ?? batch.lastOffset + 1, error)
      return null
    }
  }

  /** Everything before it was given. The partition is held and read again from time to time: another replica may be whole. */
  #unreadable(part: Part, to: number | null, error: Malformed): void {
    const { skips, troubles } = this.#options
    const { topic, partition } = part.assignment
    const from = part.position ?? 0
    const where = { topic, partition, from, to: to !== null && to > from ? to : null }
    const skipTo = skipFor(skips, where)
    if (skipTo !== null) return this.#skip(part, skipTo)
    part.pending = []
    part.fetched = part.position
    if (part.fetched !== null) part.resolve?.(String(part.fetched - 1))
    troubles.unreadable(
      part,
      `offset ${where.from} cannot be read: ${error.message}. To go on without, set ${skipText(where)}`,
    )
  }

  #skip(part: Part, to: number): void {
    const { voice, log, troubles } = this.#options
    const { assignment } = part
    const from = part.position ?? 0
    log.warn(
      { ...assignment, from, to },
      'offsets that cannot be read are skipped, as KAFKA_SKIP_OFFSETS says: no handler sees them',
    )
    // What was skipped may have been a transaction's marker: only a new answer tells which of the following are aborted.
    part.pending = []
    part.position = to
    part.fetched = to
    part.resolve?.(String(to - 1))
    troubles.over(part)
    voice.missed({ assignment, from, to, cause: 'unreadable' })
  }
}

/** Leader epochs rise along a log: one that falls belongs to a log that was created again under the same name. */
function isAnotherLog(part: Part, { batches }: WirePartition): boolean {
  return batches.some(({ leaderEpoch }) => leaderEpoch >= 0 && leaderEpoch < part.leaderEpoch)
}
