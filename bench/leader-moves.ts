/**
 * `node bench/leader-moves.ts`: the leaders of six partitions move between two brokers under load, six times. Prints what it cost; exits 1 when
 * a record was lost or came twice, or the group joined for it. Needs Java, under a minute.
 */
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { missingForLocal } from '../dev/stack/local.ts'
import { kafkaSource } from '../src/adapters/kafka/source.ts'
import { decodeFetchAnswer } from '../src/adapters/kafka/wire/answer.ts'
import { Listening } from '../test/contracts/listening.ts'
import { KafkaWorld } from '../test/support/kafka-world.ts'
import { until } from '../test/support/parts.ts'
import { startTwoBrokers } from './two-brokers.ts'

const PARTITIONS = [0, 1, 2, 3, 4, 5]
const MOVES = 6
const BETWEEN_MS = 3_000
const EVERY_MS = 20
const TOPIC = 'moving'

/** How often the brokers answered which error, by its code. */
function countErrors(): Map<number, number> {
  const codes = new Map<number, number>()
  const require = createRequire(import.meta.url)
  const response = require('kafkajs/src/protocol/requests/fetch/v11/response') as { decode(raw: Buffer): unknown }
  const decode = response.decode.bind(response)
  response.decode = raw => {
    for (const { errorCode } of decodeFetchAnswer(raw).partitions)
      if (errorCode !== 0) codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1)
    return decode(raw)
  }
  return codes
}

/** One send a partition, as a producer must: answers how many were acknowledged. */
async function produce(world: KafkaWorld, signal: AbortSignal): Promise<number> {
  let sent = 0
  for (; !signal.aborted; sent++) {
    const record = { value: Buffer.from(String(sent)) }
    await until('an acknowledgement', () => world.append(TOPIC, sent % PARTITIONS.length, [record]).then(() => true))
    await sleep(EVERY_MS)
  }
  return sent
}

async function moveLeaders(world: KafkaWorld, listening: Listening): Promise<number> {
  const admin = await world.admin()
  let silenceMsMax = 0
  for (let move = 0; move < MOVES; move++) {
    const replicas = [1 + ((move + 1) % 2)]
    const partitionAssignment = PARTITIONS.map(partition => ({ partition, replicas }))
    await admin.alterPartitionReassignments({ topics: [{ topic: TOPIC, partitionAssignment }] })
    const endsAtMs = performance.now() + BETWEEN_MS
    let last = { count: listening.answers.length, atMs: performance.now() }
    while (performance.now() < endsAtMs) {
      await sleep(10)
      const count = listening.answers.length
      if (count === last.count) silenceMsMax = Math.max(silenceMsMax, performance.now() - last.atMs)
      else last = { count, atMs: performance.now() }
    }
  }
  return silenceMsMax
}

async function main(): Promise<void> {
  const missing = await missingForLocal()
  if (missing !== undefined) return console.log(`not run: it needs ${missing}`)
  const { brokers, stop } = await startTwoBrokers()
  const world = new KafkaWorld(brokers)
  try {
    await world.createTopic(TOPIC, PARTITIONS.length)
    const codes = countErrors()
    const source = kafkaSource(world.sourceOptions({ groupId: 'group', topics: [TOPIC] }))
    const listening = new Listening()
    await source.start(listening)
    await until('six partitions', () => listening.assignments.length === PARTITIONS.length)
    const stopping = new AbortController()
    const producing = produce(world, stopping.signal)
    const silenceMsMax = Math.round(await moveLeaders(world, listening))
    stopping.abort()
    const sent = await producing
    await until('everything', () => new Set(listening.values).size === sent)
    const committed = await source.commit(listening.everything())
    await source.stop()
    const outcome = {
      moves: MOVES,
      sent,
      lost: sent - new Set(listening.values).size,
      // What the producer sent again, after an acknowledgement that it missed, stands in the log twice.
      twice:
        listening.records.length -
        new Set(listening.records.map(({ place, record }) => `${place}@${record.offset}`)).size,
      joins: listening.joins.length - 1,
      errorCodes: Object.fromEntries(codes),
      silenceMsMax,
      held: listening.holds.length,
      violations: listening.violations,
      committed: committed.ok,
    }
    console.log(outcome)
    const isWell = outcome.lost + outcome.twice + outcome.joins + outcome.violations.length === 0 && committed.ok
    if (!isWell) process.exitCode = 1
  } finally {
    await world.close()
    await stop()
  }
}

await main()
