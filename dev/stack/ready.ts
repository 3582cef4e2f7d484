/** Waiting until a part answers, and bringing one up whose free port somebody else took first. */
import { setTimeout as sleep } from 'node:timers/promises'

import type { Kept } from './keep.ts'

/** A guess with room: the slowest part needs three seconds on two busy cores. */
const READY_WITHIN_MS = 90_000
/** Between choosing a free port and listening on it, seconds pass: another program may be quicker. */
const PORT_TRIES_MAX = 3

const portTaken = /address already in use|BindException|could not bind|port is already allocated/i

async function untilAnswers(kept: Kept, withinMs: number, answers: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + withinMs
  let ended = false
  const watch = async () => {
    await kept.ended
    ended = true
  }
  void watch()
  for (;;) {
    if (ended) throw new Error(`it ended before it was ready:\n${await kept.logTail()}`)
    try {
      await answers()
      return
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`it did not answer: ${String(error)}\n${await kept.logTail()}`, { cause: error })
    }
    await sleep(100)
  }
}

export type Part<Address> = { name: string; address: Address; kept: Kept }

/** Starts a part and waits until it answers; again with other ports when its port was taken. */
export async function bringUp<Address>(
  { name, readyWithinMs = READY_WITHIN_MS }: { name: string; readyWithinMs?: number },
  attempt: () => Promise<{ address: Address; kept: Kept; answers: () => Promise<unknown> }>,
): Promise<Part<Address>> {
  for (let tries = 1; ; tries++) {
    const { address, kept, answers } = await attempt()
    try {
      await untilAnswers(kept, readyWithinMs, answers)
      return { name, address, kept }
    } catch (error) {
      const words = await kept.logTail(200)
      await kept.stop()
      if (tries < PORT_TRIES_MAX && portTaken.test(words)) continue
      throw new Error(`${name} did not come up: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
}

export async function httpAnswers(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
}
