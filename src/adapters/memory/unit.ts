/** One attempt's transaction in memory: what it did is applied when it finishes, and nobody sees it before. */
import { ClaimBusy, ClaimLost, CommitUnknown, TransactionAborted, UnitClosed } from '../../consumer/errors.ts'
import type { Claim, Failure, Known, Transaction, Unit, UnitPhase } from '../../consumer/ports.ts'
import { type Holder, MemoryFailure, type MemoryInbox } from './inbox.ts'

const TIMED_OUT: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }
const ABORTED: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }

export class MemoryUnit implements Unit {
  readonly tx: Transaction
  readonly #inbox: MemoryInbox
  readonly #claim: Claim
  readonly #timeoutMs: number
  readonly #holder: Holder
  readonly #ended = Promise.withResolvers<void>()
  /** Rejects what waits when the connection breaks or the attempt is given up. */
  readonly #broken = Promise.withResolvers<never>()
  readonly #effects: unknown[] = []
  #phase: UnitPhase = 'unopened'
  #taking = true
  #known: Known | null = null
  #opening: Promise<void> | null = null
  #lost: Error | null = null
  #aborted = false
  /** Statements run one after the other, as on a connection. */
  #tail: Promise<void> = Promise.resolve()
  #cancelIdle: (() => void) | null = null

  constructor(inbox: MemoryInbox, claim: Claim, timeoutMs: number) {
    this.#inbox = inbox
    this.#claim = claim
    this.#timeoutMs = timeoutMs
    this.#holder = { lose: error => this.#end(error), ended: this.#ended.promise }
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
      this.#commit()
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
    this.#taking = false
    this.#end(new UnitClosed())
  }

  destroy(): void {
    this.#taking = false
    this.#end(new UnitClosed())
  }

  async #query(text: string, values: readonly unknown[]): Promise<void> {
    if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
    if (!this.#taking) throw new UnitClosed()
    await this.#open()
    const done = this.#tail.then(() => this.#run(text, values))
    // Whoever asked has the error; the chain only keeps the order.
    this.#tail = done.catch(() => undefined)
    await done
  }

  async #run(text: string, values: readonly unknown[]): Promise<void> {
    if (this.#lost !== null) throw this.#lost
    if (this.#aborted) throw new MemoryFailure(ABORTED)
    this.#watchIdle()
    if (text === 'effect') this.#effects.push(values[0])
    if (text === 'hang') await this.#broken.promise
    if (text === 'fail') {
      this.#aborted = true
      // Boundary: tests and simulations alone write this statement, and give a failure with it.
      throw new MemoryFailure((values[0] ?? ABORTED) as Failure)
    }
  }

  /** Once: who comes later waits for the same claim, or fails as the first did. */
  #open(): Promise<void> {
    this.#opening ??= this.#connectAndClaim()
    return this.#opening
  }

  async #connectAndClaim(): Promise<void> {
    try {
      this.#enter('connecting')
      this.#inbox.connect(this.#holder)
      this.#enter('claiming')
      await this.#claimEvent()
      this.#enter('open')
      this.#watchIdle()
    } catch (error) {
      this.#end(new UnitClosed())
      throw error
    }
  }

  async #claimEvent(): Promise<void> {
    const { clock, claimDurationMs } = this.#inbox
    const untilMs = clock.nowMs() + this.#timeoutMs
    if (claimDurationMs > 0) await this.#waitUntil(clock.nowMs() + claimDurationMs)
    for (;;) {
      const other = this.#inbox.hold(this.#claim, this.#holder)
      if (other === null) break
      if (clock.nowMs() >= untilMs) throw new ClaimBusy(null)
      await this.#waitUntil(untilMs, other.ended)
    }
    this.#known = this.#inbox.known(this.#claim)
    if (this.#known !== null) throw new ClaimLost(this.#claim.handler)
  }

  /** Until then, or until `fact`; rejects when the connection breaks meanwhile. */
  async #waitUntil(atMs: number, fact?: Promise<void>): Promise<void> {
    const due = Promise.withResolvers<void>()
    const cancel = this.#inbox.clock.at(atMs, due.resolve)
    try {
      await Promise.race([due.promise, this.#broken.promise, ...(fact === undefined ? [] : [fact])])
    } finally {
      cancel()
    }
  }

  #commit(): void {
    if (this.#lost !== null) throw this.#lost
    const fate = this.#inbox.fates.shift() ?? 'done'
    if (typeof fate === 'object') throw new MemoryFailure(fate)
    if (this.#aborted) throw new TransactionAborted()
    if (fate !== 'unknown-lost') this.#inbox.keep(this.#claim, this.#effects)
    if (fate !== 'done') throw new CommitUnknown('as asked for')
  }

  /** As Postgres ends a session that stays idle in its transaction, so that a stopped process lets go of its claims. */
  #watchIdle(): void {
    this.#cancelIdle?.()
    const { clock } = this.#inbox
    this.#cancelIdle = clock.at(clock.nowMs() + this.#timeoutMs, () => this.#end(new MemoryFailure(TIMED_OUT)))
  }

  #end(why: Error): void {
    this.#lost ??= why
    this.#enter('closed')
    this.#cancelIdle?.()
    this.#broken.reject(this.#lost)
    this.#inbox.leave(this.#claim, this.#holder)
    this.#ended.resolve()
  }

  /** One way: what ended meanwhile stays closed. */
  #enter(phase: UnitPhase): void {
    if (this.#phase !== 'closed') this.#phase = phase
  }
}
