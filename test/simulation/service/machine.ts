/**
 * The machine that a replica runs on. While it stands still no code of it runs: its clock calls nobody, and what the network
 * brings waits at its door. Monotonic time goes on meanwhile, as it does for a stopped process. Once it is gone, nothing of
 * it ever runs again.
 */
import type { MemoryClock } from '../../../src/adapters/memory/clock.ts'
import type { Clock } from '../../../src/consumer/ports.ts'

export class Machine {
  readonly #world: MemoryClock
  #state: 'running' | 'frozen' | 'gone' = 'running'
  #waiting: (() => void)[] = []
  readonly clock: Clock
  /** When it last went on after it had stood still. */
  thawedAtMs = 0

  constructor(world: MemoryClock) {
    this.#world = world
    this.clock = {
      nowMs: () => world.nowMs(),
      wallMs: () => world.wallMs(),
      at: (atMs, callback) => {
        let isCancelled = false
        const call = (): void => {
          if (!isCancelled) callback()
        }
        const cancel = world.at(atMs, () => this.#run(call))
        return () => {
          isCancelled = true
          cancel()
        }
      },
    }
  }

  get state(): 'running' | 'frozen' | 'gone' {
    return this.#state
  }

  freeze(): void {
    if (this.#state === 'running') this.#state = 'frozen'
  }

  /** What has become due meanwhile follows in its order, each in a turn of its own. */
  thaw(): void {
    if (this.#state !== 'frozen') return
    this.#state = 'running'
    this.thawedAtMs = this.#world.nowMs()
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) this.#world.at(this.#world.nowMs(), () => this.#run(callback))
  }

  vanish(): void {
    this.#state = 'gone'
    this.#waiting = []
  }

  #run(callback: () => void): void {
    if (this.#state === 'running') callback()
    else if (this.#state === 'frozen') this.#waiting.push(callback)
  }
}
