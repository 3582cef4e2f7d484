/**
 * Every replica loses its connections to the broker at once, in the middle of joins and leaves under load, for less than the
 * session: when the network is back they are the same members with the same partitions and go on where they were. Nothing is
 * lost, nothing is delivered twice. (A broker that is killed: `broker-killed-among-joins-loses-nothing.test.ts`.)
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { faultsOfAll } from '../support/fleet-account.ts'
import { parts } from '../support/parts.ts'

const PER_SECOND = 1_000
const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '8000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }
const WORK = { TEST_WORK_MS: '10', TEST_SLOW: '47:300' }
const OUTAGE_MS = 3_000
/** From a newcomer's HTTP to the middle of its join. Nobody answers for the join that was cut: the group waits until its session is over. */
const amidJoin = () => sleep(400)
/** Half a minute, and several on a machine that is busy with other things. */
const TIMEOUT_MS = 300_000

it('an outage among joins and leaves: nothing lost, nothing twice, each key in order', {
  timeout: TIMEOUT_MS,
}, async () => {
  const fleet = await Fleet.of({ parts: parts(), topics: [12], env: { ...SESSION, ...WORK } })
  const outage = async () => {
    const members = [...fleet.members]
    for (const member of members) member.kill('SIGUSR2')
    await sleep(OUTAGE_MS)
    for (const member of members) member.kill('SIGUSR2')
    await fleet.moves()
  }
  try {
    await Promise.all([fleet.join(), fleet.join()])
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    for (const event of [
      () => fleet.join(),
      () => outage(),
      () => fleet.leave(fleet.oldest),
      () => fleet.join(),
      () => fleet.join().then(amidJoin).then(outage),
      () => fleet.leave(fleet.oldest),
    ]) {
      await event()
      await fleet.settled()
    }
    expect(await faultsOfAll(fleet, load)).toEqual([])
  } finally {
    await fleet.end()
  }
})
