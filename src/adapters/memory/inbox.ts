/** What stands for the database server: rows, locks, and the faults that were asked for. Processes share one; each has sessions of its own. */
import { crc32 } from 'node:zlib'
import { Unavailable } from '../../consumer/errors.ts'
import type { Claim, Clock, Failure, Known } from '../../consumer/ports.ts'

export interface InboxRow {
  readonly handler: string
  readonly idempotencyKey: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly valueCrc32: number
}

/** The answer never comes, whether it happened or not or happens so much later; or the commit is refused. */
export type CommitFate = 'unknown-done' | 'unknown-lost' | { readonly lateMs: number } | Failure

/** A failure that was asked for, as the error that would have meant it. */
export class MemoryFailure extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(`a failure of kind ${failure.kind}, as asked for`)
    this.name = new.target.name
    this.failure = failure
  }
}

/** An open transaction, as the inbox sees it. */
export interface Holder {
  /** The connection broke under it: nothing of it is kept. */
  lose(error: Error): void
  readonly ended: Promise<void>
}

export interface InboxOptions {
  readonly clock: Clock
  /** How long the server runs a statement on after its client was gone. */
  readonly connectionCheckMs?: number
  /** Called when a transaction is kept, in the order of their commits. */
  readonly onKept?: (claim: Claim, effects: readonly unknown[]) => void
  /** Called when a commit does not end well. */
  readonly onFate?: (claim: Claim, fate: CommitFate) => void
}

export class MemoryInbox {
  readonly clock: Clock
  readonly connectionCheckMs: number
  readonly rows = new Map<string, InboxRow>()
  readonly effects: unknown[] = []
  claimDurationMs = 0
  readonly #options: InboxOptions
  readonly #fates: CommitFate[] = []
  readonly #holders = new Map<string, Holder>()
  /** Whoever is connected, claims held or waited for. */
  readonly #connected = new Set<Holder>()
  #away: Unavailable | null = null
  #silence: PromiseWithResolvers<void> | null = null

  constructor(options: InboxOptions) {
    this.#options = options
    this.clock = options.clock
    this.connectionCheckMs = options.connectionCheckMs ?? 0
  }

  refuseWhileAway(): void {
    if (this.#away !== null) throw this.#away
  }

  /** Resolves when the server works, which it does unless it hangs. */
  async awake(): Promise<void> {
    while (this.#silence !== null) await this.#silence.promise
  }

  down(): void {
    const away = new Unavailable('database', 'switched off')
    this.#away = away
    for (const holder of this.#connected) holder.lose(away)
  }

  /** From now on nobody is answered and nobody refused. */
  hang(): void {
    this.#silence ??= Promise.withResolvers<void>()
  }

  up(): void {
    this.#away = null
    this.#silence?.resolve()
    this.#silence = null
  }

  /** What becomes of the next commit; several calls, several commits. */
  nextCommit(fate: CommitFate): void {
    this.#fates.push(fate)
  }

  takeFate(claim: Claim): CommitFate | null {
    const fate = this.#fates.shift()
    if (fate !== undefined) this.#options.onFate?.(claim, fate)
    return fate ?? null
  }

  connect(holder: Holder): void {
    this.refuseWhileAway()
    this.#connected.add(holder)
  }

  /** Null: nobody else holds this claim, so it is `holder`'s until `leave`. */
  hold(claim: Claim, holder: Holder): Holder | null {
    const other = this.#holders.get(keyOf(claim))
    if (other !== undefined) return other
    this.#holders.set(keyOf(claim), holder)
    return null
  }

  leave(claim: Claim, holder: Holder): void {
    this.#connected.delete(holder)
    if (this.#holders.get(keyOf(claim)) === holder) this.#holders.delete(keyOf(claim))
  }

  known(claim: Claim): Known | null {
    const row = this.rows.get(keyOf(claim))
    if (row === undefined) return null
    const here = rowOf(claim)
    return {
      redelivered: row.topic === here.topic && row.partition === here.partition && row.offset === here.offset,
      conflicting: row.valueCrc32 !== here.valueCrc32,
    }
  }

  keep(claim: Claim, effects: readonly unknown[]): void {
    this.rows.set(keyOf(claim), rowOf(claim))
    this.effects.push(...effects)
    this.#options.onKept?.(claim, effects)
  }
}

function keyOf({ handler, idempotencyKey }: Claim): string {
  return JSON.stringify([handler, idempotencyKey])
}

function rowOf({ value, handler, idempotencyKey, topic, partition, offset }: Claim): InboxRow {
  return { handler, idempotencyKey, topic, partition, offset, valueCrc32: value === null ? 0 : crc32(value) }
}
