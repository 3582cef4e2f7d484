/**
 * Where this member stands in the group, and whether it may believe so. `consuming` begins with a join and ends with a commit that says that
 * the coordinator does not know us (`fenced`), or with the loss of it all. A coordinator that is silent for a whole session timeout may have
 * given our partitions away: nothing may be started then, until it has taken something of ours.
 */

type State = 'out of the group' | 'consuming' | 'fenced'

export class Standing {
  readonly #sessionTimeoutMs: number
  #state: State = 'out of the group'
  /** When we sent what the coordinator last took. */
  #confirmedAtMs = 0

  constructor(sessionTimeoutMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  get isMember(): boolean {
    return this.#state !== 'out of the group'
  }

  get mayCommit(): boolean {
    return this.#state === 'consuming'
  }

  /** Says nothing of when the coordinator has seen us: an answer to a join may have lain here for long, too. */
  joined(): void {
    this.#state = 'consuming'
  }

  /** A heartbeat, a commit or a join was taken that we sent at this time. */
  confirmed(sentAtMs: number): void {
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, sentAtMs)
  }

  fenced(): void {
    if (this.#state === 'consuming') this.#state = 'fenced'
  }

  lost(): void {
    this.#state = 'out of the group'
  }

  /** Why nothing may be started; null when things may. */
  whyStill(nowMs: number): string | null {
    switch (this.#state) {
      case 'out of the group':
        return 'waiting to join the group'
      case 'fenced':
        return 'fenced: the coordinator does not know this member any more; waiting for the next join'
      case 'consuming': {
        const silentMs = nowMs - this.#confirmedAtMs
        if (silentMs < this.#sessionTimeoutMs) return null
        return `fenced: the coordinator has been silent for ${Math.round(silentMs / 1_000)} s; another member may own what we hold`
      }
      default:
        return this.#state satisfies never
    }
  }
}
