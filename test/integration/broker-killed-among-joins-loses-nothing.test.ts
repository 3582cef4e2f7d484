/**
 * The broker is killed in the middle of a join, and again in the middle of a leave, while records come in over twelve
 * partitions. It loses what it had only in memory: a rebalance that was under way, answers that it had not sent yet. When it is
 * there again on the same log, the group goes on: nothing is lost, nothing is delivered twice, each key keeps its order.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { Fleet } from '../support/fleet.ts'
import { faultsOfAll } from '../support/fleet-account.ts'
import { startOwnBroker } from '../support/own-broker.ts'
import { parts } from '../support/parts.ts'

const PER_SECOND = 500
/** Over before the broker is back. Whom it missed in a leave, it waits for so long. */
const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }
const WORK = { TEST_WORK_MS: '10', TEST_SLOW: '47:300' }
/** So long the controller takes a killed broker for one that is still there, and lets no other take its place. A guess: the pauses of a busy machine are shorter. */
const BROKER_SESSION = { 'broker.session.timeout.ms': '5000' }
/** From a newcomer's HTTP, or the stop signal, to the middle of its join, or its hand-over. */
const AMID_MS = 400
/** Most of a minute, and several on a machine that is busy with other things. */
const TIMEOUT_MS = 300_000

it('a broker that is killed amid a join and amid a leave: nothing lost, nothing twice, each key in order', {
  timeout: TIMEOUT_MS,
}, async () => {
  const broker = await startOwnBroker({ listeners: {}, properties: BROKER_SESSION })
  onTestFinished(() => broker.stop())
  const fleet = await Fleet.of({
    parts: { ...parts(), brokers: [broker.adminAddress] },
    topics: [12],
    env: { ...SESSION, ...WORK },
  })
  const killed = async () => {
    await sleep(AMID_MS)
    await broker.kill()
    await broker.startAgain()
    await fleet.moves()
  }
  try {
    await Promise.all([fleet.join(), fleet.join()])
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    for (const event of [
      () => fleet.join().then(killed),
      () => fleet.join(),
      () => Promise.all([fleet.leave(fleet.oldest), killed()]),
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
