/**
 * The way between a process and a part that it asks. A request gets there by the world's clock, whatever becomes of who sent
 * it; its answer comes in by the process's own: a process that stands still hears nothing, and one that is gone never will.
 */
import type { Clock } from '../../consumer/ports.ts'

export interface LinkOptions {
  readonly clock: Clock
  readonly world: Clock
  /** Of one way; asked for each. */
  readonly latencyMs: () => number
}

/** How one process reaches the parts; null: at once, within the same turn. */
export type Network = LinkOptions | null

/** One connection: nothing on it overtakes what was sent before. */
export class Link {
  readonly #network: Network
  #thereAtMs = 0
  #backAtMs = 0

  constructor(network: Network) {
    this.#network = network
  }

  /** `serve` is called on the other side. */
  async ask<T>(serve: () => T | Promise<T>): Promise<T> {
    if (this.#network === null) return serve()
    await this.#goThere()
    try {
      return await serve()
    } finally {
      await this.#comeBack()
    }
  }

  /** Nobody waits for an answer. */
  tell(message: () => void): void {
    if (this.#network === null) message()
    else void this.#goThere().then(message)
  }

  /** From the other side, unasked. */
  hear(message: () => void): void {
    if (this.#network === null) message()
    else void this.#comeBack().then(message)
  }

  #goThere(): Promise<void> {
    return new Promise(resolve => {
      if (this.#network === null) return resolve()
      const { world, latencyMs } = this.#network
      this.#thereAtMs = Math.max(this.#thereAtMs, world.nowMs() + latencyMs())
      world.at(this.#thereAtMs, resolve)
    })
  }

  #comeBack(): Promise<void> {
    return new Promise(resolve => {
      if (this.#network === null) return resolve()
      const { clock, world, latencyMs } = this.#network
      this.#backAtMs = Math.max(this.#backAtMs, world.nowMs() + latencyMs())
      clock.at(this.#backAtMs, resolve)
    })
  }
}
