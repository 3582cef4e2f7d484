/** One attempt's transaction: connect, begin and claim at the first statement, then the handler's statements, then COMMIT. */
import { ClaimLost, CommitUnknown, TransactionAborted, TransactionControl, UnitClosed } from '../../consumer/errors.ts'
import type { Claim, Known, Transaction, Unit, UnitPhase } from '../../consumer/ports.ts'
import { classify, sqlstateOf } from './classify.ts'
import type { Answer, Connection, Statement } from './connection.ts'
import { claimEvent } from './inbox.ts'
import type { ConnectionPool } from './pool.ts'

/** Postgres takes its timeouts as 32-bit milliseconds, and 0 as none. */
const TIMEOUT_MS_MAX = 2_147_483_647

/** A wait for a lock ends before the statement's own time does, so that the error says which of the two it was. */
const LOCK_SHARE = 0.8

export class PostgresUnit implements Unit {
  readonly tx: Transaction
  readonly #pool: ConnectionPool
  readonly #claim: Claim
  readonly #timeoutMs: number
  /** What the unit is busy with. */
  #phase: UnitPhase = 'unopened'
  /** Whether statements are still taken: not after `finish`, `abandon` or `destroy`. */
  #taking = true
  #known: Known | null = null
  #opening: Promise<Connection> | null = null
  #connection: Connection | null = null
  /** The first statement that failed, for the one who is told that the transaction was aborted. */
  #firstError: unknown = null
  /** The handler ended the transaction behind our back. */
  #escaped = false
  /** Rejects what waits when the attempt is given up. */
  readonly #givenUp = Promise.withResolvers<never>()

  constructor(pool: ConnectionPool, claim: Claim, timeoutMs: number) {
    this.#pool = pool
    this.#claim = claim
    this.#timeoutMs = Math.min(Math.max(1, Math.ceil(timeoutMs)), TIMEOUT_MS_MAX)
    this.tx = {
      query: (text, values) => this.#query(typeof text === 'string' ? { text, values } : { values, ...text }),
    }
    // Nobody need be waiting when it is given up.
    this.#givenUp.promise.catch(() => undefined)
  }

  get phase(): UnitPhase {
    return this.#phase
  }

  get known(): Known | null {
    return this.#known
  }

  async finish(): Promise<Known | null> {
    if (this.#known !== null) return this.#known
    if (!this.#taking) throw new UnitClosed()
    this.#taking = false
    try {
      // Statements that the handler did not await are before COMMIT in the connection's order.
      await this.#commit(await this.#open())
      return null
    } catch (error) {
      if (error instanceof ClaimLost) return this.#known
      throw error
    } finally {
      this.#phase = 'closed'
    }
  }

  async abandon(): Promise<void> {
    if (!this.#taking) return
    this.#giveUp()
    await this.#connection?.rollBack()
  }

  destroy(): void {
    this.#giveUp()
    this.#connection?.destroy()
  }

  #giveUp(): void {
    this.#taking = false
    this.#phase = 'closed'
    this.#givenUp.reject(new UnitClosed())
  }

  async #query<Row>(statement: Statement): Promise<Answer<Row>> {
    if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
    if (!this.#taking) throw new UnitClosed()
    if (controlsTransaction(statement.text)) throw new TransactionControl()
    const connection = await this.#open()
    const answer = await Promise.race([this.#givenUp.promise, this.#run<Row>(connection, statement)])
    if (connection.inTransaction) return answer
    // It ended the transaction from within a longer text. What comes after would stand outside of it.
    this.#escaped = true
    connection.destroy()
    throw new TransactionControl()
  }

  async #run<Row>(connection: Connection, statement: Statement): Promise<Answer<Row>> {
    try {
      return await connection.query<Row>(statement, this.#timeoutMs)
    } catch (error) {
      // An aborted transaction says only that something failed before.
      if (error instanceof Error && sqlstateOf(error) === '25P02') error.cause ??= this.#firstError
      this.#firstError ??= error
      throw error
    }
  }

  /** Once: who comes later waits for the same claim, or fails as the first did. */
  #open(): Promise<Connection> {
    this.#opening ??= Promise.race([this.#givenUp.promise, this.#connectAndClaim()])
    return this.#opening
  }

  async #connectAndClaim(): Promise<Connection> {
    const connection = await this.#begin()
    try {
      this.#enter('claiming')
      this.#known = await claimEvent(connection, this.#claim, this.#timeoutMs)
      if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
      this.#enter('open')
      return connection
    } catch (error) {
      await connection.rollBack()
      this.#enter('closed')
      throw error
    }
  }

  async #begin(): Promise<Connection> {
    this.#enter('connecting')
    try {
      const { connection } = await this.#pool.checkOut({ text: begin(this.#timeoutMs) }, this.#timeoutMs)
      this.#connection = connection
    } catch (error) {
      this.#enter('closed')
      throw error
    }
    if (this.#phase !== 'closed') return this.#connection
    await this.#connection.rollBack()
    throw new UnitClosed()
  }

  async #commit(connection: Connection): Promise<void> {
    if (this.#escaped) throw new TransactionControl()
    const lostBefore = connection.lost !== null
    try {
      const { command } = await connection.query({ text: 'COMMIT' }, this.#timeoutMs)
      connection.release()
      // An aborted transaction takes COMMIT for ROLLBACK, and says so in nothing but its command tag.
      if (command !== 'COMMIT') throw new TransactionAborted({ cause: this.#firstError })
    } catch (error) {
      await connection.rollBack()
      // A server that answered with an error has kept nothing. One that was cut off may have kept everything.
      throw classify(error)?.kind === 'outage' && !lostBefore ? new CommitUnknown(error) : error
    }
  }

  /** One way: what was given up meanwhile stays closed. */
  #enter(phase: UnitPhase): void {
    if (this.#phase !== 'closed') this.#phase = phase
  }
}

function begin(timeoutMs: number): string {
  const lockTimeoutMs = Math.max(1, Math.floor(timeoutMs * LOCK_SHARE))
  return [
    'BEGIN',
    `SET LOCAL statement_timeout = ${timeoutMs}`,
    `SET LOCAL lock_timeout = ${lockTimeoutMs}`,
    `SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs}`,
  ].join('; ')
}

/** After blanks and comments. Savepoints and ROLLBACK TO are the handler's to use. */
const CONTROL =
  /^(?:\s|;|--[^\n]*\n|\/\*[^]*?\*\/)*(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b/i

function controlsTransaction(text: string): boolean {
  return CONTROL.test(text)
}
