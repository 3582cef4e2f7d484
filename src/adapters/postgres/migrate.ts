/** Plain SQL files, each applied once in a transaction of its own, by one process at a time. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Log } from '../../consumer/ports.ts'
import { classify, explain, sqlstateOf } from './classify.ts'
import type { Connection } from './connection.ts'
import type { ConnectionPool } from './pool.ts'

export interface Migration {
  /** Unique, and never changed once it was applied anywhere: `samples/001-user-profile`. */
  readonly name: string
  readonly sql: string
}

/** An advisory lock has two integers: sluice's own ("slui" in ASCII), and what it is for. */
export const ADVISORY_LOCK = { ours: 0x736c7569, migrations: 1, sweep: 2 } as const

/** Long enough for a neighbour's migration; then the start is tried again. A guess, never tuned. */
const LOCK_TIMEOUT_MS = 60_000

/** For one migration. A larger one is not for the start of a service. */
const MIGRATION_TIMEOUT_MS = 600_000

/** In the order of their names. The folder's name becomes part of theirs. */
export async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  try {
    const files = (await readdir(folder)).filter(file => file.endsWith('.sql')).toSorted()
    return await Promise.all(
      files.map(async file => ({
        name: `${basename(fileURLToPath(folder))}/${basename(file, '.sql')}`,
        sql: await readFile(new URL(file, folder), 'utf8'),
      })),
    )
  } catch (error) {
    throw new Misconfigured(`the migrations in ${fileURLToPath(folder)} cannot be read: ${describe(error)}`, {
      cause: error,
    })
  }
}

/** Applies what is missing. Where nothing is, it takes no lock and needs no right to write. */
export async function migrate(pool: ConnectionPool, migrations: readonly Migration[], log: Log): Promise<void> {
  const timeouts = `set statement_timeout = ${MIGRATION_TIMEOUT_MS}; set lock_timeout = ${LOCK_TIMEOUT_MS}`
  const { connection } = await pool.checkOut({ text: timeouts }, LOCK_TIMEOUT_MS)
  try {
    if (missing(migrations, await applied(connection)).length === 0) return
    await run(connection, `select pg_advisory_lock(${ADVISORY_LOCK.ours}, ${ADVISORY_LOCK.migrations})`)
    await prepare(connection)
    // Another process may have applied them while this one waited.
    for (const migration of missing(migrations, await applied(connection))) {
      await apply(connection, migration)
      log.info({ migration: migration.name }, 'a migration was applied')
    }
  } finally {
    // The session's own settings and its lock go with it.
    connection.destroy()
  }
}

/** For those who migrate by other means: says at the start what would otherwise fail at the first record. */
export async function verify(pool: ConnectionPool, migrations: readonly Migration[]): Promise<void> {
  const connection = await checkOutInbox(pool)
  try {
    const history = await applied(connection)
    // Whoever applied the files by hand has no history, and is believed.
    const names = history.size === 0 ? [] : missing(migrations, history).map(({ name }) => name)
    if (names.length > 0) throw new Misconfigured(`not applied to the database: ${names.join(', ')}; ${CURE}`)
  } finally {
    connection.release()
  }
}

const CURE = 'start once with MIGRATE=true'
const FORBIDDEN = '42501'

/** What is there and may not be read is no reason to migrate. */
function cureOf(error: unknown): string {
  if (sqlstateOf(error) !== FORBIDDEN) return CURE
  return 'grant the user of DATABASE_URL usage on the schema sluice and what it does with its tables'
}

async function checkOutInbox(pool: ConnectionPool): Promise<Connection> {
  const columns = 'handler, idempotency_key, topic, partition, record_offset, value_crc32, handled_at'
  try {
    const text = `select ${columns} from sluice.inbox limit 0`
    return (await pool.checkOut({ text }, LOCK_TIMEOUT_MS)).connection
  } catch (error) {
    if (sqlstateOf(error)?.startsWith('42') !== true) throw error
    throw new Misconfigured(`sluice.inbox cannot be read: ${explain(error)}; ${cureOf(error)}`, { cause: error })
  }
}

/** A role that may create schemas is not needed where somebody has made ours: Postgres asks for the right before it looks whether the schema is there. */
async function prepare(connection: Connection): Promise<void> {
  const there = await run<{ there: boolean }>(connection, `select to_regnamespace('sluice') is not null as there`)
  if (there[0]?.there !== true) await run(connection, 'create schema if not exists sluice')
  await run(connection, HISTORY)
}

const HISTORY = `
  create table if not exists sluice.migrations (
    name       text        primary key,
    checksum   text        not null,
    applied_at timestamptz not null default now()
  )`

async function applied(connection: Connection): Promise<ReadonlyMap<string, string>> {
  const there = await run<{ there: boolean }>(
    connection,
    `select to_regclass('sluice.migrations') is not null as there`,
  )
  if (there[0]?.there !== true) return new Map()
  try {
    const text = 'select name, checksum from sluice.migrations'
    const rows = await run<{ name: string; checksum: string }>(connection, text)
    return new Map(rows.map(({ name, checksum }) => [name, checksum]))
  } catch (error) {
    if (sqlstateOf(error) !== FORBIDDEN) throw error
    throw new Misconfigured(`sluice.migrations cannot be read: ${explain(error)}; ${cureOf(error)}`, { cause: error })
  }
}

function missing(migrations: readonly Migration[], history: ReadonlyMap<string, string>): readonly Migration[] {
  return migrations.filter(migration => {
    const checksum = history.get(migration.name)
    if (checksum !== undefined && checksum !== checksumOf(migration)) {
      throw new Misconfigured(
        `migration ${migration.name} was changed after it had been applied: undo that, and add another one`,
      )
    }
    return checksum === undefined
  })
}

/** Of the text as it is in the repository: a checkout on Windows has other line ends. */
function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex')
}

async function apply(connection: Connection, migration: Migration): Promise<void> {
  try {
    await run(connection, 'BEGIN')
    await run(connection, migration.sql)
    const values = [migration.name, checksumOf(migration)]
    await connection.query(
      { text: 'insert into sluice.migrations (name, checksum) values ($1, $2)', values },
      MIGRATION_TIMEOUT_MS,
    )
    await run(connection, 'COMMIT')
  } catch (error) {
    const kind = classify(error)?.kind
    if (kind === 'outage' || kind === 'waiting' || sqlstateOf(error) === null) throw error
    throw new Misconfigured(`migration ${migration.name} failed: ${explain(error)}`, { cause: error })
  }
}

async function run<Row>(connection: Connection, text: string): Promise<Row[]> {
  const { rows } = await connection.query<Row>({ text }, MIGRATION_TIMEOUT_MS)
  return rows
}
