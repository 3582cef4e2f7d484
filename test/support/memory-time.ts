/** How time passes in tests on a memory clock: to the next thing that is due, and then everything that follows from it, in order. */
import type { MemoryClock } from '../../src/adapters/memory/clock.ts'
import type { Clock } from '../../src/consumer/ports.ts'
import { turn } from './floor.ts'

/** More than any scenario takes. */
const PATIENCE_MS = 300_000

export async function pass(clock: MemoryClock, ms: number): Promise<void> {
  const endMs = clock.nowMs() + ms
  await turn()
  for (let nextMs = clock.nextAtMs(); nextMs !== null && nextMs <= endMs; nextMs = clock.nextAtMs()) {
    clock.advanceTo(nextMs)
    await turn()
  }
  clock.advanceTo(endMs)
  await turn()
}

/** Throws when it never does. */
export async function until(clock: MemoryClock, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = clock.nowMs() + PATIENCE_MS
  await turn()
  while (!(await holds())) {
    const nextMs = clock.nextAtMs()
    if (nextMs === null || nextMs > endMs) throw new Error(`it never came true that ${what}`)
    clock.advanceTo(nextMs)
    await turn()
  }
}

/** A process's clock: while it is frozen nothing is called, and then everything that was due. */
export function freezable(world: MemoryClock): Clock & { freeze(): void; thaw(): void } {
  let late: (() => void)[] | null = null
  return {
    nowMs: () => world.nowMs(),
    wallMs: () => world.wallMs(),
    at(atMs, callback) {
      let isCancelled = false
      const due = (): void => {
        if (isCancelled) return
        if (late === null) callback()
        else late.push(due)
      }
      const cancel = world.at(atMs, due)
      return () => {
        isCancelled = true
        cancel()
      }
    },
    freeze() {
      late ??= []
    },
    thaw() {
      const overdue = late ?? []
      late = null
      for (const due of overdue) due()
    },
  }
}
