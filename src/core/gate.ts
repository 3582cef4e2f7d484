/** Which handlers may start something: their own limits, and the breakers of what they depend on. */
import { Breaker } from './breaker.ts'
import type { BreakerStatus, HandlerStatus } from './status.ts'
import type { RetryPolicy } from './verdict.ts'

export interface HandlerPolicy {
  readonly name: string
  readonly retry: RetryPolicy
  /** Null: no limit of its own. */
  readonly concurrencyMax: number | null
}

interface Slots {
  readonly policy: HandlerPolicy
  inFlight: number
  readonly breakers: Set<Breaker>
}

export interface Outage {
  readonly dependency: string
  readonly ours: boolean
  readonly handler: string
  readonly error: string
}

/** How an attempt bears on what was down: it got through, it did not, or it does not tell. */
export type Sign = 'up' | 'down' | 'none'

export class Gate {
  readonly #handlers: ReadonlyMap<string, Slots>
  readonly #breakers = new Map<string, Breaker>()
  readonly #random: () => number

  constructor(policies: readonly HandlerPolicy[], random: () => number) {
    this.#handlers = new Map(
      policies.map(policy => [policy.name, { policy, inFlight: 0, breakers: new Set<Breaker>() }]),
    )
    this.#random = random
  }

  policyOf(handler: string): HandlerPolicy {
    return this.#slotsOf(handler).policy
  }

  mayStart(handler: string, nowMs: number): boolean {
    if (this.full(handler)) return false
    for (const breaker of this.#slotsOf(handler).breakers) if (!breaker.mayProbe(nowMs)) return false
    return true
  }

  /** Whether it has as many records as its own limit allows. */
  full(handler: string): boolean {
    const { inFlight, policy } = this.#slotsOf(handler)
    return policy.concurrencyMax !== null && inFlight >= policy.concurrencyMax
  }

  started(handler: string, record: object): void {
    const slots = this.#slotsOf(handler)
    slots.inFlight++
    for (const breaker of slots.breakers) breaker.probing(record)
  }

  ended(handler: string, record: object, end: { sign: Sign; nowMs: number }): void {
    const slots = this.#slotsOf(handler)
    slots.inFlight--
    for (const breaker of slots.breakers) {
      if (!breaker.isProbe(record)) continue
      if (end.sign === 'up') this.#close(breaker)
      else if (end.sign === 'none') breaker.inconclusive(end.nowMs)
    }
  }

  /** Opens the breaker, or counts a failed probe. Answers true when it was closed before. */
  failed({ dependency, ours, handler, error }: Outage, record: object, nowMs: number): boolean {
    const known = this.#breakers.get(dependency)
    const breaker = known ?? new Breaker({ dependency, ours, nowMs })
    this.#breakers.set(dependency, breaker)
    breaker.error = error
    breaker.handlers.add(handler)
    const { breakers } = this.#slotsOf(handler)
    breakers.add(breaker)
    breaker.failed(record, nowMs, this.#random())
    // Of the others that it probed it does not tell: they would wait for its answer for ever.
    for (const other of breakers) if (other !== breaker && other.isProbe(record)) other.inconclusive(nowMs)
    return known === undefined
  }

  /** One for each breaker: the soonest alone may be one that has nothing to probe with, and would hide the others. */
  *probeTimes(): Iterable<number> {
    for (const breaker of this.#breakers.values()) yield breaker.probeAtMs
  }

  /** The breaker that holds a handler's work. */
  holding(handler: string): Breaker | null {
    for (const breaker of this.#handlers.get(handler)?.breakers ?? []) return breaker
    return null
  }

  breakers(nowMs: number): BreakerStatus[] {
    return [...this.#breakers.values()].map(({ dependency, ours, openedAtMs, error, handlers }) => ({
      dependency,
      ours,
      openForMs: nowMs - openedAtMs,
      error,
      handlers: [...handlers],
    }))
  }

  handlers(): HandlerStatus[] {
    return [...this.#handlers.values()].map(({ policy, inFlight }) => ({
      name: policy.name,
      inFlight,
      heldBy: this.holding(policy.name)?.dependency ?? null,
    }))
  }

  /** Nothing is in hand that could probe: whether a dependency is back is the next record's to find. */
  forgetBreakers(): void {
    for (const breaker of this.#breakers.values()) this.#close(breaker)
  }

  #close(breaker: Breaker): void {
    this.#breakers.delete(breaker.dependency)
    for (const handler of breaker.handlers) this.#slotsOf(handler).breakers.delete(breaker)
  }

  #slotsOf(handler: string): Slots {
    const slots = this.#handlers.get(handler)
    if (slots === undefined) throw new RangeError(`no handler is named ${handler}`)
    return slots
  }
}
