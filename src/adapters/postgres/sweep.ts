/** Forgets what was handled long ago, little by little, one replica at a time. */
import type { Clock, Log } from '../../consumer/ports.ts'
import { explain } from './classify.ts'
import { ADVISORY_LOCK } from './migrate.ts'
import type { ConnectionPool } from './pool.ts'

export interface SweepOptions {
  readonly pool: ConnectionPool
  readonly retentionMs: number
  readonly clock: Clock
  readonly log: Log
}

/** Soon after the start, since a service that restarts often would else never sweep. */
const FIRST_AFTER_MS = 120_000

const EVERY_MS = 3_600_000

/** Rows a statement: its locks and its share of the disk stay short. A guess, never tuned. */
const BATCH_ROWS = 1_000

/** Between two statements, so that a long sweep leaves the database to others. A guess, never tuned. */
const PAUSE_MS = 50

/** The lock is the transaction's, so there is nothing to give back; without it the statement finds no rows. The age is by the database's clock alone. */
const SWEEP = `
  with turn as materialized (select pg_try_advisory_xact_lock(${ADVISORY_LOCK.ours}, ${ADVISORY_LOCK.sweep}) as ours)
  delete from sluice.inbox
  where ctid = any (array(
    select ctid from sluice.inbox
    where handled_at < now() - $1 * interval '1 millisecond' and (select ours from turn)
    order by handled_at
    limit ${BATCH_ROWS}))`

/** Sweeps from now on, about once an hour; the answer ends it. */
export function sweepByAge({ pool, retentionMs, clock, log }: SweepOptions): () => void {
  let stopped = false
  let cancel: (() => void) | null = null
  let swept = 0

  const next = (afterMs: number): void => {
    if (!stopped) cancel = clock.at(clock.nowMs() + afterMs, () => void batch())
  }
  const batch = async (): Promise<void> => {
    try {
      const { rowCount } = await pool.query({ text: SWEEP, values: [retentionMs] })
      swept += rowCount ?? 0
      if (rowCount === BATCH_ROWS) return next(PAUSE_MS)
      if (swept > 0) log.info({ rows: swept }, 'the inbox was swept')
    } catch (error) {
      if (!stopped)
        log.warn({ cause: explain(error) ?? String(error) }, 'the inbox could not be swept; tried again later')
    }
    swept = 0
    next(jittered(EVERY_MS))
  }

  next(jittered(FIRST_AFTER_MS))
  return () => {
    stopped = true
    cancel?.()
  }
}

/** Half to one and a half times: replicas that start together drift apart. */
function jittered(meanMs: number): number {
  return meanMs * (0.5 + Math.random())
}
