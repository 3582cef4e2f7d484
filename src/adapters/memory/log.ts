/** A topic's log in memory: offsets that are given out once, with gaps where a reader finds nothing. */
import type { Headers, RawRecord } from '../../consumer/ports.ts'

export interface NewRecord {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: Headers
  /** Default: the clock's. */
  readonly timestampMs?: number
}

/** All of one leader. */
export interface LogRange {
  readonly positionAfter: number
  readonly records: readonly RawRecord[]
  readonly bytes: number
  readonly leaderEpoch: number
}

/** What one leader wrote: from here on, up to where the next one began. */
interface Reign {
  readonly leaderEpoch: number
  readonly start: number
}

const FIRST_REIGN: Reign = { leaderEpoch: 0, start: 0 }

export class PartitionLog {
  /** Null: an offset without a record for a reader, as control records and aborted transactions leave them. */
  #entries: (RawRecord | null)[] = []
  #start = 0
  /** The present one is the last. */
  #reigns: Reign[] = [FIRST_REIGN]

  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#start + this.#entries.length
  }

  /** Answers the record's offset. */
  append({ key = null, value = null, headers = [], timestampMs = 0 }: NewRecord): number {
    const offset = this.end
    this.#entries.push(Object.freeze({ offset, timestampMs, key, value, headers }))
    return offset
  }

  /** `count` offsets that no reader will see. */
  skip(count: number): void {
    for (let each = 0; each < count; each++) this.#entries.push(null)
  }

  /** As retention does: the log begins at `offset` from now on. */
  removeBefore(offset: number): void {
    const start = Math.min(Math.max(offset, this.#start), this.end)
    this.#entries = this.#entries.slice(start - this.#start)
    this.#start = start
  }

  /** The log ends at `offset`, and another leader goes on from there. */
  truncate(offset: number): void {
    const end = Math.min(Math.max(offset, this.#start), this.end)
    this.#entries.length = end - this.#start
    const leaderEpoch = (this.#reigns.at(-1) ?? FIRST_REIGN).leaderEpoch + 1
    this.#reigns = [...this.#reigns.filter(({ start }) => start < end), { leaderEpoch, start: end }]
  }

  get records(): readonly RawRecord[] {
    return this.#entries.filter(entry => entry !== null)
  }

  /** At most `offsetsMax` offsets from `position` on, which the log must have. */
  read(position: number, offsetsMax: number): LogRange {
    const index = this.#reigns.findLastIndex(({ start }) => start <= position)
    const { leaderEpoch } = this.#reigns[index] ?? FIRST_REIGN
    const end = Math.min(position + offsetsMax, this.#reigns[index + 1]?.start ?? Number.POSITIVE_INFINITY)
    const entries = this.#entries.slice(position - this.#start, end - this.#start)
    const records = entries.filter(entry => entry !== null)
    return {
      positionAfter: position + entries.length,
      records,
      bytes: records.reduce((sum, record) => sum + bytesOf(record), 0),
      leaderEpoch,
    }
  }
}

function bytesOf({ key, value, headers }: RawRecord): number {
  const headerBytes = headers.reduce((sum, [name, content]) => sum + name.length + (content?.length ?? 0), 0)
  return (key?.length ?? 0) + (value?.length ?? 0) + headerBytes
}
