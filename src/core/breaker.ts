/**
 * One per dependency. Closed: nobody notices it. Open: its handlers start nothing. Probing: one record of theirs is tried;
 * its end closes the breaker or opens it for longer. A breaker that is closed is thrown away, so none is ever idle.
 */
import { type Backoff, steadyBackoffMs } from './verdict.ts'

/** An outage is often over in a second (a fail-over, a restart); ten seconds bounds how late its end is noticed. A guess, never tuned. */
const OUTAGE_PROBES: Backoff = { initialMs: 500, maxMs: 10_000 }

/** A fault of ours waits for somebody to change something: a migration, a password. */
const FAULT_PROBES: Backoff = { initialMs: 2_000, maxMs: 30_000 }

export interface BreakerOpening {
  readonly dependency: string
  readonly ours: boolean
  readonly nowMs: number
}

export class Breaker {
  readonly dependency: string
  /** A fault of ours, not an outage. */
  readonly ours: boolean
  readonly openedAtMs: number
  /** The handlers that have felt it; only they are held. */
  readonly handlers = new Set<string>()
  error = ''
  #failures = 0
  #probeAtMs = Number.POSITIVE_INFINITY
  #probe: object | null = null

  constructor({ dependency, ours, nowMs }: BreakerOpening) {
    this.dependency = dependency
    this.ours = ours
    this.openedAtMs = nowMs
  }

  /** When the next probe may go; infinite while one is out. */
  get probeAtMs(): number {
    return this.#probe === null ? this.#probeAtMs : Number.POSITIVE_INFINITY
  }

  mayProbe(nowMs: number): boolean {
    return nowMs >= this.probeAtMs
  }

  probing(record: object): void {
    this.#probe = record
  }

  isProbe(record: object): boolean {
    return this.#probe === record
  }

  /** The first failure, and each failed probe; what was under way when it opened says nothing new. */
  failed(record: object, nowMs: number, random: number): void {
    if (this.#failures > 0 && this.#probe !== record) return
    this.#failures++
    this.#probe = null
    this.#probeAtMs = nowMs + steadyBackoffMs(this.ours ? FAULT_PROBES : OUTAGE_PROBES, this.#failures, random)
  }

  /** The probe ended without telling: the next record may go at once. */
  inconclusive(nowMs: number): void {
    this.#probe = null
    this.#probeAtMs = nowMs
  }
}
