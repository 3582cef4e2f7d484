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
import { type CommitFate, type InboxRow, MemoryFailure, MemoryInbox } from './inbox.ts'
import { MemoryUnit } from './unit.ts'

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
}

export function memoryUnitOfWork({ clock }: { clock: Clock }): MemoryUnitOfWork {
  const inbox = new MemoryInbox(clock)
  let stopped: Promise<void> | null = null

  const known = async (claims: readonly Claim[]): Promise<readonly (Known | null)[]> => {
    inbox.refuseWhileAway()
    return claims.map(claim => inbox.known(claim))
  }
  return {
    start: async () => inbox.refuseWhileAway(),
    known,
    begin: (claim, timeoutMs) => new MemoryUnit(inbox, claim, timeoutMs),
    classify,
    explain: error => (error instanceof MemoryFailure ? error.message : null),
    stop: () => {
      stopped ??= Promise.resolve(inbox.down())
      return stopped
    },
    rows: () => [...inbox.rows.values()],
    effects: inbox.effects,
    down: () => inbox.down(),
    up: () => {
      if (stopped === null) inbox.up()
    },
    nextCommit: fate => void inbox.fates.push(fate),
    claimsTake: durationMs => {
      inbox.claimDurationMs = durationMs
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
