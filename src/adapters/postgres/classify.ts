/**
 * What an error of the database means. Two tables: SQLSTATEs for what the server said, codes and messages for what the client
 * library noticed by itself. `fromClient` runs where errors leave the library, so that a refused connection of the database is
 * never mistaken for one of something else that a handler calls.
 */
import { DatabaseError } from 'pg'
import {
  ClaimBusy,
  CommitUnknown,
  describe,
  Misconfigured,
  Reject,
  TransactionAborted,
  TransactionControl,
  tlsRefusal,
  Unavailable,
} from '../../consumer/errors.ts'
import type { Failure } from '../../consumer/ports.ts'

/** The name under which the breaker, `/status` and the metrics know this dependency. */
export const DATABASE = 'database'

const RECORD: Failure = { kind: 'record', reason: 'invalid-data' }
const INTEGRITY: Failure = { kind: 'passing', reason: 'invalid-data', timedOut: false }
const PASSING: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const TIMED_OUT: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }
const OUTAGE: Failure = { kind: 'outage', dependency: DATABASE }
const OURS: Failure = { kind: 'ours' }
const WAITING: Failure = { kind: 'waiting' }

/** What a transaction answers after a statement of it has failed. */
const ABORTED = '25P02'

type SqlstateEntry = readonly [beginning: string, failure: Failure, words: string]

/**
 * By SQLSTATE or its beginning, the first that fits. What is not here may pass (statements that must be prepared again: 26000,
 * 0A000), as may the last ones, which stand here for their words.
 * Source of the codes: PostgreSQL 17, appendix A.
 */
const SQLSTATES: readonly SqlstateEntry[] = [
  ['22', RECORD, 'data exception'],
  ['54000', RECORD, 'program limit exceeded'],
  ['23', INTEGRITY, 'integrity constraint violation'],
  ['57014', TIMED_OUT, 'statement timeout or cancel'],
  ['25P03', TIMED_OUT, 'idle in transaction for too long'],
  // Somebody's migration holds the table for a minute: five attempts would dead-letter healthy records.
  ['55P03', WAITING, 'somebody else holds a lock'],
  ['57P0', OUTAGE, 'the server is stopping, starting or ended the session'],
  ['53', OUTAGE, 'insufficient resources'],
  ['58', OUTAGE, 'system error'],
  ['08', OUTAGE, 'connection exception'],
  ['25006', OUTAGE, 'read-only: a standby'],
  ['28', OURS, 'user or password refused'],
  ['3D000', OURS, 'the database does not exist'],
  ['3F000', OURS, 'the schema does not exist'],
  ['42501', OURS, 'permission denied'],
  ['42P01', OURS, 'undefined table'],
  ['42703', OURS, 'undefined column'],
  ['42', OURS, 'syntax error or access rule violation'],
  ['40P01', PASSING, 'deadlock'],
  ['40001', PASSING, 'serialization failure'],
  [ABORTED, PASSING, 'a statement before this one failed'],
]

const ANY_OTHER: SqlstateEntry = ['', PASSING, 'error']

type ClientFault = 'away' | 'busy' | 'ours'

const CLIENT_CODES: ReadonlyMap<string, ClientFault> = new Map([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'ECONNABORTED',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'EHOSTDOWN',
    'ENETUNREACH',
    'ENETDOWN',
    'EADDRNOTAVAIL',
    // A Unix socket whose server is not running.
    'ENOENT',
    'ERR_STREAM_DESTROYED',
    'ERR_STREAM_WRITE_AFTER_END',
  ].map(code => [code, 'away'] as const),
  ['ERR_INVALID_URL', 'ours'],
])

/** How the messages of pg and pg-pool begin where they give no code. Source: pg 8.23 and pg-pool 3.14, read. */
const CLIENT_MESSAGES: ReadonlyArray<readonly [beginning: string, fault: ClientFault]> = [
  ['timeout exceeded when trying to connect', 'busy'],
  ['timeout expired', 'away'],
  ['Connection terminated', 'away'],
  ['Query read timeout', 'away'],
  ['Client has encountered a connection error', 'away'],
  ['Client was closed', 'away'],
  ['Cannot use a pool after calling end', 'away'],
  ['Received unexpected', 'away'],
  ['received invalid response', 'away'],
  ['There was an error establishing an SSL connection', 'away'],
  ['The server does not support SSL connections', 'ours'],
  ['SASL', 'ours'],
]

