/** What is said of a failed attempt, and what is written of a condemned record. */
import type { Fact, Sentence } from '../core/facts.ts'
import type { IntakeRecord } from './intake.ts'
import type { DeadLetter, Log } from './ports.ts'

export function logFailure(fact: Extract<Fact<IntakeRecord>, { type: 'failed' }>, log: Log): void {
  const { task, failure, error, at } = fact
  const { topic, partition } = task.assignment
  const handler = task.record.delivery?.handler.name
  const { offset } = task.record
  const fields = { topic, partition, offset, handler, attempt: task.attempt, kind: failure.kind, error, at }
  switch (failure.kind) {
    case 'ours':
      return log.error(fields, 'a fault of ours: the handler is held until it is mended, nothing is dead-lettered')
    case 'outage':
      return log.warn(fields, 'an outage: the work is held and tried again, no attempt is spent')
    case 'record':
    case 'passing':
      return log.warn(fields, 'an attempt failed')
    case 'waiting':
    case 'aborted':
      return log.debug(fields, 'an attempt was given up')
    default:
      failure satisfies never
  }
}

export function logDeadLetters(letters: readonly DeadLetter[], log: Log): void {
  for (const { topic, partition, record, handler, reason, error, attempts } of letters) {
    const fields = { topic, partition, offset: record.offset, handler, reason, attempts, error }
    log.warn(fields, 'a record was written to the dead letter topic')
  }
}

export function letterOf(
  { task, reason, error, attempts, handler }: Sentence<IntakeRecord>,
  nowMs: number,
): DeadLetter {
  const { topic, partition } = task.assignment
  const record = task.record.raw
  const firstFailedAtMs = task.firstFailedAtMs ?? nowMs
  return { topic, partition, record, handler, reason, error, attempts, firstFailedAtMs, failedAtMs: nowMs }
}
