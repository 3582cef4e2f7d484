/** The inbox forgets what is older than its retention, in small batches, and nothing else. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { ADVISORY_LOCK } from '../../src/adapters/postgres/migrate.ts'
import type { Log } from '../../src/consumer/ports.ts'
import { freshDatabase } from '../support/parts.ts'
import { type PostgresBench, postgresBench } from '../support/postgres-bench.ts'

const HOUR_MS = 3_600_000

let database: Awaited<ReturnType<typeof freshDatabase>>
let bench: PostgresBench
let clock: MemoryClock
let lines: [level: string, fields: object, message: string][]
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())
beforeEach(async () => {
  clock = memoryClock()
  lines = []
  bench = await postgresBench(database.url, { clock, inboxRetentionMs: HOUR_MS, log: logTo(lines) })
})
afterEach(() => bench.close())

test('what is older than the retention is swept soon after the start, a thousand rows a statement', async () => {
  await handled(2_500, '61 minutes')
  await handled(5, '59 minutes')
  clock.advance(180_000)
  await vi.waitFor(async () => expect(await rows()).toBe(1_505), 5_000)
  for (const left of [505, 5]) {
    await pauseAsked()
    clock.advance(50)
    await vi.waitFor(async () => expect(await rows()).toBe(left), 5_000)
  }
  await vi.waitFor(() => expect(lines).toContainEqual(['info', { rows: 2_500 }, 'the inbox was swept']))
})

test('it is swept again about every hour', async () => {
  clock.advance(180_000)
  await pauseAsked()
  await handled(3, '2 hours')
  clock.advance(1.5 * HOUR_MS)
  await vi.waitFor(async () => expect(await rows()).toBe(0), 5_000)
})

test('while another replica sweeps, this one lets it', async () => {
  await handled(3, '2 hours')
  const other = await bench.direct.connect()
  await other.query('begin')
  await other.query('select pg_advisory_xact_lock($1, $2)', [ADVISORY_LOCK.ours, ADVISORY_LOCK.sweep])
  clock.advance(180_000)
  await pauseAsked()
  expect(await rows()).toBe(3)
  await other.query('rollback')
  other.release()
  clock.advance(1.5 * HOUR_MS)
  await vi.waitFor(async () => expect(await rows()).toBe(0), 5_000)
})

test('a sweep that fails is said, and tried again later', async () => {
  await handled(3, '2 hours')
  bench.down()
  clock.advance(180_000)
  await pauseAsked()
  expect(lines.map(([level]) => level)).toContain('warn')
  bench.up()
  clock.advance(1.5 * HOUR_MS)
  await vi.waitFor(async () => expect(await rows()).toBe(0), 5_000)
})

test('nothing is swept after the stop', async () => {
  await bench.unitOfWork.stop()
  expect(clock.nextAtMs()).toBeNull()
})

async function handled(count: number, ago: string): Promise<void> {
  const text = `insert into sluice.inbox select 'h', gen_random_uuid()::text, 't', 0, n, 0, now() - $2::interval from generate_series(1, $1) n`
  await bench.direct.query(text, [count, ago])
}

async function rows(): Promise<number> {
  const { rows } = await bench.direct.query<{ count: number }>('select count(*)::integer as count from sluice.inbox')
  return rows[0]?.count ?? -1
}

/** The sweep has asked for its next turn. */
async function pauseAsked(): Promise<void> {
  await vi.waitFor(() => expect(clock.nextAtMs()).not.toBeNull(), 5_000)
}

function logTo(into: typeof lines): Log {
  const at = (level: string) => (fields: object, message: string) => void into.push([level, fields, message])
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
