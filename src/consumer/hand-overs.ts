/** Who waits for the hand-over of which assignments: a promise for the source, kept by what the engine says. */
import type { Assignment } from './ports.ts'

interface HandOver {
  readonly epochs: Set<number>
  readonly done: () => void
}

export class HandOvers {
  /** More than one may wait for the same assignment: a source whose patience ended asks again. */
  readonly #waiting = new Set<HandOver>()

  /** Resolves when all of these are handed over. */
  begin(assignments: readonly Assignment[]): Promise<void> {
    if (assignments.length === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add({ epochs: new Set(assignments.map(({ epoch }) => epoch)), done: resolve })
    return promise
  }

  end(assignments: readonly Assignment[]): void {
    for (const handOver of this.#waiting) {
      for (const { epoch } of assignments) handOver.epochs.delete(epoch)
      if (handOver.epochs.size > 0) continue
      this.#waiting.delete(handOver)
      handOver.done()
    }
  }

  /** Nothing will be handed over any more. */
  endAll(): void {
    for (const { done } of this.#waiting) done()
    this.#waiting.clear()
  }
}
