/**
 * The source's one way to its listener. It holds what the port promises: nothing after `stop`, and during a hand-over nothing
 * but answers; what must be said then waits until it is over.
 */
import type { SourceListener } from '../../consumer/ports.ts'

/** Who has a reason to say that nothing comes. The first of this order that has one is quoted. */
const WAITERS = ['start', 'topic', 'broker', 'fetch'] as const
export type Waiter = (typeof WAITERS)[number]

type Joined = Parameters<SourceListener['joined']>[0]
type Answer = Parameters<SourceListener['answered']>[0]
type Offsets = Parameters<SourceListener['offsetsKnown']>[0]
type Missed = Parameters<SourceListener['missed']>[0]
type Cost = Parameters<SourceListener['fetchDone']>[0]

export class Voice {
  readonly #listener: SourceListener
  /** talking → handing over → talking …; silent is final. */
  #mode: 'talking' | 'handing over' | 'silent' = 'talking'
  #postponed: (() => void)[] = []
  readonly #reasons = new Map<Waiter, string>()
  #waitingSaid: string | null = null

  constructor(listener: SourceListener) {
    this.#listener = listener
  }

  get isHandingOver(): boolean {
    return this.#mode === 'handing over'
  }

  joined(assignments: Joined): void {
    this.#say(() => this.#listener.joined(assignments))
  }

  lost(why: string): void {
    this.#say(() => this.#listener.lost(why))
  }

  missed(range: Missed): void {
    this.#say(() => this.#listener.missed(range))
  }

  failed(error: Error): void {
    this.#say(() => this.#listener.failed(error))
  }

  answered(answer: Answer): void {
    if (this.#mode !== 'silent') this.#listener.answered(answer)
  }

  /** The three that are only worth something at once. */
  offsetsKnown(offsets: Offsets): void {
    if (this.#mode === 'talking') this.#listener.offsetsKnown(offsets)
  }

  membershipConfirmed(): void {
    if (this.#mode === 'talking') this.#listener.membershipConfirmed()
  }

  fetchDone(cost: Cost): void {
    if (this.#mode === 'talking') this.#listener.fetchDone(cost)
  }

  /** `null`: this waiter has no reason any more. Repeats are not said again. */
  waiting(waiter: Waiter, why: string | null): void {
    if (why === null) this.#reasons.delete(waiter)
    else this.#reasons.set(waiter, why)
    const first = WAITERS.find(each => this.#reasons.has(each))
    const text = first === undefined ? null : (this.#reasons.get(first) ?? null)
    if (text === this.#waitingSaid) return
    this.#waitingSaid = text
    this.#say(() => this.#listener.waiting(text))
  }

  /** The listener's own promise; until `handedOver` nothing but answers is said. */
  joining(): Promise<void> {
    if (this.#mode === 'silent') return Promise.resolve()
    this.#mode = 'handing over'
    return this.#listener.joining()
  }

  handedOver(): void {
    if (this.#mode !== 'handing over') return
    this.#mode = 'talking'
    const postponed = this.#postponed
    this.#postponed = []
    for (const say of postponed) say()
  }

  silence(): void {
    this.#mode = 'silent'
    this.#postponed = []
  }

  #say(say: () => void): void {
    if (this.#mode === 'talking') say()
    else if (this.#mode === 'handing over') this.#postponed.push(say)
  }
}

/** What is said of topics that are not there (yet). */
export function missingText(missing: readonly string[]): string {
  return missing.length === 1
    ? `topic ${missing[0] ?? ''} does not exist; it is waited for`
    : `topics ${missing.join(', ')} do not exist; they are waited for`
}
