/**
 * Postgres over TLS, with a password and with a certificate: right ones work, wrong ones are named and tried seldom, and a
 * password that changes while the service runs is taken from its file. The server's certificate is for `localhost`, so its address is a wrong name.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PostgresAccess } from '../../src/adapters/postgres/access.ts'
import { ConnectionPool } from '../../src/adapters/postgres/pool.ts'
import { postgresUnitOfWork } from '../../src/adapters/postgres/unit-of-work.ts'
import { Misconfigured } from '../../src/consumer/errors.ts'
import { type Authority, type Certificate, newAuthority } from '../support/certificates.ts'
import { effectsIn } from '../support/effects.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { freshName, freshTopic, parts, until } from '../support/parts.ts'
import { directPool, optionsFor } from '../support/postgres-bench.ts'
import { proxyTo } from '../support/proxy.ts'
import { startReplica } from '../support/replica.ts'
import { secretFiles } from '../support/secret-files.ts'
import { activityStream, logins } from '../support/stream.ts'

const REFUSED_MS = 10_000
/** One a second. */
const ARRIVALS_MAX = 10

let authority: Authority
let other: Authority
let own: Certificate
let foreign: Certificate
let postgres: OwnPostgres
let superuser: Pool
let port = ''
let host = ''

beforeAll(async () => {
  authority = await newAuthority()
  other = await newAuthority('another authority')
  own = await authority.issue('certified')
  foreign = await other.issue('certified')
  postgres = await startOwnPostgres(await authority.issue('postgres', { hosts: ['localhost'] }), authority.ca)
  const url = new URL(postgres.url)
  port = url.port
  host = url.hostname
  superuser = directPool(postgres.url)
  for (const role of ['app', 'certified']) {
    await superuser.query(`create role ${role} login password 's3cret'`)
    await superuser.query(`create database ${role} owner ${role}`)
  }
})
afterAll(async () => {
  await superuser.end()
  await postgres.stop()
})

function urlOf(role: string, { at = 'localhost', password = 's3cret', query = '' } = {}): string {
  return `postgres://${role}:${password}@${at}:${port}/${role}${query}`
}

const trusting = (url: string, more: Partial<PostgresAccess> = {}): PostgresAccess => ({
  url,
  ca: authority.ca,
  cert: null,
  key: null,
  ...more,
})

/** How a start ends; null: well. */
async function startWith(access: PostgresAccess): Promise<unknown> {
  const work = postgresUnitOfWork({ ...optionsFor(access.url), access: () => access })
  const outcome = await work.start().then(
    () => null,
    (error: unknown) => error,
  )
  await work.stop()
  return outcome
}

describe('let in', () => {
  test.each<[string, () => PostgresAccess]>([
    ['by a password, over TLS that the certificates turn on', () => trusting(urlOf('app'))],
    ['where the URL says it, too', () => trusting(urlOf('app', { query: '?sslmode=verify-full' }))],
    ['where TLS begins without a question', () => trusting(urlOf('app', { query: '?sslnegotiation=direct' }))],
    ["by a password and a certificate of one's own", () => trusting(urlOf('certified'), own)],
  ])('%s', async (_, access) => {
    expect(await startWith(access())).toBeNull()
  })
})

describe('refused, and named', () => {
  const cases: readonly (readonly [name: string, access: () => PostgresAccess, says: readonly string[]])[] = [
    [
      'a server of an authority that we do not know',
      () => trusting(urlOf('app'), { ca: other.ca }),
      ['the database shows a certificate of an unknown authority', 'DATABASE_TLS_CA'],
    ],
    [
      'a server of an authority that Node does not know, where the URL says require: that is checked, too',
      () => trusting(urlOf('app', { query: '?sslmode=require' }), { ca: null }),
      ['unknown authority', 'DATABASE_TLS_CA'],
    ],
    [
      "another host's certificate",
      () => trusting(urlOf('app', { at: host })),
      ['certificate for another host', `IP: ${host}`, 'DATABASE_URL'],
    ],
    ['in clear where TLS is wanted', () => trusting(urlOf('app'), { ca: null }), ['SQLSTATE 28000', 'DATABASE_TLS_']],
    [
      'a wrong password',
      () => trusting(urlOf('app', { password: 'wr0ng' })),
      ['SQLSTATE 28P01', 'check user, password', 'DATABASE_URL'],
    ],
    ['no certificate where one is wanted', () => trusting(urlOf('certified')), ['SQLSTATE 28000', 'DATABASE_TLS_']],
    [
      "another authority's certificate",
      () => trusting(urlOf('certified'), foreign),
      ['does not accept our certificate', 'DATABASE_TLS_CERT'],
    ],
  ]
  test.each(cases)('%s', async (_, access, says) => {
    const error = await startWith(access())
    expect(error).toBeInstanceOf(Misconfigured)
    for (const words of says) expect(String(error)).toContain(words)
    expect(String(error)).not.toContain('wr0ng')
    expect(String(error)).not.toContain('s3cret')
  })
})

