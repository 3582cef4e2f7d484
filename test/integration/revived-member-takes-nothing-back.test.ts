/**
 * A member is frozen (SIGSTOP) under load with effects under way, for longer than its session, and revived while the others
 * work on its partitions: a member that does not know that it is none. Each event has one effect, and no committed offset ever goes
 * back, looked at all along.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { effectsIn } from '../support/effects.ts'
import { Fleet, sum } from '../support/fleet.ts'
import { repeats } from '../support/fleet-journal.ts'
import { freshDatabase, parts, until } from '../support/parts.ts'

const PER_SECOND = 400
const PARTITIONS = 12
const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }
const LOOK_EVERY_MS = 100

/** Looks at what is committed until it is stopped; answers the places where it went back. */
function watchCommits(fleet: Fleet): { stop(): Promise<string[]> } {
  const backwards: string[] = []
  const state = { stopped: false, looks: 0 }
  const watching = (async () => {
    let before = await fleet.committed()
    while (!state.stopped) {
      await sleep(LOOK_EVERY_MS)
      const after = await fleet.committed()
      state.looks++
      for (const [partition, offset] of before.entries()) {
        const now = after[partition] ?? null
        if (offset !== null && (now === null || now < offset)) backwards.push(`${partition}: ${offset} → ${now}`)
      }
      before = after
    }
  })()
  return {
    async stop() {
      state.stopped = true
      await watching
      expect(state.looks).toBeGreaterThan(50)
      return backwards
    },
  }
}

/** Half a minute, and several on a machine that is busy with other things. */
const TIMEOUT_MS = 300_000

it('a member that is revived under load doubles no effect and takes no commit back', {
  timeout: TIMEOUT_MS,
}, async () => {
  const database = await freshDatabase()
  const env = { ...SESSION, DATABASE_URL: database.url, TEST_ONCE: 'true', TEST_WORK_MS: '100' }
  const fleet = await Fleet.of({ parts: parts(), topics: [PARTITIONS], env })
  const effects = effectsIn(database.url)
  try {
    await Promise.all([fleet.join(), fleet.join()])
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    await fleet.moves()
    const watch = watchCommits(fleet)
    const frozen = fleet.oldest
    fleet.freeze(frozen)
    await fleet.settled()
    await fleet.moves()
    fleet.revive(frozen)
    await fleet.settled()
    await fleet.moves()
    const sent = await load.stop()
    await until('every event has its effect', async () => (await effects.handled()) === sent, { timeoutMs: 120_000 })
    for (const member of fleet.members) await fleet.leave(member)
    expect(await watch.stop()).toEqual([])
    expect(sum(await fleet.committed())).toBe(sent)
    expect(await effects.handled()).toBe(sent)
    expect(await effects.logins()).toBe(sent)
    // What it had under way was handled by others too, or nothing was shown.
    expect(repeats(fleet.journals.deliveries).length).toBeGreaterThan(0)
  } finally {
    await fleet.end()
    await effects.end()
    await database.drop()
  }
})
