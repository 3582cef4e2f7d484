/** What one change of a group costs: what was delivered again, what moved, and for how long nothing was started. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from '../test/support/fleet.ts'
import { longestGapMs, nowMs, repeats } from '../test/support/fleet-journal.ts'

export type Kind = 'join' | 'leave' | 'kill'

export interface Measured {
  readonly kind: Kind
  readonly fromMs: number
  /** Until every partition had its owner, as evenly as they go. */
  readonly settledAfterMs: number
  readonly moved: number
  /** The longest time without a start, a figure for each partition that had the same owner before and after. */
  readonly keptGapsMs: readonly number[]
  /** The same for those that changed owners. */
  readonly movedGapsMs: readonly number[]
  /** The same for all of them, in the quiet time before. */
  readonly steadyGapsMs: readonly number[]
}

/** Nothing happens to the group for so long before each event. */
const QUIET_MS = 2_000

/** `act` resolves when what it does to the group begins. The load must be running. */
export async function measure(fleet: Fleet, kind: Kind, act: () => Promise<number>): Promise<Measured> {
  await sleep(QUIET_MS)
  const before = await fleet.settled()
  const quietEndMs = nowMs()
  const fromMs = await act()
  const after = await fleet.settled()
  const settledMs = nowMs()
  await fleet.moves()
  const event = { fromMs, toMs: nowMs() }
  const quiet = { fromMs: quietEndMs - QUIET_MS, toMs: quietEndMs }
  const starts = startsOf(fleet, quiet.fromMs)
  const gaps = (places: readonly string[], span: typeof event) =>
    places.map(place => longestGapMs(starts.get(place) ?? [], span))
  const places = [...after.keys()]
  const isKept = (place: string): boolean => before.get(place) === after.get(place)
  const kept = places.filter(isKept)
  const moved = places.filter(place => !isKept(place))
  return {
    kind,
    fromMs,
    settledAfterMs: settledMs - fromMs,
    moved: moved.length,
    keptGapsMs: gaps(kept, event),
    movedGapsMs: gaps(moved, event),
    steadyGapsMs: gaps(places, quiet),
  }
}

/** How often a record was delivered again in the time of each event, up to the next one. */
export function redeliveries(fleet: Fleet, events: readonly Measured[]): Map<Measured, number> {
  const again = repeats(fleet.journals.deliveries)
  return new Map(
    events.map((event, index) => {
      const toMs = events[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
      return [event, again.filter(({ startedMs }) => startedMs >= event.fromMs && startedMs < toMs).length]
    }),
  )
}

/** When records of each partition were started, rising; `topic-partition`. */
function startsOf({ journals }: Fleet, sinceMs: number): Map<string, number[]> {
  const starts = new Map<string, number[]>()
  for (const { topic, partition, startedMs } of journals.deliveries) {
    if (startedMs < sinceMs) continue
    const place = `${topic}-${partition}`
    const of = starts.get(place)
    if (of === undefined) starts.set(place, [startedMs])
    else of.push(startedMs)
  }
  for (const of of starts.values()) of.sort((one, other) => one - other)
  return starts
}
