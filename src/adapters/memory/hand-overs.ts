/** How long a source waits before it lets partitions go: until they were handed over, but not beyond its deadline. */
import type { Assignment, SourceListener } from '../../consumer/ports.ts'
import type { Holdings, Part } from './holdings.ts'
import type { Timers } from './timers.ts'

export interface HandOversOptions {
  readonly holdings: Holdings
  readonly timers: Timers
  readonly timeoutMs: number
  /** Null once nothing is to be told any more. */
  readonly listener: () => SourceListener | null
  /** The group has to know that they are free. */
  readonly letGo: () => void
}

export class HandOvers {
  readonly #options: HandOversOptions
  readonly #ended = Promise.withResolvers<void>()

  constructor(options: HandOversOptions) {
    this.#options = options
  }

  /** What a join took away. One that a later join brings back before is not let go of. */
  async begin(parts: readonly Part[]): Promise<void> {
    const handOver = {}
    for (const part of parts) part.handOver = handOver
    await this.everything(parts)
    const { holdings, listener, letGo } = this.#options
    const gone = parts.filter(part => part.handOver === handOver && holdings.owned.of(part.assignment) === part)
    if (gone.length === 0) return
    holdings.owned.drop(gone)
    listener()?.revoked(assignmentsOf(gone))
    letGo()
  }

  /** Before an eager join, which then decides. */
  async everything(parts: readonly Part[]): Promise<void> {
    const { listener, timers, timeoutMs } = this.#options
    if (parts.length === 0) return
    const handedOver = listener()?.revoking(assignmentsOf(parts))
    const late = Promise.withResolvers<void>()
    const cancel = timers.after(timeoutMs, late.resolve)
    await Promise.race([handedOver, late.promise, this.#ended.promise])
    cancel()
  }

  /** Nobody is waited for any more. */
  end(): void {
    this.#ended.resolve()
  }
}

export function assignmentsOf(parts: readonly Part[]): readonly Assignment[] {
  return parts.map(({ assignment }) => assignment)
}
