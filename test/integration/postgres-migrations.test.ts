/** How the tables get there: once, in order, by one process at a time, or not at all and said so. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ADVISORY_LOCK, readMigrations } from '../../src/adapters/postgres/migrate.ts'
import { type PostgresOptions, postgresUnitOfWork } from '../../src/adapters/postgres/unit-of-work.ts'
import { Misconfigured, Unavailable } from '../../src/consumer/errors.ts'
import type { UnitOfWork } from '../../src/consumer/ports.ts'
import { freshDatabase, until } from '../support/parts.ts'
import { accessBy, directPool, optionsFor } from '../support/postgres-bench.ts'

const ONE = { name: 'test/001-one', sql: 'create table one (id integer primary key)' }
const TWO = {
  name: 'test/002-two',
  sql: 'create table two (id integer references one); create index two_id on two (id)',
}

let database: Awaited<ReturnType<typeof freshDatabase>>
let direct: Pool
const works: UnitOfWork[] = []
beforeEach(async () => {
  database = await freshDatabase()
  direct = directPool(database.url)
})
afterEach(async () => {
  await Promise.all(works.splice(0).map(work => work.stop()))
  await direct.end()
  await database.drop()
})

function workWith(options: Partial<PostgresOptions> = {}): UnitOfWork {
  const work = postgresUnitOfWork({ ...optionsFor(database.url), ...options })
  works.push(work)
  return work
}

function urlWith(change: (url: URL) => void): string {
  const url = new URL(database.url)
  change(url)
  return url.href
}

async function history(): Promise<readonly string[]> {
  const { rows } = await direct.query<{ name: string }>('select name from sluice.migrations order by applied_at, name')
  return rows.map(({ name }) => name)
}

describe('migrations', () => {
  test('are applied in order, once, however many start at the same time', async () => {
    await Promise.all(Array.from({ length: 4 }, () => workWith({ migrations: [ONE, TWO] }).start()))
    expect(await history()).toEqual(['sluice/001-inbox', ONE.name, TWO.name])
  })

  test('that come later are applied later', async () => {
    await workWith({ migrations: [ONE] }).start()
    await workWith({ migrations: [ONE, TWO] }).start()
    // An older version beside it, as in a rolling deployment, minds nothing.
    await workWith({ migrations: [ONE] }).start()
    expect(await history()).toEqual(['sluice/001-inbox', ONE.name, TWO.name])
  })

  test('wait for the neighbour that is at it', async () => {
    const neighbour = await direct.connect()
    await neighbour.query('select pg_advisory_lock($1, $2)', [ADVISORY_LOCK.ours, ADVISORY_LOCK.migrations])
    const started = workWith({ migrations: [ONE] }).start()
    await vi.waitFor(async () => expect(await waiting()).toBe(1), 5_000)
    await neighbour.query('select pg_advisory_unlock_all()')
    neighbour.release()
    await started
    expect(await history()).toEqual(['sluice/001-inbox', ONE.name])
  })

  test('may not change once they were applied', async () => {
    await workWith({ migrations: [ONE] }).start()
    const changed = { ...ONE, sql: `${ONE.sql} -- a little` }
    await expect(workWith({ migrations: [changed] }).start()).rejects.toThrow(/test\/001-one was changed/)
    await workWith({ migrations: [{ ...TWO, name: ONE.name, sql: ONE.sql }] }).start()
  })

  test('that fail leave nothing of themselves, and are named', async () => {
    const broken = { name: 'test/002-broken', sql: 'create table three (id integer); create table four (id missing)' }
    const failed = workWith({ migrations: [ONE, broken] }).start()
    await expect(failed).rejects.toBeInstanceOf(Misconfigured)
    await expect(failed).rejects.toThrow(/test\/002-broken failed: SQLSTATE 42704/)
    expect(await history()).toEqual(['sluice/001-inbox', ONE.name])
    expect(await tables()).not.toContain('three')
  })

  test('that cannot be recorded are not applied either', async () => {
    const selfish = { name: 'test/002-selfish', sql: 'create table three (id integer); drop table sluice.migrations' }
    await expect(workWith({ migrations: [ONE, selfish] }).start()).rejects.toBeInstanceOf(Misconfigured)
    expect(await history()).toEqual(['sluice/001-inbox', ONE.name])
    expect(await tables()).not.toContain('three')
  })

  test('need no right to write when there is nothing to do', async () => {
    await workWith({ migrations: [ONE] }).start()
    await direct.query(
      `alter database ${new URL(database.url).pathname.slice(1)} set default_transaction_read_only = on`,
    )
    await expect(workWith({ migrations: [ONE] }).start()).resolves.toBeUndefined()
    await expect(workWith({ migrations: [ONE, TWO] }).start()).rejects.toBeInstanceOf(Unavailable)
  })

  test('are read from a folder in the order of their names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
    try {
      await writeFile(join(folder, '002-b.sql'), 'b')
      await writeFile(join(folder, '001-a.sql'), 'a')
      await writeFile(join(folder, 'README.md'), 'no migration')
      const read = await readMigrations(pathToFileURL(`${folder}/`))
      expect(read.map(({ name, sql }) => [name.split('/').at(-1), sql])).toEqual([
        ['001-a', 'a'],
        ['002-b', 'b'],
      ])
    } finally {
      await rm(folder, { recursive: true })
    }
    await expect(workWith({ migrations: pathToFileURL(`${folder}/`) }).start()).rejects.toBeInstanceOf(Misconfigured)
  })

  test('of the samples make the tables that they promise', async () => {
    await workWith({ migrations: new URL('../../migrations/samples/', import.meta.url) }).start()
    expect(await tables()).toEqual(['order_history', 'orders', 'user_profile'])
    expect(await history()).toEqual(['sluice/001-inbox', 'samples/001-user-profile', 'samples/002-orders'])
  })
})

describe('without migrating', () => {
  test('missing tables are said at the start', async () => {
    const started = workWith({ migrate: false }).start()
    await expect(started).rejects.toBeInstanceOf(Misconfigured)
    await expect(started).rejects.toThrow(/sluice\.inbox .*SQLSTATE 42P01.*MIGRATE=true/)
  })

  test('it starts on what others have migrated', async () => {
    await workWith({ migrations: [ONE] }).start()
    await workWith({ migrations: [ONE], migrate: false }).start()
    await expect(workWith({ migrations: [ONE, TWO], migrate: false }).start()).rejects.toThrow(
      /not applied.*test\/002-two/,
    )
  })

  test('tables that were made by hand are believed', async () => {
    await workWith({ migrations: [] }).start()
    await direct.query('drop table sluice.migrations')
    await expect(workWith({ migrations: [ONE], migrate: false }).start()).resolves.toBeUndefined()
  })
})

describe('a start that cannot succeed says why', () => {
  test.each([
    ['a wrong password', (url: URL) => (url.password = 'wr0ng'), Misconfigured],
    ['a role that does not exist', (url: URL) => (url.username = 'nobody_of_that_name'), Misconfigured],
    ['a database that does not exist', (url: URL) => (url.pathname = '/nowhere'), Misconfigured],
    ['a port where nobody listens', (url: URL) => (url.port = '1'), Unavailable],
    ['a name that does not resolve', (url: URL) => (url.hostname = 'nowhere.invalid'), Unavailable],
  ])('%s', async (_, change, kind) => {
    const url = urlWith(change)
    const error: unknown = await workWith({ access: accessBy(url) })
      .start()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(String(error)).not.toContain(new URL(url).password)
  })

  test.each(['s3cret', 'post gres:s3cret', 'postgres://user:s3cret@host:123456/db'])(
    'what is no URL: %s',
    async url => {
      const error: unknown = await workWith({ access: accessBy(url) })
        .start()
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(Misconfigured)
      expect(String(error)).not.toContain('s3cret')
    },
  )

  test('and may be asked again when it can', async () => {
    const name = new URL(database.url).pathname.slice(1)
    const work = workWith({ access: accessBy(urlWith(url => (url.pathname = `/${name}_later`))) })
    await expect(work.start()).rejects.toBeInstanceOf(Misconfigured)
    await direct.query(`create database ${name}_later`)
    try {
      await until('it is asked again, a moment after it refused', async () => {
        await work.start()
        return true
      })
    } finally {
      await work.stop()
      await direct.query(`drop database ${name}_later with (force)`)
    }
  })
})

async function tables(): Promise<readonly string[]> {
  const text = `select table_name as name from information_schema.tables where table_schema = 'public' order by name`
  return (await direct.query<{ name: string }>(text)).rows.map(({ name }) => name)
}

async function waiting(): Promise<number> {
  const text = `select 1 from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())`
  return (await direct.query(text)).rows.length
}
