/** What a source asks its group beside being a member: what is stored for partitions that begin, and how all of them stand. */
import type { SourceListener } from '../../consumer/ports.ts'
import type { Group } from './group.ts'
import type { Holdings, Part } from './holdings.ts'
import type { Line } from './line.ts'
import { REQUEST_TIMEOUT_MS, RETRY_MS } from './membership.ts'
import type { Timers } from './timers.ts'

/** As the Kafka source asks. */
const OFFSETS_EVERY_MS = 5_000

export interface QuestionsOptions {
  readonly group: Group
  readonly holdings: Holdings
  readonly line: Line
  readonly timers: Timers
  /** Null once nothing is to be told any more. */
  readonly listener: () => SourceListener | null
  readonly onRestored: () => void
}

export class Questions {
  readonly #options: QuestionsOptions

  constructor(options: QuestionsOptions) {
    this.#options = options
  }

  /** Again and again, until it is answered or they are gone. */
  async restore(parts: readonly Part[]): Promise<void> {
    const { group, holdings, timers, onRestored } = this.#options
    const isMissing = (part: Part): boolean => part.log === null && holdings.owned.of(part.assignment) === part
    for (let missing = parts.filter(isMissing); missing.length > 0; missing = missing.filter(isMissing)) {
      const asked = missing
      const stored = await this.#ask(() => asked.map(({ assignment }) => group.committed(assignment)))
      for (const [index, part] of asked.entries()) {
        if (stored !== null && isMissing(part)) holdings.restored(part, stored[index] ?? null)
      }
      onRestored()
      if (missing.some(isMissing)) await timers.pass(RETRY_MS)
    }
  }

  async offsets(): Promise<void> {
    const { holdings, listener } = this.#options
    const offsets = (await this.#ask(() => holdings.offsets())) ?? []
    const live = offsets.filter(({ assignment }) => holdings.owned.of(assignment) !== null)
    if (live.length > 0) listener()?.offsetsKnown(live)
  }

  offsetsFromTimeToTime(): void {
    this.#options.timers.after(OFFSETS_EVERY_MS, () => {
      void this.offsets()
      this.offsetsFromTimeToTime()
    })
  }

  #ask<Answer>(serve: () => Answer): Promise<Answer | null> {
    const { line } = this.#options
    const asked = (): Answer | null => (line.faults.coordinatorMoving ? null : serve())
    return line.ask(asked, { timeoutMs: REQUEST_TIMEOUT_MS })
  }
}
