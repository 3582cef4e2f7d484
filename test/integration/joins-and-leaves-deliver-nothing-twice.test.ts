/**
 * Twelve planned joins and leaves, some of them at the same time, while 2,000 records a second come in over twelve partitions. Between
 * two and five replicas share them. Every record is handled and committed, none is delivered twice anywhere, though nothing
 * but the hand-over could prevent it (the handler has no inbox), and each key keeps its order across its owners.
 */
import { expect, it } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { faultsOfAll } from '../support/fleet-account.ts'
import { parts } from '../support/parts.ts'

const PER_SECOND = 2_000
/** One record in 47 takes 300 ms, so that there is always something in flight when a partition moves. */
const WORK = { TEST_WORK_MS: '10', TEST_SLOW: '47:300' }
/** Half a minute, and several on a machine that is busy with other things. */
const TIMEOUT_MS = 300_000

it('twelve joins and leaves under load: all is handled, nothing twice, each key in order', {
  timeout: TIMEOUT_MS,
}, async () => {
  const fleet = await Fleet.of({ parts: parts(), topics: [12], env: WORK })
  const events: (() => Promise<unknown>)[] = [
    () => fleet.join(),
    () => fleet.join(),
    () => fleet.leave(fleet.oldest),
    () => Promise.all([fleet.join(), fleet.join()]),
    () => Promise.all([fleet.leave(fleet.oldest), fleet.join()]),
    () => fleet.leave(fleet.oldest),
    () => Promise.all([fleet.leave(fleet.oldest), fleet.leave(fleet.oldest)]),
    () => fleet.join(),
    () => fleet.leave(fleet.oldest),
  ]
  try {
    await Promise.all([fleet.join(), fleet.join()])
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    for (const event of events) {
      await event()
      await fleet.settled()
    }
    expect(await faultsOfAll(fleet, load)).toEqual([])
  } finally {
    await fleet.end()
  }
})
