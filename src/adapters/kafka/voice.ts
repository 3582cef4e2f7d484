/** The source's one way to its listener: nothing after `stop`, and nothing again that is news only once. */
import type { SourceListener } from '../../consumer/ports.ts'

/** Who has a reason to say that nothing comes. The first of this order that has one is quoted. */
const WAITERS = ['start', 'topic', 'broker', 'permission', 'fetch'] as const
export type Waiter = (typeof WAITERS)[number]

type Told<Method extends keyof SourceListener> = Parameters<SourceListener[Method]>[0]

export class Voice implements Omit<SourceListener, 'waiting'> {
  readonly #listener: SourceListener
  #isSilent = false
  readonly #reasons = new Map<Waiter, string>()
  #waitingSaid: string | null = null

  constructor(listener: SourceListener) {
    this.#listener = listener
  }

  joined(assignments: Told<'joined'>): void {
    if (!this.#isSilent) this.#listener.joined(assignments)
  }

  restored(stored: Told<'restored'>): void {
    if (!this.#isSilent) this.#listener.restored(stored)
  }

  async revoking(assignments: Told<'revoking'>): Promise<void> {
    if (!this.#isSilent && assignments.length > 0) await this.#listener.revoking(assignments)
  }

  revoked(assignments: Told<'revoked'>): void {
    if (!this.#isSilent && assignments.length > 0) this.#listener.revoked(assignments)
  }

  renewed(partition: Told<'renewed'>): void {
    if (!this.#isSilent) this.#listener.renewed(partition)
  }

  held(partition: Told<'held'>): void {
    if (!this.#isSilent) this.#listener.held(partition)
  }

  lost(why: string): void {
    if (!this.#isSilent) this.#listener.lost(why)
  }

  missed(range: Told<'missed'>): void {
    if (!this.#isSilent) this.#listener.missed(range)
  }

  failed(error: Error): void {
    if (!this.#isSilent) this.#listener.failed(error)
  }

  answered(answer: Told<'answered'>): void {
    if (!this.#isSilent) this.#listener.answered(answer)
  }

  offsetsKnown(offsets: Told<'offsetsKnown'>): void {
    if (!this.#isSilent) this.#listener.offsetsKnown(offsets)
  }

  membershipConfirmed(askedAtMs: number): void {
    if (!this.#isSilent) this.#listener.membershipConfirmed(askedAtMs)
  }

  fetchDone(cost: Told<'fetchDone'>): void {
    if (!this.#isSilent) this.#listener.fetchDone(cost)
  }

  /** `null`: this waiter has no reason any more. Repeats are not said again. */
  waiting(waiter: Waiter, why: string | null): void {
    if (why === null) this.#reasons.delete(waiter)
    else this.#reasons.set(waiter, why)
    const first = WAITERS.find(each => this.#reasons.has(each))
    const text = first === undefined ? null : (this.#reasons.get(first) ?? null)
    if (text === this.#waitingSaid) return
    this.#waitingSaid = text
    if (!this.#isSilent) this.#listener.waiting(text)
  }

  silence(): void {
    this.#isSilent = true
  }
}

/** What is said of topics that are not there (yet). */
export function missingText(missing: readonly string[]): string {
  return missing.length === 1
    ? `topic ${missing[0] ?? ''} does not exist; it is waited for`
    : `topics ${missing.join(', ')} do not exist; they are waited for`
}
