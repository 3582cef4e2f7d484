import type { Failure, Known, MissedCause, Telemetry } from '../../consumer/ports.ts'
import type { Command, Fact, Now, OffsetToCommit, Sentence, Task } from '../../core/facts.ts'
import type { Assignment, Taken } from '../../core/record.ts'
import type { Histogram } from './histogram.ts'
import { type AttemptOutcome, NO_HANDLER, type Numbers } from './numbers.ts'

/** Settled, and not yet covered by a commit: side by side, so that a record costs two numbers. */
interface Uncommitted {
  readonly topic: string
  offsets: number[]
  settledAtMs: number[]
}

/** So many of one partition wait for their commit at the most: while the broker takes none for hours, memory must not grow with them. */
const UNCOMMITTED_MAX = 100_000

/** Turns facts into numbers. It decides nothing, and a fact of an assignment that is gone settles nothing here either. */
export class Recorder<R extends Taken> implements Telemetry<R> {
  readonly #numbers: Numbers
  /** By epoch: what is ours. */
  readonly #live = new Map<number, Uncommitted>()
  /** Epochs that are being handed over: a join that does not name them leaves them with us until they are revoked. */
  readonly #leaving = new Set<number>()
  /** When the rebalance that is under way began. */
  #joiningSinceMs: number | null = null

  constructor(numbers: Numbers) {
    this.#numbers = numbers
  }

  heard(facts: readonly Fact<R>[], commands: readonly Command<R>[], now: Now): void {
    for (const fact of facts) this.#hear(fact, now)
    for (const command of commands)
      if (command.type === 'start') for (const task of command.tasks) this.#started(task, now)
  }

  decoded(topic: string, durationMs: number): void {
    this.#numbers.topic(topic).stages.decode.observeMs(durationMs)
  }

  fetchDone({ durationMs, bytes }: { durationMs: number; bytes: number }): void {
    this.#numbers.fetchDuration.observeMs(durationMs)
    this.#numbers.fetchedBytes += bytes
  }

  missed({ topic, from, to, cause }: { topic: string; from: number; to: number; cause: MissedCause }): void {
    this.#numbers.topic(topic).missed[cause] += Math.max(0, to - from)
  }

  duplicate({ topic, handler }: { topic: string; handler: string }, { redelivered, conflicting }: Known): void {
    if (redelivered) this.#numbers.topic(topic).redelivered++
    if (conflicting) this.#numbers.handler(topic, handler).conflictingDuplicates++
  }

  #hear(fact: Fact<R>, now: Now): void {
    switch (fact.type) {
      case 'joined':
        return this.#joined(fact.assignments, now)
      case 'assigned':
        for (const assignment of fact.assignments) this.#assigned(assignment)
        return
      case 'revoking':
        for (const { epoch } of fact.assignments) if (this.#live.has(epoch)) this.#leaving.add(epoch)
        this.#joiningSinceMs ??= now.nowMs
        return
      case 'revoked':
        for (const { epoch } of fact.assignments) this.#gone(epoch)
        return
      case 'lost':
        this.#live.clear()
        this.#leaving.clear()
        this.#joiningSinceMs ??= now.nowMs
        return
      case 'fetched':
        if (this.#live.has(fact.assignment.epoch))
          for (const record of fact.records) this.#fetched(record, fact.assignment, now)
        return
      case 'settled':
        return this.#settled(fact.task, fact.outcome, now)
      case 'failed':
        this.#numbers.handler(fact.task.assignment.topic, handlerOf(fact.task)).attempts[attemptOutcome(fact.failure)]++
        return
      case 'deadLettered':
        for (const sentence of fact.sentences) this.#deadLettered(sentence, now)
        return
      case 'committed':
        this.#numbers.commits.ok++
        for (const offset of fact.offsets) this.#committed(offset, now)
        return
      case 'commitFailed':
        this.#numbers.commits[fact.cause]++
        return
      case 'membershipConfirmed':
      case 'restored':
      case 'held':
      case 'offsetsKnown':
      case 'intakeHeld':
      case 'deadLetterFailed':
      case 'ticked':
      case 'stopRequested':
      case 'drainTimedOut':
        return
      default:
        fact satisfies never
    }
  }

  #joined(assignments: readonly Assignment[], { nowMs }: Now): void {
    this.#numbers.rebalances++
    for (const { epoch } of assignments) this.#leaving.delete(epoch)
    // The first join of a process follows nothing that it interrupts; one that takes partitions away begins what the next one ends.
    if (this.#joiningSinceMs !== null && this.#leaving.size === 0) {
      this.#numbers.rebalanceDuration.observeMs(nowMs - this.#joiningSinceMs)
      this.#joiningSinceMs = null
    }
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const epoch of this.#live.keys()) if (!epochs.has(epoch) && !this.#leaving.has(epoch)) this.#gone(epoch)
    for (const assignment of assignments) this.#assigned(assignment)
  }