/** What the database library threw, made one of ours where it gave no SQLSTATE. What is neither (a value that cannot be sent) stays as it is. */
export function fromClient(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || sqlstateOf(thrown) !== null) return thrown
  // Several addresses were tried: one of the refusals says more than the empty message around them.
  const error = thrown instanceof AggregateError && thrown.errors[0] instanceof Error ? thrown.errors[0] : thrown
  const refused = tlsRefusal(error, TLS_NAMES)
  if (refused !== null) return refused
  const fault = clientFault(error)
  switch (fault) {
    case 'away':
      return new Unavailable(DATABASE, error)
    case 'busy':
      return new ClaimBusy(error)
    case 'ours':
      return new Misconfigured(`DATABASE_URL: ${withoutUrl(error)}`, { cause: error })
    case null:
      return thrown
    default:
      return fault satisfies never
  }
}

const TLS_NAMES = { who: 'the database', prefix: 'DATABASE_TLS', address: 'DATABASE_URL' }

function clientFault(error: Error): ClientFault | null {
  const code = 'code' in error && typeof error.code === 'string' ? CLIENT_CODES.get(error.code) : undefined
  return code ?? CLIENT_MESSAGES.find(([beginning]) => error.message.startsWith(beginning))?.[1] ?? null
}

/** The message of an invalid URL is harmless today, but it stands beside the URL, which holds the password. */
function withoutUrl(error: Error): string {
  return 'code' in error && error.code === 'ERR_INVALID_URL' ? 'not a URL' : error.message
}

/** The messages of the server's that hold nothing but the name of what is missed; other languages do without. */
const TABLE_MISSED = /^relation "(?<name>[^"]{1,63})" does not exist$/
const FORBIDDEN = /^permission denied for (?<what>table|schema|database|sequence|function) (?<name>\S{1,63})$/

/** Looks through causes too, the outermost first, since handlers wrap what they catch. */
export function classify(error: unknown): Failure | null {
  for (const link of causesOf(error)) {
    // The handler has judged already, whatever led it there.
    if (link instanceof Reject || (link instanceof Unavailable && link.dependency !== DATABASE)) return null
    const failure = meaningOf(link)
    if (failure !== null) return failure
  }
  return null
}

/** SQLSTATE and names. Never the server's message or detail: both may quote a value. */
export function explain(error: unknown): string | null {
  for (const link of causesOf(error)) {
    // Its own words say more, and none of the server's.
    if (link instanceof Misconfigured) return null
    if (link instanceof TransactionAborted) return after(describe(link), link.cause)
    if (link instanceof DatabaseError && link.code !== undefined) {
      const words = inWords(link, link.code)
      return link.code === ABORTED ? after(words, link.cause) : words
    }
  }
  return null
}

/** An aborted transaction is only what follows; the statement that failed before is what somebody has to look at. */
function after(words: string, first: unknown): string {
  const why = first === undefined ? null : explain(first)
  return why === null ? words : `${words}; first came ${why}`
}

/** The SQLSTATE, where the server itself said what is wrong. */
export function sqlstateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null
}

function meaningOf(error: unknown): Failure | null {
  const sqlstate = sqlstateOf(error)
  if (sqlstate !== null) return entryOf(sqlstate)[1]
  if (error instanceof CommitUnknown || error instanceof Unavailable) return OUTAGE
  if (error instanceof ClaimBusy) return WAITING
  if (error instanceof TransactionAborted) return PASSING
  if (error instanceof TransactionControl || error instanceof Misconfigured) return OURS
  return null
}

function inWords(error: DatabaseError, sqlstate: string): string {
  const { constraint, column, dataType, position } = error
  const table = error.table ?? TABLE_MISSED.exec(error.message)?.groups?.['name']
  const forbidden = FORBIDDEN.exec(error.message)?.groups
  // The server names what a statement is wrong about by quoting it, and what it quotes may be a value that was put into the text.
  const character = sqlstate.startsWith('42') ? position : undefined
  const refused = forbidden === undefined ? {} : { [forbidden['what'] ?? '']: forbidden['name'] }
  const names = Object.entries({ constraint, table, column, type: dataType, ...refused, character })
  const known = names.flatMap(([what, name]) => (name === undefined ? [] : [`, ${what} ${name}`]))
  return `SQLSTATE ${sqlstate} (${entryOf(sqlstate)[2]})${known.join('')}`
}

function entryOf(sqlstate: string): SqlstateEntry {
  return SQLSTATES.find(([beginning]) => sqlstate.startsWith(beginning)) ?? ANY_OTHER
}

/** A guess, never reached by honest wrapping; it ends a chain that bites its own tail. */
const CAUSES_MAX = 10

function* causesOf(error: unknown): Generator {
  let link = error
  for (let depth = 0; depth < CAUSES_MAX; depth++) {
    yield link
    if (!(link instanceof Error) || link.cause === undefined) return
    link = link.cause
  }
}
