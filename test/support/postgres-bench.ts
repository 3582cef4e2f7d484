/** The unit of work on a real database, behind a proxy that can be told to fail. */
import { Pool } from 'pg'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import { type PostgresOptions, postgresUnitOfWork } from '../../src/adapters/postgres/unit-of-work.ts'
import type { UnitOfWork } from '../../src/consumer/ports.ts'
import type { Bench } from '../contracts/unit-of-work.ts'
import { type Proxy, proxyTo } from './proxy.ts'
import { SILENT } from './silent.ts'

export interface PostgresBench extends Bench {
  readonly proxy: Proxy
  /** Straight to the database, past the proxy. */
  readonly direct: Pool
  /** Another unit of work on the same database, straight: another replica. */
  another(options?: Partial<PostgresOptions>): UnitOfWork
}

const EFFECTS = { name: 'test/001-effects', sql: 'create table public.effects (name text not null)' }

export async function postgresBench(url: string, options: Partial<PostgresOptions> = {}): Promise<PostgresBench> {
  const proxy = await proxyTo(url)
  const direct = directPool(url)
  const others: UnitOfWork[] = []
  const unitOfWork = postgresUnitOfWork({ ...optionsFor(proxy.url), ...options })
  await unitOfWork.start()
  await direct.query('truncate sluice.inbox, public.effects')
  return {
    unitOfWork,
    proxy,
    direct,
    another(more = {}) {
      const other = postgresUnitOfWork({ ...optionsFor(url), ...more })
      others.push(other)
      return other
    },
    effect: (tx, name) => tx.query('insert into effects (name) values ($1)', [name]),
    async effects() {
      const { rows } = await direct.query<{ name: string }>('select name from effects order by name')
      return rows.map(({ name }) => name)
    },
    fail: tx => tx.query('select 1 / 0'),
    hang: tx => tx.query('select pg_sleep(60)'),
    pass: () => undefined,
    down: () => proxy.refuse(),
    up: () => proxy.accept(),
    loseAnswerToCommit: how => proxy.onNextCommit(how === 'done' ? 'lost-after' : 'lost-before'),
    async close() {
      await Promise.all([unitOfWork, ...others].map(work => work.stop()))
      await proxy.stop()
      await direct.end()
    },
  }
}

/** For looking and meddling, past everything that is tested. */
export function directPool(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 5 })
  // A database that is dropped kills the sessions that are still saying goodbye.
  pool.on('error', () => undefined)
  return pool
}

/** In clear, always as the same. */
export function accessBy(url: string): PostgresOptions['access'] {
  const access = { url, ca: null, cert: null, key: null }
  return () => access
}

export function optionsFor(url: string): PostgresOptions {
  return {
    access: accessBy(url),
    poolMax: 5,
    applicationName: 'sluice-test',
    migrate: true,
    migrations: [EFFECTS],
    inboxRetentionMs: 3_600_000,
    log: SILENT,
    clock: systemClock(),
  }
}
