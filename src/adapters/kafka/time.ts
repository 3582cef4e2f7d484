import type { Clock } from '../../consumer/ports.ts'

/** What `within` answers when the time is up first. */
export const LATE = Symbol('late')

/** The promise's outcome, or LATE. What it does after that is nobody's concern any more, a rejection included. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | typeof LATE> {
  const { promise: late, resolve } = Promise.withResolvers<typeof LATE>()
  const cancel = clock.at(clock.nowMs() + ms, () => resolve(LATE))
  // The race takes the first outcome; a rejection that comes after it must not become an unhandled one.
  promise.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    cancel()
  }
}

/** Resolves after `ms`, or at once when the signal goes off. */
export function rest(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) return Promise.resolve()
  const wake = (): void => {
    cancel()
    signal.removeEventListener('abort', wake)
    resolve()
  }
  const cancel = clock.at(clock.nowMs() + ms, wake)
  signal.addEventListener('abort', wake)
  return promise
}

/** Waits double from `initialMs` to `maxMs`. Without jitter: each asks for itself, a handful of replicas make no herd. */
export function backoff(initialMs: number, maxMs: number): () => number {
  let nextMs = initialMs
  return () => {
    const ms = nextMs
    nextMs = Math.min(maxMs, nextMs * 2)
    return ms
  }
}
