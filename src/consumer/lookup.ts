/**
 * Asks the inbox for many records at once: while one question is under way the next ones gather. A lone record waits for no
 * one; under load a question carries what came in during the last.
 */
import type { Claim, Known, UnitOfWork } from './ports.ts'

/** Bounds one statement; more a batch gains little. */
const CLAIMS_MAX = 500

interface Asker {
  readonly claim: Claim
  readonly resolve: (known: Known | null) => void
  readonly reject: (error: unknown) => void
}

export class Lookup {
  readonly #unitOfWork: UnitOfWork
  #askers: Asker[] = []
  #asking = false

  constructor(unitOfWork: UnitOfWork) {
    this.#unitOfWork = unitOfWork
  }

  /** What is known of this claim; rejects as the query does. */
  known(claim: Claim): Promise<Known | null> {
    return new Promise((resolve, reject) => {
      this.#askers.push({ claim, resolve, reject })
      if (this.#asking) return
      this.#asking = true
      // Later in this turn, so that a whole batch of starts makes one question.
      queueMicrotask(() => void this.#ask())
    })
  }

  async #ask(): Promise<void> {
    while (this.#askers.length > 0) {
      const askers = this.#askers.splice(0, CLAIMS_MAX)
      try {
        const answers = await this.#unitOfWork.known(askers.map(({ claim }) => claim))
        for (const [index, { resolve }] of askers.entries()) resolve(answers[index] ?? null)
      } catch (error) {
        for (const { reject } of askers) reject(error)
      }
    }
    this.#asking = false
  }
}
