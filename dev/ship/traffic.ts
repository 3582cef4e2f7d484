/**
 * The sample traffic for services that run elsewhere (the profile `traffic` of docker-compose.yml): makes sure of topics and
 * schemas, sends, waits until the group has committed everything, and accounts for every event from the outside.
 *
 * Exit codes: 0 every event is accounted for, 1 not, 64 wrong arguments, 78 a variable is missing, 130 stopped.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { type Account, account, uncommitted } from '../account.ts'
import { onStopRequest } from '../asked-to-stop.ts'
import { counted } from '../progress.ts'
import { createTopics, kafkaAt, registerSchemas, type Sent, sendTraffic } from '../send.ts'
import type { Parts } from '../stack/parts.ts'
import { percentile } from '../summary.ts'
import { planTraffic, SAMPLE_SIZE, TOPICS, type TrafficSize } from '../traffic.ts'

const USAGE = 'usage: traffic [--seed NUMBER] [--times NUMBER]'
const EXIT = { accounted: 0, missing: 1, usage: 64, configuration: 78, stopped: 130 } as const
const LOOK_EVERY_MS = 500
/** An unknown schema takes the service 30 s by design; three times that without any progress is a stall. */
const STALLED_AFTER_MS = 90_000

interface Options {
  readonly seed: number
  /** How many times the sample's size is sent. */
  readonly times: number
}

function optionsFrom(args: string[]): Options | undefined {
  try {
    const { values } = parseArgs({ args, options: { seed: { type: 'string' }, times: { type: 'string' } } })
    const [seed, times] = [Number(values.seed ?? 1), Number(values.times ?? 1)]
    return Number.isSafeInteger(seed) && Number.isSafeInteger(times) && times > 0 ? { seed, times } : undefined
  } catch {
    return undefined
  }
}

/** The names of what is missing, where something is. */
function partsFrom(env: NodeJS.ProcessEnv): Parts | readonly string[] {
  const { KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '', DATABASE_URL = '' } = env
  const missing = Object.entries({ KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL }).filter(([, text]) => text === '')
  if (missing.length > 0) return missing.map(([name]) => name)
  return { brokers: KAFKA_BROKERS.split(','), registryUrl: SCHEMA_REGISTRY_URL, databaseUrl: DATABASE_URL }
}

function sized(times: number): TrafficSize {
  const { logins, users, logouts, orders, repeats } = SAMPLE_SIZE
  return {
    logins: logins * times,
    users: users * times,
    logouts: logouts * times,
    orders: orders * times,
    repeats: repeats * times,
  }
}

/** Resolves to whether the group has committed all that was sent; false when nothing has moved for too long. */
async function untilCommitted(behind: () => Promise<string[]>, isStopped: () => boolean): Promise<boolean> {
  let last = ''
  let count = 0
  let movedMs = performance.now()
  while (!isStopped()) {
    const left = await behind()
    if (left.length === 0) return true
    if (left.length !== count) console.log(`  waiting: ${left.length} partitions are not committed to their ends`)
    count = left.length
    const now = left.join()
    if (now !== last) movedMs = performance.now()
    last = now
    if (performance.now() - movedMs > STALLED_AFTER_MS) return false
    await sleep(LOOK_EVERY_MS)
  }
  return false
}

function printAccount(sent: Sent, found: Account): void {
  const { events, repeats, bad, records } = sent
  const letters = [...found.deadLetters.values()].reduce((sum, count) => sum + count, 0)
  const [p50, p99] = [0.5, 0.99].map(share => counted(Math.round(percentile(found.latenciesMs, share))))
  console.log(`  sent          ${counted(records)} records: ${counted(events.size)} events, ${repeats} repeats, ${bad.size} bad
  handled       ${counted(found.handled)} of ${counted(events.size)} events, as the tables in Postgres have it
  dead letters  ${letters} of ${bad.size}`)
  if (found.handled > 0) console.log(`  end to end    p50 ${p50} ms  p99 ${p99} ms`)
}

async function sendAndAccount(parts: Parts, { seed, times }: Options, isStopped: () => boolean): Promise<number> {
  const group = process.env['KAFKA_GROUP_ID'] || 'sluice'
  const kafka = kafkaAt(parts.brokers)
  const deadLetterTopics = TOPICS.map(topic => `${topic}.${group}.dlt`)
  const encode = await registerSchemas(parts.registryUrl)
  await createTopics(kafka, deadLetterTopics)
  const run = Date.now().toString(36)
  const plan = planTraffic({ seed, run, startMs: Date.now(), encode, size: sized(times) })
  console.log(`sample traffic for the group ${group}, seed ${seed}, run ${run}`)
  const sent = await sendTraffic(kafka, plan, {
    onPhase: name => console.log(`  sending ${name}`),
    onBatch: () => undefined,
    stopped: isStopped,
  })
  const isCommitted = await untilCommitted(() => uncommitted(kafka, group), isStopped)
  if (isStopped()) return EXIT.stopped
  if (!isCommitted)
    console.log(`nothing has moved for ${STALLED_AFTER_MS / 1_000} s: is the service up (docker compose ps)?`)
  const found = await account({ kafka, databaseUrl: parts.databaseUrl, group, deadLetterTopics, plan, sent })
  printAccount(sent, found)
  if (isCommitted && found.missing.length === 0) {
    console.log('every event is accounted for')
    return EXIT.accounted
  }
  console.log('not every event is accounted for:')
  for (const line of found.missing) console.log(`  - ${line}`)
  return EXIT.missing
}

async function main(): Promise<number> {
  const options = optionsFrom(process.argv.slice(2))
  if (options === undefined) {
    console.error(USAGE)
    return EXIT.usage
  }
  const parts = partsFrom(process.env)
  if (!('brokers' in parts)) {
    console.error(`missing in the environment: ${parts.join(', ')}; give what the services use`)
    return EXIT.configuration
  }
  let isStopped = false
  onStopRequest((_, times) => {
    isStopped = true
    if (times > 1) process.exit(EXIT.stopped)
  })
  try {
    return await sendAndAccount(parts, options, () => isStopped)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    return EXIT.missing
  }
}

process.exit(await main())