  #gone(epoch: number): void {
    this.#live.delete(epoch)
    this.#leaving.delete(epoch)
  }

  #assigned({ epoch, topic }: Assignment): void {
    if (!this.#live.has(epoch)) this.#live.set(epoch, { topic, offsets: [], settledAtMs: [] })
  }

  #fetched(record: R, { topic, epoch }: Assignment, now: Now): void {
    const { kind } = record.disposition
    if (kind === 'completed') {
      this.#numbers.topic(topic).redelivered++
      return
    }
    this.#sinceTimestamp(this.#numbers.topic(topic).stages.broker, record, now)
    if (kind !== 'ignore') return
    this.#numbers.handler(topic, NO_HANDLER).records.ignored++
    this.#done(record, { topic, epoch }, now)
  }

  /** Only the first start: what a retry waits for is its backoff, not the queue. */
  #started({ assignment, takenAtMs, firstFailedAtMs }: Task<R>, { nowMs }: Now): void {
    if (firstFailedAtMs === null) this.#numbers.topic(assignment.topic).stages.queue.observeMs(nowMs - takenAtMs)
  }

  #settled(task: Task<R>, outcome: 'acked' | 'duplicate', now: Now): void {
    const numbers = this.#numbers.handler(task.assignment.topic, handlerOf(task))
    // Of a duplicate's attempt nothing is kept, and mostly no handler was asked: it is no attempt.
    if (outcome === 'acked') numbers.attempts.acked++
    if (!this.#live.has(task.assignment.epoch)) return
    numbers.records[outcome]++
    this.#handled(task, now)
  }

  #deadLettered({ task, reason, handler }: Sentence<R>, now: Now): void {
    const numbers = this.#numbers.handler(task.assignment.topic, handler)
    numbers.deadLetters[reason]++
    if (!this.#live.has(task.assignment.epoch)) return
    numbers.records.dead_lettered++
    this.#handled(task, now)
  }

  #handled({ assignment, record, startedAtMs }: Task<R>, now: Now): void {
    if (startedAtMs !== null) this.#numbers.topic(assignment.topic).stages.handle.observeMs(now.nowMs - startedAtMs)
    this.#done(record, assignment, now)
  }

  #done(record: R, { topic, epoch }: { topic: string; epoch: number }, now: Now): void {
    this.#sinceTimestamp(this.#numbers.topic(topic).stages.end_to_end, record, now)
    const uncommitted = this.#live.get(epoch)
    if (uncommitted === undefined || uncommitted.offsets.length === UNCOMMITTED_MAX) return
    uncommitted.offsets.push(record.offset)
    uncommitted.settledAtMs.push(now.nowMs)
  }

  #committed({ assignment, nextOffset }: OffsetToCommit, { nowMs }: Now): void {
    const uncommitted = this.#live.get(assignment.epoch)
    if (uncommitted === undefined) return
    const { commit } = this.#numbers.topic(uncommitted.topic).stages
    const { offsets, settledAtMs } = uncommitted
    uncommitted.offsets = []
    uncommitted.settledAtMs = []
    for (const [index, offset] of offsets.entries()) {
      const atMs = settledAtMs[index] ?? nowMs
      if (offset < nextOffset) {
        commit.observeMs(nowMs - atMs)
      } else {
        uncommitted.offsets.push(offset)
        uncommitted.settledAtMs.push(atMs)
      }
    }
  }

  /** A record without a timestamp (-1, from producers of long ago) has no age. */
  #sinceTimestamp(durations: Histogram, { timestampMs }: R, { wallMs }: Now): void {
    if (timestampMs >= 0) durations.observeMs(wallMs - timestampMs)
  }
}

function handlerOf({ record: { disposition } }: Task): string | null {
  return disposition.kind === 'handle' || disposition.kind === 'dead-letter' ? disposition.handler : null
}

/** `held`: no attempt was spent, and the record is as good as before. */
function attemptOutcome(failure: Failure): AttemptOutcome {
  switch (failure.kind) {
    case 'record':
      return failure.reason === 'rejected' ? 'rejected' : 'failed'
    case 'passing':
      return failure.timedOut ? 'timed_out' : 'failed'
    case 'outage':
    case 'ours':
    case 'waiting':
    case 'aborted':
      return 'held'
    default:
      return failure satisfies never
  }
}
