/** One attempt's transaction in memory, as the process sees it: what it knows of its session is what has come over the link. */
import { ClaimLost, CommitUnknown, Unavailable, UnitClosed } from '../../consumer/errors.ts'
import type { Claim, Known, Transaction, Unit, UnitPhase } from '../../consumer/ports.ts'
import { MemoryFailure, type MemoryInbox } from './inbox.ts'
import { Link, type Network } from './link.ts'
import { Session } from './session.ts'

export interface UnitOptions {
  readonly inbox: MemoryInbox
  readonly network: Network
  /** Resolves when there is a connection for it; the answer gives it back. */
  readonly checkOut: () => Promise<() => void>
  /** Called when it holds nothing any more. */
  readonly onEnd: (unit: MemoryUnit) => void
}

/** How much longer than its own timeouts the server may take to answer; then it is taken for frozen. As the Postgres adapter has it. */
const ANSWER_MARGIN_MS = 1_000

export class MemoryUnit implements Unit {
  readonly tx: Transaction
  readonly #options: UnitOptions
  readonly #claim: Claim
  readonly #timeoutMs: number
  readonly #link: Link
  readonly #session: Session
  /** Rejects what waits when the connection breaks or the attempt is given up. */
  readonly #broken = Promise.withResolvers<never>()
  #phase: UnitPhase = 'unopened'
  #taking = true
  #known: Known | null = null
  #opening: Promise<void> | null = null
  #lost: Error | null = null
  #isCommitSent = false
  #isCommitted = false
  /** Statements run one after the other, as on a connection. */
  #tail: Promise<void> = Promise.resolve()
  #release: () => void = () => undefined

  constructor(options: UnitOptions, claim: Claim, timeoutMs: number) {
    this.#options = options
    this.#claim = claim
    this.#timeoutMs = timeoutMs
    this.#link = new Link(options.network)
    const onLost = (error: Error): void => this.#link.hear(() => this.#end(error))
    this.#session = new Session({ inbox: options.inbox, claim, timeoutMs, onLost })
    this.tx = {
      query: async (text, values) => {
        const statement = typeof text === 'string' ? { text, values } : { values, ...text }
        await this.#query(statement.text, statement.values ?? [])
        return { rows: [], rowCount: 0 }
      },
    }
    // Nobody need be waiting when it breaks.
    this.#broken.promise.catch(() => undefined)
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
      await this.#open()
      await this.#tail
      if (this.#lost !== null) throw this.#lost
      this.#isCommitSent = true
      await this.#ask(() => this.#session.commit())
      this.#isCommitted = true
      return null
    } catch (error) {
      if (error instanceof ClaimLost) return this.#known
      throw error
    } finally {
      this.#end(new UnitClosed())
    }
  }

  async abandon(): Promise<void> {
    if (!this.#taking) return
    this.destroy()
    // The way of a ROLLBACK and of its answer.
    const { network } = this.#options
    if (network !== null)
      await new Promise<void>(
        resolve => void network.clock.at(network.clock.nowMs() + 2 * network.latencyMs(), resolve),
      )
  }

  destroy(): void {
    this.#taking = false
    this.#end(new UnitClosed())
  }

  /** Its process is gone, and knows nothing of it; the server finds out. */
  vanish(): void {
    this.#link.tell(() => this.#session.leave())
  }

  async #query(text: string, values: readonly unknown[]): Promise<void> {
    if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
    if (!this.#taking) throw new UnitClosed()
    await this.#open()
    const done = this.#tail.then(() => {
      if (this.#lost !== null) throw this.#lost
      return this.#ask(() => this.#session.run(text, values))
    })
    // Whoever asked has the error; the chain only keeps the order.
    this.#tail = done.catch(() => undefined)
    await done
  }

  /** Once: who comes later waits for the same claim, or fails as the first did. */
  #open(): Promise<void> {
    this.#opening ??= this.#connectAndClaim()
    return this.#opening
  }

  async #connectAndClaim(): Promise<void> {
    try {
      if (this.#lost !== null) throw this.#lost
      this.#enter('connecting')
      await this.#checkOut()
      this.#enter('claiming')
      this.#known = await this.#ask(() => this.#session.connectAndClaim())
      if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
      this.#enter('open')
    } catch (error) {
      this.#end(new UnitClosed())
      throw error
    }
  }

  async #checkOut(): Promise<void> {
    const checkedOut = this.#options.checkOut()
    try {
      this.#release = await Promise.race([checkedOut, this.#broken.promise])
    } catch (error) {
      void checkedOut.then(
        release => release(),
        () => undefined,
      )
      throw error
    }
  }

  /** Rejects as the server does, when the connection breaks, and when nothing comes in time. */
  async #ask<T>(serve: () => Promise<T>): Promise<T> {
    const { network } = this.#options
    const cancel = network?.clock.at(network.clock.nowMs() + this.#timeoutMs + ANSWER_MARGIN_MS, () =>
      this.#end(new Unavailable('database', 'no answer in time')),
    )
    try {
      return await Promise.race([this.#link.ask(serve), this.#broken.promise])
    } finally {
      cancel?.()
    }
  }

  #end(why: Error): void {
    if (this.#lost !== null) return
    this.#lost = why
    this.#enter('closed')
    // A server that said why has kept nothing; one that was cut off may have kept everything.
    const isUnknown = this.#isCommitSent && !(why instanceof MemoryFailure)
    this.#broken.reject(isUnknown ? new CommitUnknown(why) : why)
    if (!this.#isCommitted) this.#link.tell(() => this.#session.leave())
    this.#release()
    this.#options.onEnd(this)
  }

  /** One way: what ended meanwhile stays closed. */
  #enter(phase: UnitPhase): void {
    if (this.#phase !== 'closed') this.#phase = phase
  }
}
