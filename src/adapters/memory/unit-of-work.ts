/**
 * The port `UnitOfWork` without a database: rows and effects in this process, transactions that lock each other as Postgres'
 * do, and faults on request. `tx.query('effect', [x])` records `x` at commit, `tx.query('fail', [failure])` fails so and aborts
 * the transaction, `tx.query('hang')` never ends by itself; any other text succeeds without rows.
 */
import {
  ClaimBusy,
  CommitUnknown,
  Misconfigured,
  Reject,
  TransactionAborted,
  Unavailable,
} from '../../consumer/errors.ts'
import type { Claim, Clock, Failure, Known, UnitOfWork } from '../../consumer/ports.ts'
import { Connections } from './connections.ts'
import { type CommitFate, type InboxRow, MemoryFailure, MemoryInbox } from './inbox.ts'
import { Link, type Network } from './link.ts'
import { MemoryUnit } from './unit.ts'

export interface MemoryUnitOfWorkOptions {
  readonly clock: Clock
  /** Default: one of its own. */
  readonly inbox?: MemoryInbox
  /** Default: everything is answered at once. */
  readonly network?: Network
  /** Connections. Default: as many as are asked for. */
  readonly poolMax?: number
}

export interface MemoryUnitOfWork extends UnitOfWork {
  /** The inbox as it is. */
  rows(): readonly InboxRow[]
  /** What was committed, in order. */
  readonly effects: readonly unknown[]
  /** The database is away: open transactions are lost, everything is refused. */
  down(): void
  up(): void
  /** What becomes of the next commit; several calls, several commits. */
  nextCommit(fate: CommitFate): void
  /** Every claim takes this long, from now on. */
  claimsTake(durationMs: number): void
  /** The process is gone: the server rolls back what it had open. */
  vanish(): void
}

/** For a question outside of a unit. As the Postgres adapter has it. */
const STATEMENT_TIMEOUT_MS = 10_000

export function memoryUnitOfWork({
  clock,
  inbox = new MemoryInbox({ clock }),
  network = null,
  poolMax = Number.POSITIVE_INFINITY,
}: MemoryUnitOfWorkOptions): MemoryUnitOfWork {
  const connections = new Connections(clock, poolMax)
  const open = new Set<MemoryUnit>()
  let stopped: Promise<void> | null = null

  const refuseWhenStopped = (): void => {
    if (stopped !== null) throw new Unavailable('database', 'it was stopped')
  }
  const known = async (claims: readonly Claim[]): Promise<readonly (Known | null)[]> => {
    refuseWhenStopped()
    const asked = new Link(network).ask(async () => {
      await inbox.awake()
      inbox.refuseWhileAway()
      return claims.map(claim => inbox.known(claim))
    })
    if (network === null) return asked
    const late = Promise.withResolvers<never>()
    const cancel = clock.at(clock.nowMs() + STATEMENT_TIMEOUT_MS, () =>
      late.reject(new Unavailable('database', 'no answer in time')),
    )
    return Promise.race([asked, late.promise]).finally(cancel)
  }
  const options = {
    inbox,
    network,
    checkOut: async () => {
      refuseWhenStopped()
      return connections.checkOut()
    },
    onEnd: (unit: MemoryUnit) => void open.delete(unit),
  }
  return {
    start: async () => inbox.refuseWhileAway(),
    known,
    begin(claim, timeoutMs) {
      const unit = new MemoryUnit(options, claim, timeoutMs)
      open.add(unit)
      return unit
    },
    classify,
    explain: error => (error instanceof MemoryFailure ? error.message : null),
    stop: () => {
      if (stopped === null) for (const unit of open) unit.destroy()
      stopped ??= Promise.resolve()
      return stopped
    },
    rows: () => [...inbox.rows.values()],
    effects: inbox.effects,
    down: () => inbox.down(),
    up: () => inbox.up(),
    nextCommit: fate => inbox.nextCommit(fate),
    claimsTake: durationMs => {
      inbox.claimDurationMs = durationMs
    },
    vanish: () => {
      for (const unit of open) unit.vanish()
    },
  }
}

const OUTAGE: Failure = { kind: 'outage', dependency: 'database' }

/** A guess, never reached by honest wrapping; it ends a chain that bites its own tail. */
const CAUSES_MAX = 10

function classify(error: unknown): Failure | null {
  let link = error
  for (let depth = 0; depth < CAUSES_MAX; depth++) {
    // The handler has judged already, whatever led it there.
    if (link instanceof Reject || (link instanceof Unavailable && link.dependency !== 'database')) return null
    if (link instanceof MemoryFailure) return link.failure
    if (link instanceof CommitUnknown || link instanceof Unavailable) return OUTAGE
    if (link instanceof ClaimBusy) return { kind: 'waiting' }
    if (link instanceof TransactionAborted) return { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
    if (link instanceof Misconfigured) return { kind: 'ours' }
    if (!(link instanceof Error)) return null
    link = link.cause
  }
  return null
}
