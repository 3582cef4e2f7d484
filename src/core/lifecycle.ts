/**
 * starting → running → draining → stopped, one way. `starting` ends with the first join; `draining` is entered by a stop
 * request from either and left when nothing is in flight and what settled is committed, or when the time is up.
 */
const ORDER = ['starting', 'running', 'draining', 'stopped'] as const

export type LifecycleState = (typeof ORDER)[number]

/** The state after `next` was asked for: a step back, or one that was taken, changes nothing. */
export function advance(state: LifecycleState, next: LifecycleState): LifecycleState {
  return ORDER.indexOf(next) > ORDER.indexOf(state) ? next : state
}
