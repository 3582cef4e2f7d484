/** One connection while somebody has it: statements one after the other, errors in our words, and never back into the pool unless healthy. */
import type { PoolClient } from 'pg'
import { UnitClosed } from '../../consumer/errors.ts'
import { classify, fromClient, sqlstateOf } from './classify.ts'

/** As pg takes it; its other fields (`rowMode`, `types`) pass through. */
export interface Statement {
  /** Prepared once a connection under this name. */
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[] | undefined
}

export interface Answer<Row> {
  readonly rows: Row[]
  readonly rowCount: number | null
  /** The command tag: `INSERT`, `COMMIT`, `ROLLBACK`. */
  readonly command: string
}

/** How much longer than its own timeouts the server may take to say that one has passed; then it is taken for frozen. A guess, never tuned. */
const ANSWER_MARGIN_MS = 1_000

/** A ROLLBACK takes no time; a server that needs longer loses the connection. A guess, never tuned. */
const ROLLBACK_TIMEOUT_MS = 1_000

/** The server no longer has a statement that pg believes to be prepared here: only a new connection prepares it again. */
const STALE = new Set(['26000', '0A000'])

export class Connection {
  readonly #client: PoolClient
  readonly #released: () => void
  #state: 'ours' | 'refusing' | 'gone' = 'ours'
  /** Why this connection can no longer be used. The first reason is the true one: later ones only report a closed socket. */
  #lost: unknown = null
  #reusable = true
  #waiting = 0
  #tail: Promise<unknown> = Promise.resolve()

  constructor(client: PoolClient, released: () => void) {
    this.#client = client
    this.#released = released
    client.on('error', this.#onError)
  }

  /** Why it broke, or null: an idle session that the server ended is known before the next statement. */
  get lost(): unknown {
    return this.#lost
  }

  /** False when no transaction is open: true while it is open and while it is aborted. */
  get inTransaction(): boolean {
    return this.#client.getTransactionStatus() !== 'I'
  }

  /** Statements run in the order of the calls. `timeoutMs` is what the server was told; the answer is awaited a little longer. */
  query<Row>(statement: Statement, timeoutMs: number): Promise<Answer<Row>> {
    // After ROLLBACK was asked for, a statement would run outside of any transaction, and keep its effect.
    if (this.#state !== 'ours') return Promise.reject(new UnitClosed())
    // pg has a queue of its own, but it is deprecated and it cannot take back what was not sent yet.
    const answer = this.#tail.then(() => this.#send<Row>(statement, timeoutMs))
    // The caller has the error; the chain only keeps the order.
    this.#tail = answer.catch(() => undefined)
    this.#waiting++
    return answer
  }

  /** Ends the transaction without effect, then gives the connection back. Behind a running statement it would have to queue: then the connection is closed. Never rejects. */
  async rollBack(): Promise<void> {
    if (this.#state !== 'ours') return
    if (this.#waiting > 0) return this.destroy()
    const rolledBack = this.query({ text: 'ROLLBACK' }, ROLLBACK_TIMEOUT_MS)
    this.#state = 'refusing'
    // Whatever went wrong, `release` sees that the transaction is not over and closes the connection.
    await rolledBack.catch(() => undefined)
    this.release()
  }

  /** Back to the pool when healthy, else closed. */
  release(): void {
    if (this.#lost !== null || !this.#reusable || this.#waiting > 0 || this.inTransaction) return this.destroy()
    if (!this.#leave()) return
    this.#client.release()
    this.#client.off('error', this.#onError)
  }

  /** Closes the socket at once, under whatever runs. Safe at any time. */
  destroy(): void {
    if (!this.#leave()) return
    this.#client.release(true)
    // `release` says goodbye first, which a frozen server never hears.
    this.#client.connection.stream.destroy()
  }

  #leave(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'gone'
    this.#released()
    return true
  }

  readonly #onError = (error: unknown): void => {
    this.#lost ??= fromClient(error)
  }

  async #send<Row>({ text, values, ...more }: Statement, timeoutMs: number): Promise<Answer<Row>> {
    try {
      if (this.#lost !== null) throw this.#lost
      if (this.#state === 'gone') throw new UnitClosed()
      const query = {
        ...more,
        text,
        values: values === undefined ? [] : [...values],
        query_timeout: timeoutMs + ANSWER_MARGIN_MS,
      }
      const answer = await this.#client.query(query)
      return { rows: answer.rows, rowCount: answer.rowCount, command: answer.command }
    } catch (thrown) {
      throw this.#judged(fromClient(thrown))
    } finally {
      this.#waiting--
    }
  }

  #judged(error: unknown): unknown {
    const sqlstate = sqlstateOf(error)
    if (sqlstate !== null && STALE.has(sqlstate)) this.#reusable = false
    // A silent server's late answer would be taken for the next statement's.
    if (classify(error)?.kind === 'outage') this.#lost ??= error
    return error
  }
}
