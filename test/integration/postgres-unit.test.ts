/** What only a real Postgres can show of the unit of work: locks, killed sessions, isolation, errors as the server words them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PostgresOptions } from '../../src/adapters/postgres/unit-of-work.ts'
import { ClaimBusy, ClaimLost, TransactionControl, UnitClosed } from '../../src/consumer/errors.ts'
import type { Claim, Unit, UnitOfWork } from '../../src/consumer/ports.ts'
import { until } from '../contracts/unit-of-work.ts'
import { freshDatabase } from '../support/parts.ts'
import { type PostgresBench, postgresBench } from '../support/postgres-bench.ts'

const OUTAGE = { kind: 'outage', dependency: 'database' }
const PASSING = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const RECORD = { kind: 'record', reason: 'invalid-data' }
const AMPLE_MS = 30_000

let database: Awaited<ReturnType<typeof freshDatabase>>
let bench: PostgresBench
let work: UnitOfWork
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())
beforeEach(() => open())
afterEach(() => bench.close())

async function reopen(options: Partial<PostgresOptions> = {}): Promise<void> {
  await bench.close()
  await open(options)
}

async function open(options: Partial<PostgresOptions> = {}): Promise<void> {
  bench = await postgresBench(database.url, options)
  work = bench.unitOfWork
}

function begin(idempotencyKey = 'k', timeoutMs = AMPLE_MS): Unit {
  const claim: Claim = { handler: 'h', idempotencyKey, topic: 't', partition: 0, offset: 1, value: null }
  return work.begin(claim, timeoutMs)
}

async function failureOf(attempt: Promise<unknown>) {
  const thrown: unknown = await attempt.then(
    () => 'it went well',
    (error: unknown) => error,
  )
  return work.classify(thrown) ?? thrown
}

async function pidOf({ tx }: Unit): Promise<number> {
  const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

describe('sessions that end', () => {
  test('a session killed in the middle of a transaction is an outage, and nothing of it is kept', async () => {
    const unit = begin()
    await bench.effect(unit.tx, 'a')
    await bench.direct.query('select pg_terminate_backend($1)', [await pidOf(unit)])
    expect(await failureOf(bench.effect(unit.tx, 'b'))).toEqual(OUTAGE)
    expect(await failureOf(unit.finish())).toEqual(OUTAGE)
    const again = begin()
    await bench.effect(again.tx, 'c')
    expect(await again.finish()).toBeNull()
    expect(await bench.effects()).toEqual(['c'])
  })

  test('a session killed while idle in the pool costs nobody an attempt', async () => {
    const unit = begin('a')
    const pid = await pidOf(unit)
    await unit.finish()
    // The server's goodbye is under way when the next unit takes the connection.
    bench.proxy.freeze()
    await bench.direct.query('select pg_terminate_backend($1)', [pid])
    await gone(pid)
    const next = begin('b')
    const done = next.finish()
    await until(() => next.phase === 'connecting')
    bench.proxy.accept()
    expect(await done).toBeNull()
  })

  test.each([
    ['finishes', (unit: Unit) => unit.finish()],
    ['is abandoned', (unit: Unit) => unit.abandon()],
    ['fails and is abandoned', (unit: Unit) => bench.fail(unit.tx).catch(() => unit.abandon())],
    ['has swallowed a failure', (unit: Unit) => bench.fail(unit.tx).catch(() => unit.finish().catch(() => undefined))],
  ])('a unit that %s gives its connection back', async (_, end) => {
    await reopen({ poolMax: 1 })
    const unit = begin('a')
    const pid = await pidOf(unit)
    await end(unit)
    const next = begin('b')
    expect(await pidOf(next)).toBe(pid)
    await next.abandon()
  })

  test('a unit that was destroyed does not, even when nothing ran', async () => {
    await reopen({ poolMax: 1 })
    const unit = begin('a')
    const pid = await pidOf(unit)
    unit.destroy()
    await gone(pid)
    expect(await begin('b').finish()).toBeNull()
  })

  test('a destroyed connection lets go of its claim while its statement still runs', async () => {
    const unit = begin()
    const pid = await pidOf(unit)
    const hanging = bench.hang(unit.tx).catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await queryOf(pid)).toContain('pg_sleep'), 5_000)
    unit.destroy()
    expect(await hanging).toBeInstanceOf(UnitClosed)
    expect(await begin().finish()).toBeNull()
    expect(await queryOf(pid)).toBeNull()
  })

  test('a frozen server is noticed soon after the time that a statement has', async () => {
    const unit = begin('k', 200)
    await bench.effect(unit.tx, 'a')
    bench.proxy.freeze()
    expect(await failureOf(bench.effect(unit.tx, 'b'))).toEqual(OUTAGE)
    await unit.abandon()
    expect(await failureOf(begin().finish())).toEqual(OUTAGE)
    bench.proxy.accept()
    expect(await begin().finish()).toBeNull()
  })

  test('a frozen server is not asked a second time over another connection of the pool', async () => {
    const units = [begin('a', 200), begin('b', 200)]
    await Promise.all(units.map(pidOf))
    for (const unit of units) await unit.finish()
    bench.proxy.freeze()
    const beganAtMs = performance.now()
    expect(await failureOf(begin('c', 200).finish())).toEqual(OUTAGE)
    // One answer that did not come takes 1.2 s and a rollback's second at most; two would take twice as long.
    expect(performance.now() - beganAtMs).toBeLessThan(2_300)
    bench.proxy.accept()
    expect(await begin('c').finish()).toBeNull()
  })

  test('stopping does not wait for a frozen server', async () => {
    const unit = begin()
    await bench.effect(unit.tx, 'a')
    bench.proxy.freeze()
    await work.stop()
    expect(await failureOf(unit.finish())).toBeInstanceOf(Error)
  })

  test('a pool that is too small is waited for, and then it is no outage', async () => {
    await reopen({ poolMax: 1 })
    const [first, second] = [begin('a'), begin('b')]
    await bench.effect(first.tx, 'a')
    const waiting = second.finish().catch((error: unknown) => error)
    await until(() => second.phase === 'connecting')
    const busy = await waiting
    expect(busy).toBeInstanceOf(ClaimBusy)
    expect(work.classify(busy)).toEqual({ kind: 'waiting' })
    expect(await failureOf(work.known([]))).toBe('it went well')
    expect(await first.finish()).toBeNull()
    expect(await begin('b').finish()).toBeNull()
  })

  test('however units end, their connections come back', async () => {
    await reopen({ poolMax: 2 })
    const ends: ((unit: Unit) => unknown)[] = [
      unit => unit.finish(),
      unit => unit.abandon(),
      unit => unit.destroy(),
      unit => bench.fail(unit.tx).catch(() => unit.abandon()),
      unit => bench.fail(unit.tx).catch(() => unit.finish().catch(() => undefined)),
      unit => Promise.all([bench.fail(unit.tx), bench.effect(unit.tx, 'x')]).catch(() => unit.abandon()),
    ]
    await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const unit = begin(`k${n % 20}`)
        if (n % 2 === 0) await bench.effect(unit.tx, 'x').catch(() => undefined)
        await ends[n % ends.length]?.(unit)
      }),
    )
    const [first, second] = [begin('a'), begin('b')]
    await Promise.all([bench.effect(first.tx, 'a'), bench.effect(second.tx, 'b')])
    expect(await first.finish()).toBeNull()
    expect(await second.finish()).toBeNull()
  })
})

describe('statements', () => {
  test('pass values and answer rows as pg does', async () => {
    const { tx, ...unit } = unpacked(begin())
    const big = 9_007_199_254_740_993n
    const text = `select $1::bigint as big, $2::text[] as names, $3::timestamptz as at, $4::jsonb as json`
    const at = new Date('2026-01-05T09:00:00.123Z')
    const { rows, rowCount } = await tx.query({ text, values: [big, ['a', '"b"'], at, { x: 1 }] })
    expect(rows).toEqual([{ big: String(big), names: ['a', '"b"'], at, json: { x: 1 } }])
    expect(rowCount).toBe(1)
    await bench.effect(tx, 'a')
    expect((await tx.query('delete from effects where name = $1', ['a'])).rowCount).toBe(1)
    await unit.abandon()
  })

  test.each([
    'BEGIN',
    'commit',
    ' Rollback;',
    '-- why not\nEND',
    '/* so */ abort',
    'START  TRANSACTION',
    "PREPARE TRANSACTION 'x'",
  ])('that control the transaction are refused: %s', async text => {
    const unit = begin()
    await bench.effect(unit.tx, 'a')
    await expect(unit.tx.query(text)).rejects.toBeInstanceOf(TransactionControl)
    expect(await failureOf(unit.tx.query(text))).toEqual({ kind: 'ours' })
    expect(await unit.finish()).toBeNull()
    expect(await bench.effects()).toEqual(['a'])
  })

  test('that end the transaction within a longer text are noticed, and nothing follows them', async () => {
    const unit = begin()
    await bench.effect(unit.tx, 'a')
    const escaped = unit.tx.query('select 1; rollback')
    const after = bench.effect(unit.tx, 'b')
    expect(await failureOf(escaped)).toEqual({ kind: 'ours' })
    await expect(after).rejects.toBeInstanceOf(Error)
    expect(await failureOf(unit.finish())).toEqual({ kind: 'ours' })
    expect(await begin().finish()).toBeNull()
  })

  test('may use savepoints', async () => {
    const unit = begin()
    await unit.tx.query('SAVEPOINT careful')
    await expect(bench.fail(unit.tx)).rejects.toBeInstanceOf(Error)
    await unit.tx.query('ROLLBACK TO careful')
    await bench.effect(unit.tx, 'a')
    expect(await unit.finish()).toBeNull()
    expect(await bench.effects()).toEqual(['a'])
  })

  test('and the time between them are bounded by the server too', async () => {
    const unit = begin('k', 1_500)
    const { rows } = await unit.tx.query(`select name, setting::integer as ms from pg_settings
      where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'client_connection_check_interval')
      order by name`)
    expect(rows).toEqual([
      { name: 'client_connection_check_interval', ms: 1_000 },
      { name: 'idle_in_transaction_session_timeout', ms: 1_500 },
      { name: 'lock_timeout', ms: 1_200 },
      { name: 'statement_timeout', ms: 1_500 },
    ])
    expect(await failureOf(bench.hang(unit.tx))).toEqual({ ...PASSING, timedOut: true })
    await unit.abandon()
  })
})

