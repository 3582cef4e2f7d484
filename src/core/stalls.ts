/** What can be said of every partition at any moment, and above all why it stands still: one line for an operator at night. */
import type { Now } from './facts.ts'
import type { Gate } from './gate.ts'
import type { Holdings } from './holdings.ts'
import type { Partition } from './partition.ts'
import type { Taken } from './record.ts'
import type { BreakerStatus, HandlerStatus, PartitionStatus } from './status.ts'
import type { Work } from './work.ts'

const HANDING_OVER = 'rebalancing: another member is to have it; what is in flight is finished and committed first'

export interface View<R extends Taken> {
  readonly holdings: Holdings<R>
  readonly gate: Gate
  /** Why nothing may start anywhere. */
  readonly standingStill: string | null
  /** As many records as may be are in handlers. */
  readonly noSlot: boolean
  readonly now: Now
}

export function statusOf<R extends Taken>(
  view: View<R>,
): {
  readonly buffered: number
  readonly bufferedBytes: number
  readonly partitions: readonly PartitionStatus[]
  readonly breakers: readonly BreakerStatus[]
  readonly handlers: readonly HandlerStatus[]
} {
  const partitions = [...view.holdings.all()].map(partition => partitionStatus(partition, view))
  return {
    buffered: partitions.reduce((sum, { buffered }) => sum + buffered, 0),
    bufferedBytes: view.holdings.budget.bytes,
    partitions,
    breakers: view.gate.breakers(view.now.nowMs),
    handlers: view.gate.handlers(),
  }
}

function partitionStatus<R extends Taken>(partition: Partition<R>, view: View<R>): PartitionStatus {
  const { assignment, committed, highWatermark, ledger } = partition
  const known = committed ?? ledger?.start ?? partition.logStart
  return {
    topic: assignment.topic,
    partition: assignment.partition,
    epoch: assignment.epoch,
    committed,
    position: ledger?.position ?? null,
    highWatermark,
    lagRecords: highWatermark === null || known === null ? null : Math.max(0, highWatermark - known),
    lagSeconds: lagSeconds(partition, view.now),
    buffered: partition.buffered,
    bufferedBytes: partition.bytes,
    inFlight: partition.inFlight,
    oldestUnsettled: ledger?.oldest?.record.offset ?? null,
    paused: partition.sourceHeld === null ? partition.paused : 'source',
    blockedBy: blockedBy(partition, view),
  }
}

/** Exact where a record is in hand; else, while the log has more, measured from the last record that was. */
function lagSeconds<R extends Taken>(
  { ledger, highWatermark, newestTimestampMs }: Partition<R>,
  { wallMs }: Now,
): number {
  const oldest = ledger?.oldest
  const behind = highWatermark !== null && ledger !== null && ledger.position < highWatermark
  const sinceMs = oldest?.record.timestampMs ?? (behind ? newestTimestampMs : null)
  return sinceMs === null ? 0 : Math.max(0, wallMs - sinceMs) / 1_000
}

function blockedBy<R extends Taken>(partition: Partition<R>, view: View<R>): string | null {
  const { ledger, highWatermark, lettersRefused, intakeHeld, sourceHeld, committed } = partition
  const { nowMs } = view.now
  if (view.standingStill !== null) return view.standingStill
  if (partition.stay !== 'staying') return HANDING_OVER
  if (intakeHeld !== null) return intakeHeld
  if (lettersRefused !== null) {
    const { sinceMs, error } = lettersRefused
    return `the dead letter topic has refused for ${seconds(nowMs - sinceMs)}: ${error}; the partition is held until it takes the record`
  }
  const oldest = ledger?.oldest ?? null
  if (oldest !== null) {
    const reason = heldBack(oldest, partition, view)
    if (reason === null) return null
    return partition.windowUsed >= 1 ? `its window is full behind ${reason}` : reason
  }
  const position = ledger?.position ?? committed
  if (sourceHeld !== null) return sourceHeld
  if (highWatermark !== null && position !== null && position < highWatermark) {
    return partition.paused === null
      ? 'waiting for the broker: the log has more than was fetched'
      : `paused: ${partition.paused}`
  }
  return null
}

/** Why the lowest unsettled record is not settled; null when it simply is on its way. */
function heldBack<R extends Taken>(work: Work<R>, partition: Partition<R>, view: View<R>): string | null {
  const where = `offset ${work.record.offset}`
  const { handler } = work
  const { nowMs } = view.now
  if (partition.letters.includes(work)) return `${where}: its dead letter is being written`
  if (partition.running.has(work)) {
    const forMs = nowMs - (work.startedAtMs ?? nowMs)
    const lastOne = work.lastError === null ? '' : `; the last one ended with ${work.lastError}`
    return `${where} in attempt ${work.attempt} of handler ${handler} for ${seconds(forMs)}${lastOne}`
  }
  if (work.restsUntilMs !== null) {
    const inMs = Math.max(0, work.restsUntilMs - nowMs)
    return `${where}: attempt ${work.attempt} of handler ${handler} follows in ${seconds(inMs)}, the last one ended with ${work.lastError}`
  }
  // It is the lowest one and not out itself: what keeps its lane closed is none of this assignment's.
  if (partition.lanes.closed(work.lane))
    return `${where} waits for an attempt of an earlier assignment to end in its lane`
  return work.sentence !== null || handler === null ? null : notStarted(where, handler, view)
}

function notStarted<R extends Taken>(where: string, handler: string, { gate, noSlot, now }: View<R>): string | null {
  const breaker = gate.holding(handler)
  if (breaker !== null) {
    const what = breaker.ours ? 'a fault of ours' : `the breaker of ${breaker.dependency}`
    return `${where} is held by ${what} for ${seconds(now.nowMs - breaker.openedAtMs)}: ${breaker.error}`
  }
  if (gate.full(handler))
    return `${where} waits for its turn: handler ${handler} has as many records as its limit allows`
  return noSlot ? `${where} waits for its turn: as many records as may be are in handlers` : null
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`
}
