/** How fast partitions move, from looks at them over the last half minute. */
import { placeOf, type TopicPartition } from '../../core/record.ts'
import { type Column, lengthOf } from '../text.ts'

export interface Seen extends TopicPartition {
  /** Null: nobody can say it now. */
  readonly lagRecords: number | null
  /** Rises with every offset that is done, and with those that are done out of order; null where nothing is known. */
  readonly progress: number | null
  /** What is left to be done; null where that is not known. */
  readonly left: number | null
}

/** Long enough that commits, which come once a second, make no jumps; short enough to see a change. A guess, never tuned. */
const WINDOW_MS = 30_000

export interface Speed {
  /** Offsets a second; null before the second look, and where the partition began anew. */
  readonly consumedPerSecond: number | null
  /** Until nothing is left at this pace, what is written meanwhile included; null where that is not known, or never. */
  readonly drainSeconds: number | null
}

const UNKNOWN: Speed = { consumedPerSecond: null, drainSeconds: null }

interface Moment {
  readonly atMs: number
  readonly partitions: ReadonlyMap<string, Seen>
}

export class Speeds {
  #moments: readonly Moment[] = []

  /** `atMs`: monotonic. */
  add(atMs: number, partitions: readonly Seen[]): void {
    const moment = { atMs, partitions: new Map(partitions.map(seen => [placeOf(seen), seen])) }
    this.#moments = [...this.#moments.filter(each => atMs - each.atMs <= WINDOW_MS), moment]
  }

  of(place: TopicPartition): Speed {
    const key = placeOf(place)
    const last = this.#moments.at(-1)
    const first = this.#moments.find(({ partitions }) => partitions.has(key))
    const [then, now] = [first?.partitions.get(key), last?.partitions.get(key)]
    const seconds = ((last?.atMs ?? 0) - (first?.atMs ?? 0)) / 1_000
    if (then === undefined || now === undefined || seconds <= 0) return UNKNOWN
    if (then.progress === null || now.progress === null || now.progress < then.progress) return UNKNOWN
    return {
      consumedPerSecond: (now.progress - then.progress) / seconds,
      drainSeconds: drainSeconds(then.left, now.left, seconds),
    }
  }

  /** Together: done when the last one is. */
  ofAll(partitions: readonly Seen[]): Speed {
    const all = partitions.map(seen => ({ left: seen.left, ...this.of(seen) }))
    const rates = all.flatMap(({ consumedPerSecond }) => consumedPerSecond ?? [])
    const drains = all.map(({ left, drainSeconds }) => (left === 0 ? 0 : (drainSeconds ?? Number.POSITIVE_INFINITY)))
    const longest = Math.max(0, ...drains)
    return {
      consumedPerSecond: rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0),
      drainSeconds: Number.isFinite(longest) ? longest : null,
    }
  }

  /** The same, and how fast it moves. */
  beside<Told extends TopicPartition>(told: Told): Told & Speed {
    return { ...told, ...this.of(told) }
  }
}

function drainSeconds(then: number | null, now: number | null, seconds: number): number | null {
  if (now === 0) return 0
  if (then === null || now === null || now >= then) return null
  return (now * seconds) / (then - now)
}

/** What a table of partitions has of them; nothing where nobody looks twice. */
export function speedColumns(speeds: Speeds | null): readonly Column<Seen>[] {
  if (speeds === null) return []
  return [
    { title: 'rate/s', cell: seen => speedText(speeds.of(seen)) },
    { title: 'drains in', cell: seen => drainText(speeds.of(seen), seen.left) },
  ]
}

export function speedText({ consumedPerSecond }: Speed): string {
  if (consumedPerSecond === null) return '–'
  return consumedPerSecond < 10 ? consumedPerSecond.toFixed(1) : String(Math.round(consumedPerSecond))
}

/** `never` at this pace: as much comes as goes, or more. */
export function drainText({ consumedPerSecond, drainSeconds }: Speed, left: number | null): string {
  if (left === 0) return '0 s'
  if (drainSeconds !== null) return lengthOf(drainSeconds)
  return consumedPerSecond === null ? '–' : 'never'
}

/** Behind a sentence on all partitions: `, 270/s, drains in 1 min`. Empty before anything is known. */
export function paceText(speeds: Speeds | null, partitions: readonly Seen[]): string {
  const speed = speeds?.ofAll(partitions) ?? UNKNOWN
  if (speed.consumedPerSecond === null) return ''
  const pace = `, ${speedText(speed)}/s`
  if (partitions.every(({ left }) => left === 0)) return pace
  return speed.drainSeconds === null ? `${pace}, never drains so` : `${pace}, drains in ${lengthOf(speed.drainSeconds)}`
}
