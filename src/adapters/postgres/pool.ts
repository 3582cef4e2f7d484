/** Connections to one database, each wait bounded. */
import { Pool, type PoolClient } from 'pg'
import { Refusals } from '../../consumer/errors.ts'
import type { Clock, Log } from '../../consumer/ports.ts'
import { clientFor, orderOf, type PostgresAccess } from './access.ts'
import { classify, explain, fromClient, sqlstateOf } from './classify.ts'
import { type Answer, Connection, type Statement } from './connection.ts'

export interface PoolOptions {
  /** Asked for each new connection; the same object as long as nothing has changed. */
  readonly access: () => PostgresAccess
  readonly poolMax: number
  readonly applicationName: string
  readonly log: Log
  readonly clock: Clock
}

/** For a free connection as for a new one. Shorter than the usual handler timeout, so that an attempt learns why it waits. A guess, never tuned. */
const CONNECT_TIMEOUT_MS = 3_000

/** For statements outside a unit of work: lookups and the sweep. A guess, never tuned. */
const STATEMENT_TIMEOUT_MS = 10_000

/** What `stop` gives connections in use. Whoever stops has drained before, so there should be none. */
const STOP_GRACE_MS = 1_000

/** A session that has ended shows it at once; a server that was silent for longer would be silent for the next one too. A guess, never tuned. */
const ENDED_SESSION_MS = 1_000

/** How soon the server ends a statement, and frees its locks, after we closed the socket under it. */
const CONNECTION_CHECK_MS = 1_000

/** An older server has no such setting, another platform refuses it: a closed connection's statement then runs to its timeout. */
const CONNECTION_CHECK_REFUSED = new Set(['22023', '42704', '42501'])

export class ConnectionPool {
  readonly #pool: Pool
  readonly #inUse = new Set<Connection>()
  readonly #seen = new WeakSet<PoolClient>()
  /** Where the newest connection leads: the one that was made last, for a slow one may be there only after the address has changed. */
  #newest = { order: 0, place: '' }

  constructor({ access, poolMax, applicationName, log, clock }: PoolOptions) {
    this.#pool = new Pool({
      Client: clientFor(access, new Refusals(clock)),
      max: poolMax,
      application_name: applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: 60_000,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      allowExitOnIdle: true,
      verify: watchConnection,
    })
    this.#pool.on('connect', client => {
      const order = orderOf(client)
      if (order > this.#newest.order) this.#newest = { order, place: placeOf(client) }
    })
    // The pool has dropped it already; the next statement connects anew and says what is wrong.
    this.#pool.on('error', error =>
      log.debug({ cause: explain(error) ?? error.name }, 'an idle database connection ended'),
    )
  }

  /**
   * A connection that has answered `first`. The pool may hold a session that ended a moment ago, which only a statement shows:
   * then `first` goes to another one, so it must be harmless to repeat. Rejects with `ClaimBusy` when all connections are in
   * use for too long, with `Unavailable` when the database is away.
   */
  async checkOut<Row>(first: Statement, timeoutMs: number): Promise<{ connection: Connection; answer: Answer<Row> }> {
    for (let tries = 1; ; tries++) {
      const { connection, reused } = await this.#connect()
      const askedAtMs = performance.now()
      try {
        return { connection, answer: await connection.query<Row>(first, timeoutMs) }
      } catch (error) {
        await connection.rollBack()
        const isSilent = performance.now() - askedAtMs >= ENDED_SESSION_MS
        const mayBeStale = reused && tries === 1 && !isSilent && classify(error)?.kind === 'outage'
        if (!mayBeStale) throw error
      }
    }
  }

  /** One statement, its own transaction, harmless to repeat. */
  async query<Row>(statement: Statement): Promise<Answer<Row>> {
    const { connection, answer } = await this.checkOut<Row>(statement, STATEMENT_TIMEOUT_MS)
    connection.release()
    return answer
  }

  async #connect(): Promise<{ connection: Connection; reused: boolean }> {
    try {
      const client = await this.#current()
      const connection: Connection = new Connection(client, () => this.#inUse.delete(connection))
      this.#inUse.add(connection)
      const reused = this.#seen.has(client)
      this.#seen.add(client)
      return { connection, reused }
    } catch (error) {
      throw fromClient(error)
    }
  }

  /** Whoever changed the database's address means all of us: two databases at once would each let an event pass as new. */
  async #current(): Promise<PoolClient> {
    for (;;) {
      const client = await this.#pool.connect()
      if (placeOf(client) === this.#newest.place) return client
      client.release(true)
    }
  }

  /** Bounded in time: what is still in use after a grace is closed under its statement. Called once. */
  async stop(): Promise<void> {
    const grace = setTimeout(() => {
      for (const connection of this.#inUse) connection.destroy()
    }, STOP_GRACE_MS)
    await this.#pool.end()
    clearTimeout(grace)
  }
}

function placeOf({ host, port, database = '' }: PoolClient): string {
  return `${host}:${port}/${database}`
}

/** Lets the server look, while a statement runs, whether anybody still waits for it. */
function watchConnection(client: PoolClient, done: (error?: Error) => void): void {
  const text = `set client_connection_check_interval = ${CONNECTION_CHECK_MS}`
  const bounded = { text, query_timeout: CONNECT_TIMEOUT_MS }
  client.query(bounded, (error: Error | null) => {
    done(error === null || CONNECTION_CHECK_REFUSED.has(sqlstateOf(error) ?? '') ? undefined : error)
  })
}
