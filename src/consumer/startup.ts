/** What we depend on, and whether it answered: at the start one after the other, with patience; later as the engine finds. */
import { steadyBackoffMs } from '../core/verdict.ts'
import { describe, Misconfigured } from './errors.ts'
import type { Clock, DependencyStatus, Log, Random } from './ports.ts'

/** One clear line a try; nobody is hammered. A guess, never tuned. */
const TRIES = { initialMs: 500, maxMs: 10_000 }

export interface Step {
  readonly dependency: string
  /** Rejects with `Unavailable` or `Misconfigured`; it is tried again either way, since both may be mended while we wait. */
  readonly run: () => Promise<void>
}

export interface StartupPorts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export class Startup {
  readonly #ports: StartupPorts
  readonly #answered = new Map<string, string | null>()
  readonly #stopped = Promise.withResolvers<'stopped'>()
  #stopping = false

  constructor(dependencies: readonly string[], ports: StartupPorts) {
    this.#ports = ports
    for (const name of dependencies) this.#answered.set(name, 'not asked yet')
  }

  /** By dependency: null once it has answered, else why it has not. */
  get states(): readonly DependencyStatus[] {
    return [...this.#answered].map(([name, error]) => ({ name, up: error === null, error }))
  }

  /** Runs the steps in order, each until it succeeds. True when all did, false when `stop` came first. */
  async run(steps: readonly Step[]): Promise<boolean> {
    for (const step of steps) {
      for (let tries = 1; !this.#stopping && !(await this.#try(step, tries)); tries++) {
        // Another try follows.
      }
    }
    return !this.#stopping
  }

  stop(): void {
    this.#stopping = true
    this.#stopped.resolve('stopped')
  }

  async #try({ dependency, run }: Step, tries: number): Promise<boolean> {
    const { clock, random, log } = this.#ports
    if (tries === 1) this.#answered.set(dependency, 'asked, no answer yet')
    try {
      // A stop waits for nobody: what is asked may hang, and is closed next.
      if ((await Promise.race([run(), this.#stopped.promise])) === 'stopped') return false
      this.#answered.set(dependency, null)
      log.info({ dependency }, `${dependency} answers`)
      return true
    } catch (error) {
      const text = describe(error)
      this.#answered.set(dependency, text)
      const afterMs = Math.round(steadyBackoffMs(TRIES, tries, random()))
      const level = error instanceof Misconfigured ? 'error' : 'warn'
      log[level]({ dependency, tries, retryAfterMs: afterMs, error: text }, `waiting for ${dependency}`)
      const rested = new Promise<void>(resolve => clock.at(clock.nowMs() + afterMs, resolve))
      await Promise.race([rested, this.#stopped.promise])
      return false
    }
  }
}
