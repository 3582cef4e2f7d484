/**
 * The first record of a partition does not come to its end. A thousand behind it are finished, which the committed offset can
 * not say: it stands at the first. What is finished above it is in the commit's metadata, so that after a kill the next process
 * handles what was open, and none of the thousand again. Nothing but the metadata could know: the handler has no inbox.
 */
import { expect, it } from 'vitest'
import { Fleet, sum } from '../support/fleet.ts'
import { parts, until } from '../support/parts.ts'

const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }
const FINISHED = 1_000
/** The second one waits behind the first, for they have one key, and leaves a hole among the finished. */
const SLOW_OFFSETS = [0, 500]

it('after a kill only what was open is handled again', async () => {
  const env = { ...SESSION, COMMIT_INTERVAL_MS: '200' }
  const fleet = await Fleet.of({ parts: parts(), topics: [1], env })
  const [topic = ''] = fleet.topics
  try {
    const count = FINISHED + SLOW_OFFSETS.length
    const keys = Array.from({ length: count }, (_, at) => (SLOW_OFFSETS.includes(at) ? 'slow' : `key-${at % 50}`))
    await fleet.send(topic, await Promise.all(keys.map(key => fleet.message(key, 0))))
    const victim = await fleet.join({ TEST_HANG_KEY: 'slow' })
    await until('a thousand are finished', () => fleet.journals.handled() === FINISHED)
    const seen = { metadata: '', times: 0 }
    await until('the metadata changes no more', async () => {
      const metadata = (await fleet.world.committed(fleet.group, topic, 0))?.metadata ?? ''
      seen.times = metadata === seen.metadata ? seen.times + 1 : 0
      seen.metadata = metadata
      return metadata !== '' && seen.times === 20
    })
    expect(await fleet.committed()).toEqual([0])
    await fleet.kill(victim)
    const heir = await fleet.join()
    await until('all is committed', async () => sum(await fleet.committed()) === count, { timeoutMs: 40_000 })
    const again = fleet.journals.deliveries.filter(({ member }) => member === heir.name)
    expect(again.map(({ offset }) => offset)).toEqual(SLOW_OFFSETS)
    await fleet.leave(heir)
  } finally {
    await fleet.end()
  }
})
