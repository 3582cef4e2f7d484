/** The numbers behind the metrics: plain fields that are counted up as facts come, and read when somebody scrapes. */
import type { CommitFailure, DeadLetterReason, MissedCause } from '../../consumer/ports.ts'
import type { Outcome } from '../../core/facts.ts'
import { Histogram } from './histogram.ts'

export type Stage = 'broker' | 'decode' | 'queue' | 'handle' | 'commit' | 'end_to_end'

export type AttemptOutcome = 'acked' | 'failed' | 'timed_out' | 'rejected' | 'held'

/** The label of what no handler has seen. */
export const NO_HANDLER = 'none'

export interface HandlerNumbers {
  readonly records: Record<Outcome, number>
  readonly attempts: Record<AttemptOutcome, number>
  readonly deadLetters: Record<DeadLetterReason, number>
  conflictingDuplicates: number
}

export interface TopicNumbers {
  readonly stages: Readonly<Record<Stage, Histogram>>
  readonly handlers: Map<string, HandlerNumbers>
  redelivered: number
  readonly missed: Record<MissedCause, number>
}

export interface HandlerOfTopics {
  readonly name: string
  readonly topics: readonly string[]
}

export class Numbers {
  readonly topics = new Map<string, TopicNumbers>()
  readonly commits: Record<'ok' | CommitFailure, number> = { ok: 0, generation: 0, fenced: 0, refused: 0 }
  readonly fetchDuration = new Histogram()
  fetchedBytes = 0
  rebalances = 0
  readonly rebalanceDuration = new Histogram()

  /** What is known beforehand begins at 0: the first increase of a series that was not there is seen by no `rate()`. */
  constructor(handlers: readonly HandlerOfTopics[]) {
    for (const { name, topics } of handlers) {
      for (const topic of topics) {
        this.handler(topic, name)
        this.handler(topic, NO_HANDLER)
      }
    }
  }

  topic(topic: string): TopicNumbers {
    let numbers = this.topics.get(topic)
    if (numbers === undefined) {
      numbers = {
        stages: noDurations(),
        handlers: new Map(),
        redelivered: 0,
        missed: { retention: 0, reset: 0, unreadable: 0 },
      }
      this.topics.set(topic, numbers)
    }
    return numbers
  }

  handler(topic: string, handler: string | null): HandlerNumbers {
    const { handlers } = this.topic(topic)
    const name = handler ?? NO_HANDLER
    let numbers = handlers.get(name)
    if (numbers === undefined) {
      numbers = {
        records: { acked: 0, duplicate: 0, dead_lettered: 0, ignored: 0 },
        attempts: { acked: 0, failed: 0, timed_out: 0, rejected: 0, held: 0 },
        deadLetters: noDeadLetters(),
        conflictingDuplicates: 0,
      }
      handlers.set(name, numbers)
    }
    return numbers
  }
}

function noDurations(): Record<Stage, Histogram> {
  return {
    broker: new Histogram(),
    decode: new Histogram(),
    queue: new Histogram(),
    handle: new Histogram(),
    commit: new Histogram(),
    end_to_end: new Histogram(),
  }
}

function noDeadLetters(): Record<DeadLetterReason, number> {
  return {
    framing: 0,
    'unknown-schema': 0,
    undecodable: 0,
    'incompatible-schema': 0,
    'too-large': 0,
    unmatched: 0,
    'unexpected-tombstone': 0,
    'missing-idempotency-key': 0,
    'invalid-key': 0,
    rejected: 0,
    'attempts-exhausted': 0,
    'invalid-data': 0,
  }
}
