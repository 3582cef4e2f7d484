/** The broker of a group is killed between joins and leaves, and comes back: a broker of its own, since others may work with the one that is there. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brokerAnswers, startBroker } from '../dev/stack/broker.ts'
import type { Step } from '../dev/stack/errand.ts'
import { keep } from '../dev/stack/keep.ts'
import { missingForLocal } from '../dev/stack/local.ts'
import { kafkaJars } from '../dev/stack/maven.ts'
import type { Parts } from '../dev/stack/parts.ts'
import { Fleet } from '../test/support/fleet.ts'
import { nowMs, repeats } from '../test/support/fleet-journal.ts'
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

/** Answers a sentence where there is no Java to run a broker with. */
export async function killBroker(parts: Parts): Promise<BrokerKill | string> {
  const missing = await missingForLocal()
  if (missing !== undefined) return `${missing} for a broker that may be killed`
  const home = process.env['JAVA_HOME']
  const java = home ? join(home, 'bin', 'java') : 'java'
  const jars = await kafkaJars(line => console.error(line))
  const broker = await startBroker(java, jars)
  broker.kept.keepFolder()
  const { folder } = broker.kept
  const again: { stop: (() => Promise<void>) | null } = { stop: null }
  try {
    return await underLoad({ ...parts, brokers: [broker.address] }, async () => {
      broker.kept.signal('SIGKILL')
      await broker.kept.ended
      await sleep(AWAY_MS)
      const kept = await keep({ name: 'kafka-again', main: secondLife({ folder, java, jars }) })
      again.stop = kept.stop
      await until('the broker answers again', () => brokerAnswers([broker.address]).then(() => true), {
        timeoutMs: 60_000,
      })
    })
  } finally {
    await again.stop?.()
    await broker.kept.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** In the folder of the first, with its log and its ports. */
function secondLife({ folder, java, jars }: Record<'folder' | 'java' | 'jars', string>): Step {
  const jvm = ['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-XX:-UsePerfData', '-Djava.io.tmpdir=.']
  const broker = [java, ...jvm, '-cp', `${jars}/*`, 'kafka.Kafka', 'server.properties']
  return { command: '/bin/sh', args: ['-c', 'cd "$0" && exec "$@"', folder, ...broker] }
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
