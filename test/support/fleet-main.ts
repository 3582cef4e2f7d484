/**
 * One member of a fleet: a service whose handler notes every start and end in a journal. The environment says the rest:
 * TEST_TOPICS, TEST_JOURNAL, TEST_WORK_MS, TEST_SLOW (`every:ms`: one record in so many takes so long), TEST_ONCE (effects in
 * Postgres, as the sample handler has them), TEST_HANG_KEY (whose records never end). SIGUSR2 cuts the network to the brokers
 * and opens it again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ConsumedRecord, Handler } from '../../src/consumer/handler.ts'
import { userActivity } from '../../src/handlers/user-activity.ts'
import { runService } from '../../src/service.ts'
import { type Cut, cutNetwork, watchSockets } from './cut-network.ts'
import { journalTo } from './fleet-journal.ts'

const PARENT_LOOK_EVERY_MS = 1_000
/** The default `DRAIN_TIMEOUT_MS`: no handler may take longer. */
const TIMEOUT_MS = 20_000

const { env } = process
const workMs = Number(env['TEST_WORK_MS'] ?? 0)
const [slowEvery = 0, slowMs = 0] = (env['TEST_SLOW'] ?? '').split(':').map(Number)
const hangKey = env['TEST_HANG_KEY']
const journal = journalTo(env['TEST_JOURNAL'] ?? '')

async function work({ offset }: ConsumedRecord<unknown>, key: string): Promise<void> {
  if (key === hangKey) await new Promise(() => {})
  const ms = slowEvery > 0 && offset % slowEvery === 0 ? slowMs : workMs
  if (ms > 0) await delay(ms)
}

function journaled(handler: Handler): Handler {
  const isOnce = env['TEST_ONCE'] === 'true'
  return {
    ...handler,
    topics: (env['TEST_TOPICS'] ?? '').split(','),
    idempotencyKey: isOnce ? handler.idempotencyKey : null,
    timeoutMs: TIMEOUT_MS,
    handle: async (record, context) => {
      const key = Buffer.from(record.key ?? []).toString()
      const noted = { topic: record.topic, partition: record.partition, offset: record.offset, key }
      journal('start', noted)
      await work(record, key)
      if (isOnce) await handler.handle(record, context)
      journal('end', noted)
    },
  }
}

/** Whoever started us is gone, without a word: nobody would stop us. */
function endWithParent(): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
  }, PARENT_LOOK_EVERY_MS).unref()
}

function cutOnSignal(): void {
  watchSockets()
  let cut: Cut | null = null
  process.on('SIGUSR2', () => {
    cut?.restore()
    cut = cut === null ? cutNetwork((env['KAFKA_BROKERS'] ?? '').split(',')) : null
  })
}

endWithParent()
cutOnSignal()
await runService({
  handlers: [journaled(userActivity({ loginMs: 0, logoutMs: 0 }))],
  migrations: new URL('../../migrations/samples/', import.meta.url),
})
