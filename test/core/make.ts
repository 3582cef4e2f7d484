/** Records and assignments for tests, with what a test does not care for filled in. */
import type { Assignment, Disposition, Taken } from '../../src/core/record.ts'

export const WALL_START_MS = Date.UTC(2025, 0)

export function recordOf(offset: number, differs: Partial<Taken> = {}): Taken {
  return { offset, timestampMs: WALL_START_MS, bytes: 100, lane: 'k', disposition: handledBy('h'), ...differs }
}

export function handledBy(handler: string): Disposition {
  return { kind: 'handle', handler }
}

export function assignmentOf(partition: number, epoch: number, topic = 'orders'): Assignment {
  return { topic, partition, epoch }
}
