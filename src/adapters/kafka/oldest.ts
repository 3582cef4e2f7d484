/**
 * Which record a partition's reader would meet first: what is at an offset may be a gap that compaction left, a transaction's
 * marker, or records of a transaction that was aborted, and then nothing at all up to the end.
 */

import type { WirePartition } from './wire/answer.ts'
import { Malformed } from './wire/bytes.ts'
import { readRecords, type WireRecord } from './wire/records.ts'

export type Oldest =
  | { readonly kind: 'record'; readonly offset: number; readonly timestampMs: number }
  /** Up to the end there is nothing that a reader of committed records could be given. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly why: string }

export interface Search {
  /** The first offset that counts. */
  readonly from: number
  /** The last stable offset: where it ends. */
  readonly end: number
  /** What the leader has from an offset on, at least one batch; null: nothing. */
  readonly fetch: (from: number, bytesMax: number) => Promise<WirePartition | null>
  /** Settled out of order, so not what is waited for. */
  readonly isSettled: (offset: number, leaderEpoch: number) => boolean
  /** Whether the time for it is up. */
  readonly isLate: () => boolean
}

/** One batch is nearly always enough, so that is all that is asked for at first. */
const FIRST_BYTES = 1
const NEXT_BYTES = 512 * 1024
/** What is looked through of one partition: a guess, never tuned. */
const FETCHES_MAX = 32
/** As for the service itself, see intake.ts. */
const INFLATED_BYTES_MAX = 64 * 1024 * 1024

const OUT_OF_RANGE = 1
const FORBIDDEN = 29

/** Bounded in requests and in time. Rejects as `fetch` does; bytes that cannot be read are an answer, not an error. */
export async function oldestOf({ from, end, fetch, isSettled, isLate }: Search): Promise<Oldest> {
  let at = from
  for (let fetches = 0; at < end; fetches++) {
    if (fetches === FETCHES_MAX || isLate())
      return unknown(`no record among offsets ${from} to ${at - 1}; it was not looked further`)
    const part = await fetch(at, fetches === 0 ? FIRST_BYTES : NEXT_BYTES)
    if (part === null) break
    if (part.errorCode !== 0) return unknown(refusal(part))
    const read = firstOf(part, at, isSettled)
    if (read.kind !== 'nothing') return read.kind === 'record' && read.offset >= end ? { kind: 'none' } : read
    at = read.next
  }
  return { kind: 'none' }
}

/** The answer's first unsettled record, or where to go on. */
function firstOf(
  { batches, broken }: WirePartition,
  from: number,
  isSettled: Search['isSettled'],
): Oldest | { readonly kind: 'nothing'; readonly next: number } {
  let next = from
  for (const batch of batches) {
    let records: readonly WireRecord[]
    try {
      records = readRecords(batch, from, INFLATED_BYTES_MAX)
    } catch (error) {
      if (error instanceof Malformed) return unreadable(error)
      throw error
    }
    const found = records.find(({ offset }) => !isSettled(offset, batch.leaderEpoch))
    if (found !== undefined) return { kind: 'record', offset: found.offset, timestampMs: found.timestampMs }
    next = batch.lastOffset + 1
  }
  if (broken !== null) return unreadable(broken)
  return next === from ? { kind: 'none' } : { kind: 'nothing', next }
}

function unreadable({ message }: Malformed): Oldest {
  return unknown(`its records cannot be read: ${message}`)
}

function refusal({ topic, errorCode }: WirePartition): string {
  if (errorCode === FORBIDDEN)
    return `Kafka does not permit reading topic ${topic}: this user lacks the ACL READ on topic ${topic}`
  if (errorCode === OUT_OF_RANGE) return 'the log has changed meanwhile: look again'
  return `the broker does not give its records (error ${errorCode} of the protocol)`
}

function unknown(why: string): Oldest {
  return { kind: 'unknown', why }
}