describe('errors as the server words them', () => {
  beforeEach(async () => {
    await bench.direct.query(`drop table if exists strict; create table strict (
      id integer primary key, name varchar(3) check (name <> 'bad'), other integer references strict deferrable initially deferred)`)
  })

  test.each([
    ['a text where a number belongs', `select $1::integer`, ['s3cret'], RECORD],
    ['a number too large', `insert into strict (id) values ($1)`, ['99999999999'], RECORD],
    ['a text too long', `insert into strict (id, name) values (1, $1)`, ['s3cret'], RECORD],
    ['a NUL in a text', `select $1::text`, ['s3cret\0'], RECORD],
    ['an impossible date', `select $1::timestamptz`, ['s3cret-13-45'], RECORD],
    ['a check', `insert into strict (id, name) values (1, $1)`, ['bad'], { ...PASSING, reason: 'invalid-data' }],
    ['a missing table', `select 's3cret' from missing`, [], { kind: 'ours' }],
    ['a missing column', `select missing from strict where name = $1`, ['s3cret'], { kind: 'ours' }],
    ['a syntax error', `selec 's3cret'`, [], { kind: 'ours' }],
    ['a lock that is not free', `select * from strict for update nowait`, [], { kind: 'waiting' }],
    ['a deadlock', `do $$ begin raise exception 's3cret' using errcode = '40P01'; end $$`, [], PASSING],
    ['a full disk', `do $$ begin raise exception 's3cret' using errcode = '53100'; end $$`, [], OUTAGE],
  ])('%s', async (name, text, values, failure) => {
    await bench.direct.query(`insert into strict (id) values (7)`)
    const other = await bench.direct.connect()
    await other.query('begin; select * from strict for update')
    const unit = begin()
    const error: unknown = await unit.tx.query(text, values).catch((thrown: unknown) => thrown)
    await unit.abandon()
    await other.query('rollback')
    other.release()
    expect({ name, failure: work.classify(error) }).toEqual({ name, failure })
    expect(work.explain(error)).toMatch(/^SQLSTATE [0-9A-Z]{5} \(/)
    expect(work.explain(error)).not.toContain('s3cret')
    expect(await begin().finish()).toBeNull()
  })

  test('a constraint that is only looked at when it commits', async () => {
    const unit = begin()
    await unit.tx.query('insert into strict (id, other) values (1, 99)')
    expect(await failureOf(unit.finish())).toEqual({ ...PASSING, reason: 'invalid-data' })
    expect(await begin().finish()).toBeNull()
  })

  test('an idempotency key that Postgres cannot store is the record’s own fault', async () => {
    expect(await failureOf(begin('k\0').finish())).toEqual(RECORD)
  })

  test('a missing inbox is ours', async () => {
    await bench.direct.query('alter table sluice.inbox rename to elsewhere')
    try {
      expect(await failureOf(begin().finish())).toEqual({ kind: 'ours' })
      expect(
        await failureOf(
          work.known([{ handler: 'h', idempotencyKey: 'k', topic: 't', partition: 0, offset: 0, value: null }]),
        ),
      ).toEqual({
        kind: 'ours',
      })
    } finally {
      await bench.direct.query('alter table sluice.elsewhere rename to inbox')
    }
  })

  test('two transactions that lock each other: one fails, and both are done in the end', async () => {
    await bench.direct.query('insert into strict (id) values (1), (2)')
    const [first, second] = [begin('a'), begin('b')]
    await Promise.all([lock(first, 1), lock(second, 2)])
    const ends = await Promise.all([first, second].map((unit, n) => failureOf(lock(unit, 2 - n))))
    expect(ends).toContainEqual(PASSING)
    expect(ends).toContain('it went well')
    await Promise.all([first, second].map((unit, n) => (ends[n] === 'it went well' ? unit.finish() : unit.abandon())))
    const again = begin(ends[0] === 'it went well' ? 'b' : 'a')
    await lock(again, 1)
    expect(await again.finish()).toBeNull()
  })

  test('a table that somebody else keeps locked is waited for: no attempt is spent', async () => {
    const other = await bench.direct.connect()
    try {
      await other.query('begin; lock table effects in exclusive mode')
      const unit = begin('k', 200)
      expect(await failureOf(bench.effect(unit.tx, 'a'))).toEqual({ kind: 'waiting' })
      await unit.abandon()
    } finally {
      await other.query('rollback')
      other.release()
    }
    const again = begin()
    await bench.effect(again.tx, 'a')
    expect(await again.finish()).toBeNull()
  })
})

describe('databases with settings of their own', () => {
  afterEach(() => bench.direct.query(`alter database ${databaseName()} reset all`))

  test('a serialization failure at COMMIT may pass', async () => {
    await bench.direct.query(`alter database ${databaseName()} set default_transaction_isolation = 'serializable'`)
    await reopen()
    const [first, second] = [begin('a'), begin('b')]
    for (const unit of [first, second]) await unit.tx.query('select count(*) from effects')
    await bench.effect(first.tx, 'a')
    await bench.effect(second.tx, 'b')
    expect(await first.finish()).toBeNull()
    expect(await failureOf(second.finish())).toEqual(PASSING)
    expect(await begin('b').finish()).toBeNull()
  })

  test('a claim lost under strict isolation is waiting, not a failed attempt; then it is a duplicate', async () => {
    await bench.direct.query(`alter database ${databaseName()} set default_transaction_isolation = 'repeatable read'`)
    await reopen()
    const [first, second] = [begin(), begin()]
    await bench.effect(first.tx, 'a')
    const waiting = failureOf(bench.effect(second.tx, 'b'))
    await until(() => second.phase === 'claiming')
    // Its snapshot must be older than the first's commit.
    await vi.waitFor(async () => expect(await waitingForLocks()).toBe(1), 5_000)
    expect(await first.finish()).toBeNull()
    expect(await waiting).toEqual({ kind: 'waiting' })
    await expect(bench.effect(begin().tx, 'c')).rejects.toBeInstanceOf(ClaimLost)
  })

  test('a standby is an outage', async () => {
    await bench.direct.query(`alter database ${databaseName()} set default_transaction_read_only = on`)
    const other = bench.another()
    await other.start()
    const unit = other.begin(
      { handler: 'h', idempotencyKey: 'k', topic: 't', partition: 0, offset: 0, value: null },
      AMPLE_MS,
    )
    expect(await failureOf(unit.finish())).toEqual(OUTAGE)
  })
})

function lock(unit: Unit, id: number): Promise<unknown> {
  return unit.tx.query('update strict set name = $2 where id = $1', [id, 'x'])
}

function databaseName(): string {
  return new URL(database.url).pathname.slice(1)
}

function unpacked(unit: Unit) {
  return { tx: unit.tx, abandon: () => unit.abandon() }
}

async function queryOf(pid: number): Promise<string | null> {
  const { rows } = await bench.direct.query<{ query: string }>('select query from pg_stat_activity where pid = $1', [
    pid,
  ])
  return rows[0]?.query ?? null
}

async function waitingForLocks(): Promise<number> {
  const text = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  return (await bench.direct.query(text)).rows.length
}

async function gone(pid: number): Promise<void> {
  await vi.waitFor(async () => expect(await queryOf(pid)).toBeNull(), 5_000)
}
