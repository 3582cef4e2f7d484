/** The broker of a group is killed between joins and leaves, and comes back: a broker of its own, since others may work with the one that is there. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Parts } from '../dev/stack/parts.ts'
import { Fleet } from '../test/support/fleet.ts'
import { nowMs, repeats } from '../test/support/fleet-journal.ts'
import { missingForOwnBroker, startOwnBroker } from '../test/support/own-broker.ts'
import { until } from '../test/support/parts.ts'

export interface BrokerKill {
  /** From the kill until it answered again. */
  readonly downMs: number
  /** From then until every partition had a record started. */
  readonly againAfterMs: number
  readonly redelivered: number
  readonly sent: number
  readonly handled: number
}

const PARTITIONS = 12
const MEMBERS = 3
const PER_SECOND = 500
/** Beside this, a new broker of the same id waits until the controller has given up the old one: nine seconds. */
const AWAY_MS = 1_000
const BEFORE_MS = 3_000
const AFTER_MS = 3_000

/** Answers a sentence where a broker of its own can not be had. */
export async function killBroker(parts: Parts): Promise<BrokerKill | string> {
  const missing = await missingForOwnBroker()
  if (missing !== undefined) return `${missing} for a broker that may be killed`
  const broker = await startOwnBroker({ listeners: {} })
  try {
    return await underLoad({ ...parts, brokers: [broker.adminAddress] }, async () => {
      await broker.kill()
      await sleep(AWAY_MS)
      await broker.startAgain()
    })
  } finally {
    await broker.stop()
  }
}

async function joinAndLeave(fleet: Fleet): Promise<void> {
  await fleet.join()
  await fleet.settled()
  await fleet.leave(fleet.oldest)
  await fleet.settled()
}

async function underLoad(parts: Parts, outage: () => Promise<void>): Promise<BrokerKill> {
  const fleet = await Fleet.of({ parts, topics: [PARTITIONS], env: { TEST_WORK_MS: '10' } })
  try {
    await Promise.all(Array.from({ length: MEMBERS }, () => fleet.join()))
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    await joinAndLeave(fleet)
    await sleep(BEFORE_MS)
    const killedMs = nowMs()
    await outage()
    const backMs = nowMs()
    await fleet.moves()
    const againMs = nowMs()
    await joinAndLeave(fleet)
    await sleep(AFTER_MS)
    const sent = await load.stop()
    await until('everything is handled', () => fleet.journals.handled() >= sent, { timeoutMs: 20_000 }).catch(() => {})
    return {
      downMs: backMs - killedMs,
      againAfterMs: againMs - backMs,
      redelivered: repeats(fleet.journals.deliveries).length,
      sent,
      handled: fleet.journals.handled(),
    }
  } finally {
    await fleet.end()
  }
}