test('fifty that want a session at once knock no more often than there may be sessions', async () => {
  const proxy = await proxyTo(`postgres://${host}:${port}`)
  const url = urlOf('app', { password: 'wr0ng' }).replace(`:${port}/`, `:${new URL(proxy.url).port}/`)
  const access = trusting(url)
  const pool = new ConnectionPool({ ...optionsFor(''), poolMax: 2, access: () => access })
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => pool.query({ text: 'select 1' })))
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'MISCONFIGURED' } })
  expect(proxy.arrivals.length).toBeLessThanOrEqual(2)
  await pool.stop()
  await proxy.stop()
})

test('an address that changes: as soon as one session is there, all are', async () => {
  let access = trusting(urlOf('app'))
  const pool = new ConnectionPool({ ...optionsFor(''), access: () => access })
  const where = async (): Promise<string> => {
    const { rows } = await pool.query<{ name: string }>({ text: 'select current_database() as name, pg_sleep(0.1)' })
    return rows[0]?.name ?? ''
  }
  try {
    expect(await Promise.all([where(), where()])).toEqual(['app', 'app'])
    access = trusting(urlOf('certified'), own)
    // Two have a session of before, the third one needs another.
    expect(await Promise.all([where(), where(), where()])).toContain('certified')
    expect(await Promise.all([where(), where(), where()])).toEqual(['certified', 'certified', 'certified'])
  } finally {
    await pool.stop()
  }
})

test('a password that is changed while the service runs: it holds, knocks seldom, and takes the new one from its file', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('secured', { partitions: 4 })
  const proxy = await proxyTo(`postgres://${host}:${port}`)
  const urlBy = (password: string): string =>
    urlOf('app', { password }).replace(`:${port}/`, `:${new URL(proxy.url).port}/`)
  const files = secretFiles({ DATABASE_URL: urlBy('s3cret'), DATABASE_TLS_CA: authority.ca })
  const replica = await startReplica({
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: freshName('group'),
    SCHEMA_REGISTRY_URL: registryUrl,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
    TEST_WORK_MS: '20',
    ...files.env,
  })
  const stream = await activityStream({ brokers, registryUrl, topic })
  const effects = effectsIn(postgres.url.replace(/\/postgres$/, '/app'))
  try {
    await until('it is ready', () => replica.ready(), { timeoutMs: 60_000 })
    await stream.send(logins(200, 50))
    await until('all is handled, by as many sessions as there may be', async () => (await effects.handled()) === 200)
    await superuser.query(`alter role app password 'n3xt'`)
    await stream.send(logins(200, 50))
    await until('sessions that are open stay so', async () => (await effects.handled()) === 400)

    await superuser.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`)
    const before = proxy.arrivals.length
    await stream.send(logins(200, 50))
    await until('it is named', async () => {
      const text = await replica.text('/readyz')
      return text.includes('SQLSTATE 28P01') && text.includes('DATABASE_URL')
    })
    await sleep(REFUSED_MS)
    expect(proxy.arrivals.length - before).toBeLessThanOrEqual(ARRIVALS_MAX)
    expect((await fetch(`${replica.url}/livez`)).status).toBe(200)
    expect(await replica.ready()).toBe(false)

    files.swap({ DATABASE_URL: urlBy('n3xt') })
    await until('all is handled', async () => (await effects.handled()) === 600, { timeoutMs: 90_000 })
    expect(await effects.logins()).toBe(600)
    await until('it is ready again', () => replica.ready())
    const status = await replica.text('/metrics')
    expect(status).not.toMatch(/^sluice_dead_letters_total\{.* [1-9]/m)
    expect(JSON.stringify(replica.lines)).not.toMatch(/s3cret|n3xt/)
    replica.kill('SIGTERM')
    expect(await replica.exited).toBe(0)
  } finally {
    replica.kill('SIGKILL')
    await Promise.all([stream.close(), effects.end()])
    await proxy.stop()
    files.remove()
  }
})
