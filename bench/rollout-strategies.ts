/** A new version takes the place of the old one, replica by replica or all at once, as a Deployment does it; and what that cost the group's work. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet, Member } from '../test/support/fleet.ts'
import { type Delivery, longestGapMs, nowMs } from '../test/support/fleet-journal.ts'
import { until } from '../test/support/parts.ts'

export type Strategy = 'RollingUpdate' | 'Recreate'

export interface Rollout {
  readonly strategy: Strategy
  readonly fromMs: number
  /** Until the new ones own everything, evenly, and the old ones have ended. */
  readonly tookMs: number
  /** The longest time without a start, a figure for each partition. */
  readonly gapsMs: readonly number[]
  /** The same, in the quiet time before. */
  readonly steadyGapsMs: readonly number[]
  /** For how long nothing was started anywhere, at the longest. */
  readonly allStillMs: number
}

/** Nothing happens to the group for so long before each rollout. */
const QUIET_MS = 3_000
const READY_WITHIN_MS = 60_000

/** `maxSurge: 1, maxUnavailable: 0`: when the new one is ready, an old one is told to stop, and the next new one is started beside it. */
async function rolling(fleet: Fleet, old: readonly Member[]): Promise<void> {
  const leaving: Promise<void>[] = []
  for (const member of old) {
    await startReady(fleet)
    leaving.push(fleet.leave(member))
  }
  await Promise.all(leaving)
}

/** All are told to stop; when they have ended, all are started. */
async function recreate(fleet: Fleet, old: readonly Member[]): Promise<void> {
  await Promise.all(old.map(member => fleet.leave(member)))
  await Promise.all(old.map(() => startReady(fleet)))
}

async function startReady(fleet: Fleet): Promise<void> {
  const member = await fleet.join()
  await until(`${member.name} is ready`, () => member.ready(), { timeoutMs: READY_WITHIN_MS })
}

const ACTS = { RollingUpdate: rolling, Recreate: recreate } as const satisfies Record<Strategy, typeof rolling>

/** The load must be running over all partitions. */
export async function rollOut(fleet: Fleet, strategy: Strategy): Promise<Rollout> {
  await fleet.settled()
  await fleet.moves()
  await sleep(QUIET_MS)
  const fromMs = nowMs()
  await ACTS[strategy](fleet, [...fleet.members])
  await fleet.settled()
  const settledMs = nowMs()
  await fleet.moves()
  const span = { fromMs, toMs: nowMs() }
  const starts = startsOf(fleet, fromMs - QUIET_MS)
  const gaps = (within: typeof span) => [...starts.values()].map(of => longestGapMs(of, within))
  const all = [...starts.values()].flat().toSorted((one, other) => one - other)
  return {
    strategy,
    fromMs,
    tookMs: settledMs - fromMs,
    gapsMs: gaps(span),
    steadyGapsMs: gaps({ fromMs: fromMs - QUIET_MS, toMs: fromMs }),
    allStillMs: longestGapMs(all, span),
  }
}

export interface Again {
  /** Deliveries to another replica than the one before. Another attempt of the same replica is none. */
  readonly elsewhere: number
  /** Of those, how many the one before had handled; the others it had given up, without effect. */
  readonly handledBefore: number
}

/** In the time of each rollout, up to the next one. */
export function redeliveries(fleet: Fleet, rollouts: readonly Rollout[]): Map<Rollout, Again> {
  const again = toAnother(fleet.journals.deliveries)
  return new Map(
    rollouts.map((rollout, index) => {
      const toMs = rollouts[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
      const within = again.filter(({ second }) => second.startedMs >= rollout.fromMs && second.startedMs < toMs)
      const handledBefore = within.filter(({ first }) => first.endedMs !== null).length
      return [rollout, { elsewhere: within.length, handledBefore }]
    }),
  )
}

function toAnother(deliveries: readonly Delivery[]): { first: Delivery; second: Delivery }[] {
  const lasts = new Map<string, Delivery>()
  return deliveries
    .toSorted((one, other) => one.startedMs - other.startedMs)
    .flatMap(second => {
      const place = `${second.partition} ${second.offset}`
      const first = lasts.get(place)
      lasts.set(place, second)
      return first === undefined || first.member === second.member ? [] : [{ first, second }]
    })
}

/** When records of each partition were started, rising. */
function startsOf({ journals }: Fleet, sinceMs: number): Map<number, number[]> {
  const starts = new Map<number, number[]>()
  for (const { partition, startedMs } of journals.deliveries) {
    if (startedMs < sinceMs) continue
    const of = starts.get(partition) ?? []
    of.push(startedMs)
    starts.set(partition, of)
  }
  for (const of of starts.values()) of.sort((one, other) => one - other)
  return starts
}
