/** One transaction on the memory database's side: what it did is applied when it commits, and nobody sees it before. */
import { ClaimBusy, CommitUnknown, TransactionAborted, UnitClosed } from '../../consumer/errors.ts'
import type { Claim, Failure, Known } from '../../consumer/ports.ts'
import { type Holder, MemoryFailure, type MemoryInbox } from './inbox.ts'

const TIMED_OUT: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }
const ABORTED: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }

/** Nobody sees it: who has left asks for nothing more. */
const CLOSED = new UnitClosed()

export interface SessionOptions {
  readonly inbox: MemoryInbox
  readonly claim: Claim
  readonly timeoutMs: number
  /** The server ended it. */
  readonly onLost: (error: Error) => void
}

export class Session implements Holder {
  readonly #options: SessionOptions
  readonly #ended = Promise.withResolvers<void>()
  /** Rejects what waits here when the session ends. */
  readonly #broken = Promise.withResolvers<never>()
  readonly #effects: unknown[] = []
  #lost: Error | null = null
  #aborted = false
  #busy = false
  #isClientGone = false
  /** COMMIT is under way and nothing stops it any more. */
  #isCommitting = false
  #cancelIdle: (() => void) | null = null

  constructor(options: SessionOptions) {
    this.#options = options
    this.#broken.promise.catch(() => undefined)
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Null: it is ours. Else what is known of it. */
  async connectAndClaim(): Promise<Known | null> {
    const { inbox } = this.#options
    await inbox.awake()
    // The client may have given up meanwhile, or the server ended it.
    if (this.#lost !== null) throw this.#lost
    inbox.connect(this)
    return this.#work(() => this.#claim())
  }

  async #claim(): Promise<Known | null> {
    const { inbox, claim, timeoutMs } = this.#options
    const { clock, claimDurationMs } = inbox
    const untilMs = clock.nowMs() + timeoutMs
    if (claimDurationMs > 0) await this.#waitUntil(clock.nowMs() + claimDurationMs)
    for (let other = inbox.hold(claim, this); other !== null; other = inbox.hold(claim, this)) {
      if (clock.nowMs() >= untilMs) throw new ClaimBusy(null)
      await this.#waitUntil(untilMs, other.ended)
    }
    return inbox.known(claim)
  }

  run(text: string, values: readonly unknown[]): Promise<void> {
    return this.#work(async () => {
      if (this.#aborted) throw new MemoryFailure(ABORTED)
      if (text === 'effect') this.#effects.push(values[0])
      if (text !== 'hang' && text !== 'fail') return
      if (text === 'hang') await this.#waitUntil(this.#options.inbox.clock.nowMs() + this.#options.timeoutMs)
      this.#aborted = true
      // Boundary: tests and simulations alone write these statements, and give a failure with `fail`.
      throw new MemoryFailure(text === 'hang' ? TIMED_OUT : ((values[0] ?? ABORTED) as Failure))
    })
  }

  /** Rejects with `CommitUnknown` where the answer gets lost. */
  commit(): Promise<void> {
    return this.#work(async () => {
      const { inbox, claim } = this.#options
      if (this.#aborted) {
        this.#end(CLOSED)
        throw new TransactionAborted()
      }
      const fate = inbox.takeFate(claim)
      if (fate !== null && typeof fate === 'object' && 'lateMs' in fate) {
        // Its claim is held until then.
        this.#isCommitting = true
        inbox.clock.at(inbox.clock.nowMs() + fate.lateMs, () => this.#keep())
        throw new CommitUnknown('as asked for')
      }
      if (fate !== null && typeof fate === 'object') {
        this.#end(CLOSED)
        throw new MemoryFailure(fate)
      }
      if (fate === 'unknown-lost') this.#end(CLOSED)
      else this.#keep()
      if (fate !== null) throw new CommitUnknown('as asked for')
    })
  }

  /** ROLLBACK, or a client whose socket is closed: under a running statement the server looks for that from time to time only. */
  leave(): void {
    this.#isClientGone = true
    if (this.#isCommitting) return
    const { clock, connectionCheckMs } = this.#options.inbox
    if (!this.#busy || connectionCheckMs === 0) return this.#end(CLOSED)
    clock.at(clock.nowMs() + connectionCheckMs, () => this.#end(CLOSED))
  }

  lose(error: Error): void {
    if (this.#lost !== null) return
    this.#end(error)
    this.#options.onLost(error)
  }

  async #work<T>(statement: () => Promise<T>): Promise<T> {
    await this.#options.inbox.awake()
    if (this.#lost !== null) throw this.#lost
    this.#cancelIdle?.()
    this.#busy = true
    try {
      return await statement()
    } finally {
      this.#busy = false
      if (this.#isClientGone && !this.#isCommitting) this.#end(CLOSED)
      else this.#watchIdle()
    }
  }

  #keep(): void {
    if (this.#lost !== null) return
    const { inbox, claim } = this.#options
    inbox.keep(claim, this.#effects)
    this.#end(CLOSED)
  }

  /** Until then, or until `fact`; rejects when the session ends meanwhile. */
  async #waitUntil(atMs: number, fact?: Promise<void>): Promise<void> {
    const due = Promise.withResolvers<void>()
    const cancel = this.#options.inbox.clock.at(atMs, due.resolve)
    try {
      await Promise.race([due.promise, this.#broken.promise, ...(fact === undefined ? [] : [fact])])
    } finally {
      cancel()
    }
    // Both may have come at once: a session that has ended holds nothing.
    if (this.#lost !== null) throw this.#lost
  }

  /** As Postgres ends a session that stays idle in its transaction, so that a stopped process lets go of its claims. */
  #watchIdle(): void {
    if (this.#lost !== null || this.#isCommitting) return
    const { inbox, timeoutMs } = this.#options
    this.#cancelIdle = inbox.clock.at(inbox.clock.nowMs() + timeoutMs, () => this.lose(new MemoryFailure(TIMED_OUT)))
  }

  #end(why: Error): void {
    if (this.#lost !== null) return
    const { inbox, claim } = this.#options
    this.#lost = why
    this.#cancelIdle?.()
    this.#broken.reject(why)
    inbox.leave(claim, this)
    this.#ended.resolve()
  }
}
