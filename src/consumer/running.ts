/** The attempts under way: how each is told that nobody waits for it, and which of them is not coming back. */
import type { Task } from '../core/facts.ts'
import { placeOf } from '../core/record.ts'
import { NobodyWaits } from './attempt.ts'
import type { IntakeRecord } from './intake.ts'

/** A handler that has ignored its signal for so many of its timeouts is not coming back. */
const SILENT_TIMEOUTS_MAX = 3

interface Attempt {
  readonly abort: AbortController
  /** When its silence is worth a restart, monotonic. Infinite until its handler is called: a database that is silent is no reason. */
  givenUpAtMs: number
}

export class Running {
  readonly #attempts = new Map<Task<IntakeRecord>, Attempt>()

  get size(): number {
    return this.#attempts.size
  }

  begin(task: Task<IntakeRecord>): AbortController {
    const abort = new AbortController()
    this.#attempts.set(task, { abort, givenUpAtMs: Number.POSITIVE_INFINITY })
    return abort
  }

  /** Its handler is called now. */
  handling(task: Task<IntakeRecord>, nowMs: number): void {
    const attempt = this.#attempts.get(task)
    const patienceMs = (task.record.delivery?.handler.timeoutMs ?? 0) * SILENT_TIMEOUTS_MAX
    if (attempt !== undefined) attempt.givenUpAtMs = nowMs + patienceMs
  }

  end(task: Task<IntakeRecord>): void {
    this.#attempts.delete(task)
  }

  abort(tasks: readonly Task<IntakeRecord>[]): void {
    for (const task of tasks) this.#attempts.get(task)?.abort.abort(new NobodyWaits())
  }

  abortAll(): void {
    this.abort([...this.#attempts.keys()])
  }

  /** A line for every handler that only a restart would end. */
  *stuck(nowMs: number): Iterable<string> {
    for (const [{ assignment, record }, { givenUpAtMs }] of this.#attempts) {
      if (nowMs < givenUpAtMs) continue
      const who = `handler ${record.delivery?.handler.name} at ${placeOf(assignment)} offset ${record.offset}`
      yield `${who} has ignored its signal for ${SILENT_TIMEOUTS_MAX} timeouts`
    }
  }
}
