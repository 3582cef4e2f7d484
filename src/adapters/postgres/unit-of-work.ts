/** The port `UnitOfWork` on Postgres: what its parts do together. */
import { Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Clock, Log, UnitOfWork } from '../../consumer/ports.ts'
import type { PostgresAccess } from './access.ts'
import { classify, DATABASE, explain } from './classify.ts'
import { knownEvents } from './inbox.ts'
import { type Migration, migrate, readMigrations, verify } from './migrate.ts'
import { ConnectionPool } from './pool.ts'
import { sweepByAge } from './sweep.ts'
import { PostgresUnit } from './unit.ts'

export interface PostgresOptions {
  /** Asked for each new connection; the same object as long as nothing has changed. */
  readonly access: () => PostgresAccess
  readonly poolMax: number
  readonly applicationName: string
  /** False: the tables are there already, which `start` then verifies. */
  readonly migrate: boolean
  /** Beside the inbox's own, for the tables of the handlers: a folder of SQL files, or what would be in it. */
  readonly migrations: URL | readonly Migration[] | null
  /** Longer than the topics keep their records: a group that lost its offsets repeats what the inbox has forgotten. */
  readonly inboxRetentionMs: number
  readonly log: Log
  readonly clock: Clock
}

/** The folder is as far from `src/` as from `dist/`. */
const OWN_MIGRATIONS = new URL('../../../migrations/sluice/', import.meta.url)

export function postgresUnitOfWork(options: PostgresOptions): UnitOfWork {
  const pool = new ConnectionPool(options)
  let endSweep: (() => void) | null = null
  let stopped: Promise<void> | null = null

  const start = async (): Promise<void> => {
    // The library would take it for the path of a URL, and look for a host of its own invention.
    if (!URL.canParse(options.access().url)) throw new Misconfigured('DATABASE_URL is not a URL')
    const theirs = options.migrations instanceof URL ? await readMigrations(options.migrations) : options.migrations
    const migrations = [...(await readMigrations(OWN_MIGRATIONS)), ...(theirs ?? [])]
    await (options.migrate ? migrate(pool, migrations, options.log) : verify(pool, migrations))
    if (stopped === null) {
      endSweep ??= sweepByAge({ pool, retentionMs: options.inboxRetentionMs, clock: options.clock, log: options.log })
    }
  }
  return {
    start: () => start().catch(whyNot),
    known: claims => knownEvents(pool, claims),
    begin: (claim, timeoutMs) => new PostgresUnit(pool, claim, timeoutMs),
    classify,
    explain,
    stop: () => {
      endSweep?.()
      stopped ??= pool.stop()
      return stopped
    },
  }
}

/** At the start nothing is a record's fault: either waiting helps or somebody must change something. */
function whyNot(error: unknown): never {
  if (error instanceof Misconfigured || error instanceof Unavailable) throw error
  const failure = classify(error)
  if (failure === null) throw error
  if (failure.kind === 'ours' || failure.kind === 'record') {
    throw new Misconfigured(`the database refuses: ${explain(error)}; see DATABASE_URL`, { cause: error })
  }
  throw new Unavailable(DATABASE, error)
}
