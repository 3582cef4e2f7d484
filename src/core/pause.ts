/**
 * Why a partition's fetching is to be paused, if it is. What pauses it and what lets it go on differ, so that it does not flap. What the
 * source holds by itself is not paused: it finds out by fetching that it can go on.
 */
import type { Budget } from './budget.ts'
import type { Holdings } from './holdings.ts'
import type { Partition } from './partition.ts'
import type { Assignment, Taken } from './record.ts'
import type { PauseReason } from './status.ts'

/** How much of the window may be used when a partition that was paused for it goes on. */
const WINDOW_RESUME = 0.5

/** Who is to be paused now and who resumed; the partitions remember it. */
export function pauseOrResume<R extends Taken>(
  holdings: Holdings<R>,
  isDraining: boolean,
): { pause: readonly Assignment[]; resume: readonly Assignment[] } {
  const pause: Assignment[] = []
  const resume: Assignment[] = []
  for (const partition of holdings.all()) {
    const wanted = isDraining ? 'stopping' : pauseWanted(partition, holdings.budget, holdings.size)
    if (wanted !== null && partition.paused === null) pause.push(partition.assignment)
    if (wanted === null && partition.paused !== null) resume.push(partition.assignment)
    partition.paused = wanted
  }
  return { pause, resume }
}

export function pauseWanted<R extends Taken>(
  partition: Partition<R>,
  budget: Budget,
  partitions: number,
): PauseReason | null {
  const { paused, windowUsed } = partition
  if (partition.intakeHeld !== null) return 'intake'
  if (windowUsed >= (paused === 'window' ? WINDOW_RESUME : 1)) return 'window'
  if (paused === 'budget') return budget.mayResume(partition, partitions) ? null : 'budget'
  return budget.mustPause(partition, partitions) ? 'budget' : null
}
