/** The broker's side of one partition: its log, and what the group has stored. It checks that no commit loses or forges anything. */
import { type Completions, decodeCompletions } from '../../src/core/completions.ts'
import type { OffsetToCommit } from '../../src/core/facts.ts'
import type { Taken } from '../../src/core/record.ts'
import type { Produced, Setting } from './steps.ts'
import { sure } from './tenure.ts'

interface Logged {
  readonly record: Taken
  /** Of the leader under which it was written; they rise along the log. */
  readonly leaderEpoch: number
}

export interface Chunk {
  readonly records: readonly Taken[]
  readonly positionBefore: number
  readonly positionAfter: number
  readonly highWatermark: number
  readonly leaderEpoch: number
}

export class Log {
  readonly #place: string
  readonly #answerMax: number
  #records: Logged[] = []
  #leaderEpoch: number
  #start = 0
  #end = 0
  /** The end that anybody may have heard of. */
  #endMax = 0
  #committed: number | null = null
  #metadata = ''
  readonly #settled = new Set<number>()
  /** The same, also of what was truncated since. */
  readonly #settledEver = new Set<number>()
  /** Settled, as the broker was told: never to be started again. */
  readonly #told = new Set<number>()

  constructor(place: string, { leaderEpoch, answerMax }: Setting) {
    this.#place = place
    this.#answerMax = answerMax
    this.#leaderEpoch = leaderEpoch
  }

  get end(): number {
    return this.#end
  }

  get offsets(): { committed: number | null; logStart: number; highWatermark: number } {
    return { committed: this.#committed, logStart: this.#start, highWatermark: this.#end }
  }

  get stored(): { committed: number | null; completions: Completions | null } {
    const committed = this.#committed
    return { committed, completions: committed === null ? null : decodeCompletions(this.#metadata, { committed }) }
  }

  // ── The log ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  append(records: readonly Produced[], { trailing, timestampMs }: { trailing: number; timestampMs: number }): void {
    for (const { gap, lane, disposition } of records) {
      const offset = this.#end + gap
      const bytes = 10 + (offset % 5)
      const record = { offset, timestampMs: timestampMs - (offset % 7) * 100, bytes, lane, disposition }
      this.#records.push({ record, leaderEpoch: this.#leaderEpoch })
      this.#endsAt(offset + 1)
    }
    this.#endsAt(this.#end + trailing)
  }

  /** It ends where it ended before it was truncated, with what no record shows. */
  grow(): void {
    this.#endsAt(this.#endMax)
  }

  #endsAt(end: number): void {
    this.#end = end
    this.#endMax = Math.max(this.#endMax, end)
  }

  /** It loses its beginning, so that the next read begins above the position. */
  trim(offsets: number): void {
    this.#start = Math.min(this.#end, this.#start + offsets)
  }

  /** Another leader, which has not all of it: it is written on from there, under a higher epoch. Nothing that was committed is lost. */
  elect(lost: number): void {
    this.#end = Math.max(this.#end - lost, this.#start, this.#committed ?? 0)
    this.#leaderEpoch++
    this.#records = this.#records.filter(({ record }) => record.offset < this.#end)
    for (const set of [this.#settled, this.#told]) for (const offset of set) if (offset >= this.#end) set.delete(offset)
  }

  /** Its topic is deleted and created again, and what was committed is gone with it. */
  recreate(): void {
    this.#records = []
    this.#leaderEpoch = 0
    this.#start = this.#end = this.#endMax = 0
    this.#committed = null
    this.#metadata = ''
    for (const set of [this.#settled, this.#settledEver, this.#told]) set.clear()
  }

  /** Records of one leader epoch. What `completions` name is marked, as intake does. */
  read(position: number | null, completions: Completions | null): Chunk {
    const positionBefore = Math.max(position ?? this.#committed ?? 0, this.#start)
    const rest = this.#records.filter(({ record }) => record.offset >= positionBefore)
    const leaderEpoch = rest[0]?.leaderEpoch ?? this.#leaderEpoch
    const chunk = rest.slice(0, this.#answerMax).filter(logged => logged.leaderEpoch === leaderEpoch)
    const last = rest.length > chunk.length ? chunk.at(-1) : undefined
    const positionAfter = last === undefined ? Math.max(positionBefore, this.#end) : last.record.offset + 1
    const records = chunk.map(({ record }) =>
      this.#marked(record, completions?.has(record.offset, leaderEpoch) === true),
    )
    return { records, positionBefore, positionAfter, highWatermark: this.#end, leaderEpoch }
  }

  #marked(record: Taken, isCompleted: boolean): Taken {
    const { offset, disposition } = record
    if (isCompleted) {
      sure(
        this.#settled.has(offset),
        `offset ${offset} of ${this.#place} is lost: it is restored as completed, and never settled`,
      )
      return { ...record, lane: null, disposition: { kind: 'completed' } }
    }
    if (disposition.kind === 'ignore') this.settle(offset)
    return record
  }

  settle(offset: number): void {
    this.#settled.add(offset)
    this.#settledEver.add(offset)
  }

  // ── The group's ───────────────────────────────────────────────────────────────────────────────────────────────────────

  starts(offset: number): void {
    sure(
      !this.#told.has(offset),
      `offset ${offset} of ${this.#place} is started again, though the broker was told that it is settled`,
    )
  }

  store({ nextOffset, metadata }: OffsetToCommit): void {
    const place = this.#place
    const fall = `the committed offset of ${place} falls from ${this.#committed} to ${nextOffset}`
    sure(nextOffset >= (this.#committed ?? 0), fall)
    const lost = this.unsettled.find(offset => offset < nextOffset)
    sure(lost === undefined, `offset ${lost} of ${place} is lost: it was passed and never settled`)
    const completions = decodeCompletions(metadata, { committed: nextOffset })
    sure(metadata === '' || completions !== null, 'metadata can be read, and is for the offset beside it')
    this.#committed = nextOffset
    this.#metadata = metadata
    if (completions !== null) this.#claim(completions)
  }

  #claim(completions: Completions): void {
    for (const offset of completions.from(0)) {
      sure(
        this.#settledEver.has(offset),
        `the metadata of ${this.#place} names offset ${offset}, which was never settled`,
      )
    }
    for (const { record, leaderEpoch } of this.#records) {
      if (!completions.has(record.offset, leaderEpoch)) continue
      sure(
        this.#settled.has(record.offset),
        `the metadata of ${this.#place} names offset ${record.offset}, which is another record now`,
      )
      this.#told.add(record.offset)
    }
  }

  /** What the log still has and nobody settled. */
  get unsettled(): number[] {
    return this.#records.flatMap(({ record: { offset } }) => {
      return offset >= this.#start && !this.#settled.has(offset) ? [offset] : []
    })
  }
}
