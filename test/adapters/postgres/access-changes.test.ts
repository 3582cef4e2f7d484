/** What DATABASE_URL says may change under a running pool: it may become wrong, and it may name another place. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/adapters/clock/clock.ts'
import type { PostgresAccess } from '../../../src/adapters/postgres/access.ts'
import { ConnectionPool } from '../../../src/adapters/postgres/pool.ts'
import { Misconfigured } from '../../../src/consumer/errors.ts'
import { type BarePostgres, barePostgres } from '../../support/bare-postgres.ts'
import { SILENT } from '../../support/silent.ts'

let old: BarePostgres
let fresh: BarePostgres
let now: PostgresAccess
const pools: ConnectionPool[] = []

const accessBy = (url: string): PostgresAccess => ({ url, ca: null, cert: null, key: null })

beforeEach(async () => {
  old = await barePostgres()
  fresh = await barePostgres()
  now = accessBy(old.url)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all(pools.splice(0).map(pool => pool.stop()))
  await Promise.all([old.stop(), fresh.stop()])
})

function poolOf(poolMax: number): ConnectionPool {
  const pool = new ConnectionPool({
    access: () => now,
    poolMax,
    applicationName: 'test',
    log: SILENT,
    clock: systemClock(),
  })
  pools.push(pool)
  return pool
}

/** Without the pool's own words. */
const asked = (at: BarePostgres) => at.statements.filter(text => text.startsWith('select')).toSorted()

const refusalOf = (query: Promise<unknown>): Promise<unknown> => query.catch((error: unknown) => error)

describe('a URL that no client can be made of', () => {
  const cases: readonly (readonly [query: string, says: string])[] = [
    ['?sslrootcert=/nowhere/pem', 'DATABASE_URL names a file that cannot be read (sslrootcert): ENOENT'],
    ['?sslcert=/nowhere/pem', 'DATABASE_URL names a file that cannot be read (sslcert): ENOENT'],
    ['?sslkey=/', 'DATABASE_URL names a file that cannot be read (sslkey): EISDIR'],
    ['?sslnegotiation=nonsense', 'DATABASE_URL has an sslnegotiation that is not postgres'],
    ['%ff', 'DATABASE_URL has a % that is not followed by'],
  ]
  test.each(cases)('%s: is named, without the URL, and nobody connects', async (query, says) => {
    now = accessBy(old.url + query)
    const error = await refusalOf(poolOf(1).query({ text: 'select 1' }))
    expect(error).toBeInstanceOf(Misconfigured)
    expect(String(error)).toContain(says)
    expect(error).not.toHaveProperty('cause')
    for (const secret of ['s3cret', '/nowhere', 'nonsense']) expect(String(error)).not.toContain(secret)
    expect(old.sessions).toBe(0)
  })

  test('is named, too, where the environment is what is wrong', async () => {
    vi.stubEnv('PGSSLNEGOTIATION', 'nonsense')
    const error = await refusalOf(poolOf(1).query({ text: 'select 1' }))
    expect(error).toBeInstanceOf(Misconfigured)
    expect(String(error)).toContain('PG*')
  })

  test('is told to who waits for a connection, and over when the URL is right again', async () => {
    const pool = poolOf(1)
    const { connection } = await pool.checkOut({ text: 'select 1' }, 1_000)
    const waiting = [1, 2, 3].map(() => refusalOf(pool.query({ text: 'select 2' })))
    now = accessBy(`${old.url}?sslrootcert=/nowhere/pem`)
    // The pool makes the next client in the callback of this one's end.
    connection.destroy()
    for (const error of await Promise.all(waiting)) expect(error).toBeInstanceOf(Misconfigured)
    expect(old.statements).not.toContain('select 2')
    now = accessBy(old.url)
    await pool.query({ text: 'select 3' })
    expect(old.statements).toContain('select 3')
  })
})

test('a slow connection to the place of before, there only after one to the new place, is not used', async () => {
  const gate = Promise.withResolvers<void>()
  old.lettingIn = gate.promise
  const pool = poolOf(4)
  const first = pool.query({ text: 'select 1' })
  while (old.sessions === 0) await turn()
  now = accessBy(fresh.url)
  await pool.query({ text: 'select 2' })
  gate.resolve()
  await first
  await Promise.all([3, 4, 5, 6].map(each => pool.query({ text: `select ${each}` })))
  expect(asked(old)).toEqual([])
  expect(asked(fresh)).toEqual([1, 2, 3, 4, 5, 6].map(each => `select ${each}`))
})
