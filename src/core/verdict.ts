/**
 * What follows from a failed attempt. Total: every failure has exactly one consequence, and no outage and no fault of ours
 * has a path to the dead letter topic.
 */
import type { DeadLetterReason } from './record.ts'

/** How an attempt failed, as the adapters classify it. The four kinds of ARCHITECTURE.md, with waiting beside them. */
export type Failure =
  /** The record's own: no other attempt could end better. */
  | { readonly kind: 'record'; readonly reason: DeadLetterReason }
  /** May pass: tried again in its lane, then dead-lettered for `reason`. */
  | { readonly kind: 'passing'; readonly reason: 'attempts-exhausted' | 'invalid-data'; readonly timedOut: boolean }
  /** Something that we depend on is away: no attempt is spent, its work is held. */
  | { readonly kind: 'outage'; readonly dependency: string }
  /** Our own mistake (a missing table, a wrong password, an assertion): the handler is held, loudly. */
  | { readonly kind: 'ours' }
  /** It waited in vain for something that others hold (a claim, a connection): no attempt is spent. */
  | { readonly kind: 'waiting' }
  /** Nobody waits for the answer any more (lost partition, drain timeout). */
  | { readonly kind: 'aborted' }

/** Waits that double from `initialMs` to `maxMs`. */
export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
}

/** Capped exponential backoff with full jitter. Attempts count from 1, the first included. */
export interface RetryPolicy extends Backoff {
  readonly attemptsMax: number
}

export interface AttemptsSoFar {
  readonly attempt: number
  readonly retry: RetryPolicy
  /** In [0, 1); the caller's, so that a run can be repeated. */
  readonly random: number
}

export type Verdict =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'dead-letter'; readonly reason: DeadLetterReason }
  /** The breaker of `dependency` opens; the task waits for it. */
  | { readonly kind: 'hold'; readonly dependency: string; readonly ours: boolean }
  /** Put back at the head of its lane, same attempt. */
  | { readonly kind: 'again'; readonly afterMs: number }
  | { readonly kind: 'forget' }

/** How long a task rests that waited in vain for somebody else's claim. A guess, never tuned: others' transactions take milliseconds. */
const WAITING_RETRY_MS = 250

export function verdictOn(failure: Failure, handler: string, so: AttemptsSoFar): Verdict {
  switch (failure.kind) {
    case 'record':
      return { kind: 'dead-letter', reason: failure.reason }
    case 'passing':
      return so.attempt < so.retry.attemptsMax
        ? { kind: 'retry', afterMs: backoffMs(so.retry, so.attempt, so.random) }
        : { kind: 'dead-letter', reason: failure.reason }
    case 'outage':
      return { kind: 'hold', dependency: failure.dependency, ours: false }
    case 'ours':
      return { kind: 'hold', dependency: `handler ${handler}`, ours: true }
    case 'waiting':
      return { kind: 'again', afterMs: WAITING_RETRY_MS * (0.5 + so.random) }
    case 'aborted':
      return { kind: 'forget' }
    default:
      return failure satisfies never
  }
}

/**
 * Full jitter: uniform in [0, min(maxMs, initialMs · 2^(failures − 1))], which spreads a herd best.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs({ initialMs, maxMs }: Backoff, failures: number, random: number): number {
  return random * Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 52))
}

/**
 * Equal jitter, for what is asked again until it answers: half of the wait is certain, or a lucky draw would hammer what is
 * just coming back. The same source.
 */
export function steadyBackoffMs(backoff: Backoff, failures: number, random: number): number {
  return backoffMs(backoff, failures, 0.5 + random / 2)
}
