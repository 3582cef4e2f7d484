/** The truth about every record of the log: where it stands, and whether it is settled, whoever did it and whoever knows. */
import { placeOf } from '../../../src/core/record.ts'
import type { Tenure } from './tenure.ts'
import type { RecordSpec } from './vocabulary.ts'

export type Settling = 'effect' | 'duplicate' | 'dead letter' | 'returned' | 'ignored'

export class Entry {
  readonly spec: RecordSpec
  readonly book: PlaceBook
  readonly offset: number
  /** What the handlers' order goes by; null: none. */
  readonly lane: string | null
  settled: Settling | null = null
  /** Retention took it. */
  isRemoved = false
  /** How often its handler was started, in all processes. */
  starts = 0
  isRejected = false
  isInvalid = false
  /** The assignment under which a process last said that it is done with it. */
  saidSettledIn: Tenure | null = null

  constructor({ spec, book, offset }: { spec: RecordSpec; book: PlaceBook; offset: number }) {
    this.spec = spec
    this.book = book
    this.offset = offset
    this.lane = spec.key
  }

  get isDone(): boolean {
    return this.settled !== null || this.isRemoved
  }

  get name(): string {
    return `${placeOf(this.book)}@${this.offset}`
  }
}

interface Lane {
  readonly entries: Entry[]
  /** All before it are done. */
  first: number
}

export class PlaceBook {
  readonly topic: string
  readonly partition: number
  /** By offset; null is a gap. */
  readonly entries: (Entry | null)[] = []
  readonly #lanes = new Map<string, Lane>()
  start = 0
  committed: number | null = null
  metadata = ''
  #lowest = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get end(): number {
    return this.entries.length
  }

  at(offset: number): Entry | null {
    return this.entries[offset] ?? null
  }

  append(spec: RecordSpec): Entry {
    const entry = new Entry({ spec, book: this, offset: this.end })
    this.entries.push(entry)
    for (let each = 0; each < spec.gap; each++) this.entries.push(null)
    if (entry.lane !== null) {
      const lane = this.#lanes.get(entry.lane) ?? { entries: [], first: 0 }
      this.#lanes.set(entry.lane, lane)
      lane.entries.push(entry)
    }
    return entry
  }

  removeBefore(offset: number): void {
    for (const entry of this.entries.slice(this.start, offset)) if (entry !== null) entry.isRemoved = true
    this.start = Math.max(this.start, offset)
  }

  /** The first record that nobody has settled; the log's end when there is none. */
  get lowestUnsettled(): number {
    while (this.#lowest < this.end && (this.entries[this.#lowest]?.isDone ?? true)) this.#lowest++
    return this.#lowest
  }

  /** The first record of its lane that is not done, if it stands before `entry`. */
  openBefore(entry: Entry): Entry | null {
    const lane = entry.lane === null ? undefined : this.#lanes.get(entry.lane)
    if (lane === undefined) return null
    while (lane.entries[lane.first]?.isDone === true) lane.first++
    const open = lane.entries[lane.first]
    return open !== undefined && open.offset < entry.offset ? open : null
  }

  /** From `from` on and below `to`, not done. */
  firstOpen(from: number, to: number): Entry | null {
    for (let offset = Math.max(from, this.start); offset < to; offset++) {
      const entry = this.entries[offset]
      if (entry !== undefined && entry !== null && !entry.isDone) return entry
    }
    return null
  }

  openCount(from: number, to: number): number {
    let count = 0
    for (let offset = Math.max(from, this.start); offset < to; offset++)
      if (this.entries[offset]?.isDone === false) count++
    return count
  }
}

/** Base and completed offsets that stored metadata claims; null when it is none of ours. Written after the format's description, not after its code. */
export function claimedBy(metadata: string): { readonly base: number; readonly completed: readonly number[] } | null {
  const bytes = Buffer.from(metadata, 'base64')
  if (bytes.length < 18 || bytes[0] !== 1) return null
  const base = Number(bytes.readBigInt64BE(5))
  const completed: number[] = []
  for (let index = 0; index < (bytes.length - 17) * 8; index++) {
    if (((bytes[13 + (index >> 3)] ?? 0) & (1 << (index & 7))) !== 0) completed.push(base + index)
  }
  return { base, completed }
}
