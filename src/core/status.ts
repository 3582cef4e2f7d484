/** What the engine can say of itself at any moment. Plain data: `/status`, the metrics and `lag` are read from it. */
import type { LifecycleState } from './lifecycle.ts'

/** Why a partition's fetching is paused: what is in hand, its window, a schema it waits for, or a stop. */
export type PauseReason = 'budget' | 'window' | 'intake' | 'stopping'

export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  /** The broker's, as far as it is known. */
  readonly committed: number | null
  /** The next offset that the source will give. Null before the first answer. */
  readonly position: number | null
  readonly highWatermark: number | null
  /** High watermark minus committed, never below 0; null while either is unknown. */
  readonly lagRecords: number | null
  /** Wall clock minus the timestamp of the oldest unsettled record; 0 when there is none. */
  readonly lagSeconds: number
  /** Fetched and not started. */
  readonly buffered: number
  readonly bufferedBytes: number
  readonly inFlight: number
  readonly oldestUnsettled: number | null
  /** Why its fetching is paused, else null; `source`: its log can not be read on, as `blockedBy` says, and is tried again. */
  readonly paused: PauseReason | 'source' | null
  /** Why it does not move, in one line; null when it moves or has nothing to do. */
  readonly blockedBy: string | null
}

export interface BreakerStatus {
  readonly dependency: string
  /** A fault of ours, not an outage. */
  readonly ours: boolean
  readonly openForMs: number
  readonly error: string
  readonly handlers: readonly string[]
}

export interface HandlerStatus {
  readonly name: string
  readonly inFlight: number
  /** The dependency whose breaker holds its work. */
  readonly heldBy: string | null
}

export interface EngineStatus {
  readonly state: LifecycleState
  readonly joined: boolean
  /** Why nothing is started anywhere: out of the group, stopping, or the coordinator has been silent for too long. */
  readonly standingStill: string | null
  readonly inFlight: number
  readonly buffered: number
  readonly bufferedBytes: number
  readonly partitions: readonly PartitionStatus[]
  readonly breakers: readonly BreakerStatus[]
  readonly handlers: readonly HandlerStatus[]
}
