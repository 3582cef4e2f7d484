/** Why a partition's fetching is to be paused, if it is. What pauses it and what lets it go on differ, so that it does not flap. */
import type { Budget } from './budget.ts'
import type { Partition } from './partition.ts'
import type { Taken } from './record.ts'
import type { PauseReason } from './status.ts'

/** How much of the window may be used when a partition that was paused for it goes on. */
const WINDOW_RESUME = 0.5

export function pauseWanted(partition: Partition<Taken>, budget: Budget, partitions: number): PauseReason | null {
  const { paused, windowUsed } = partition
  if (partition.intakeHeld !== null) return 'intake'
  if (windowUsed >= (paused === 'window' ? WINDOW_RESUME : 1)) return 'window'
  if (paused === 'budget') return budget.mayResume(partition, partitions) ? null : 'budget'
  return budget.mustPause(partition, partitions) ? 'budget' : null
}
