/** A member's connection to its coordinator: what is asked there gets there, or not, and its answer comes back, or not. */
import type { Clock, CommitFailure } from '../../consumer/ports.ts'
import { type BrokerFaults, LATENCY_MS, type LinkFaults, type MemberSide } from './broker-types.ts'
import { Link } from './link.ts'
import type { Timers } from './timers.ts'

/** As many as a broker's answer of some hundred kilobytes may hold. */
const ANSWER_OFFSETS_MAX = 500

/** The broker's faults and this source's own, as one. */
export class LineFaults {
  readonly #all: BrokerFaults
  readonly #own: LinkFaults
  readonly #random: () => number

  constructor(broker: MemberSide, own: LinkFaults) {
    this.#all = broker.faults
    this.#own = own
    this.#random = broker.random
  }

  get down(): boolean {
    return this.#all.down || this.#own.down
  }

  get coordinatorMoving(): boolean {
    return this.#all.coordinatorMoving
  }

  get commits(): CommitFailure | null {
    return this.#own.commits ?? this.#all.commits
  }

  get hangCommits(): boolean {
    return this.#all.hangCommits || this.#own.hangCommits
  }

  get holdCommitAnswers(): boolean {
    return this.#all.holdCommitAnswers || this.#own.holdCommitAnswers
  }

  get loseHeartbeats(): boolean {
    return this.#all.loseHeartbeats || this.#own.loseHeartbeats
  }

  get answerOffsetsMax(): number {
    return this.#own.answerOffsetsMax ?? this.#all.answerOffsetsMax ?? ANSWER_OFFSETS_MAX
  }

  /** Of one way, drawn anew each time. */
  drawLatencyMs(): number {
    const range = this.#own.latencyMs ?? this.#all.latencyMs
    return range === null ? LATENCY_MS : range.min + (range.max - range.min) * this.#random()
  }
}

interface Patience {
  readonly timeoutMs: number
  /** Is asked again by the client itself when its connection breaks; the others are told. */
  readonly throughOutages?: boolean
}

export class Line {
  readonly faults: LineFaults
  readonly #link: Link
  readonly #timers: Timers
  /** Who waits for an answer, and whether through outages. */
  readonly #waiting = new Map<() => void, boolean>()

  constructor({ world, clock, faults, timers }: { world: Clock; clock: Clock; faults: LineFaults; timers: Timers }) {
    this.faults = faults
    this.#timers = timers
    this.#link = new Link({ clock, world, latencyMs: () => faults.drawLatencyMs() })
  }

  /** `serve` is called on the broker's side. Null: there was no answer within the time, or it is waited for no more. */
  async ask<Answer>(
    serve: () => Answer | Promise<Answer>,
    { timeoutMs, throughOutages = false }: Patience,
  ): Promise<Answer | null> {
    const late = Promise.withResolvers<null>()
    const giveUp = (): void => late.resolve(null)
    this.#waiting.set(giveUp, throughOutages)
    const cancel = this.#timers.after(timeoutMs, giveUp)
    try {
      return await Promise.race([this.#asked(serve), late.promise])
    } finally {
      cancel()
      this.#waiting.delete(giveUp)
    }
  }

  /** Nobody waits for an answer. */
  tell(message: () => void): void {
    this.#link.tell(() => {
      if (!this.faults.down && !this.faults.coordinatorMoving) message()
    })
  }

  /** Who waits for an answer gets none. */
  breakOff(): void {
    for (const [giveUp, throughOutages] of this.#waiting) if (!throughOutages) giveUp()
  }

  close(): void {
    for (const giveUp of this.#waiting.keys()) giveUp()
  }

  #asked<Answer>(serve: () => Answer | Promise<Answer>): Promise<Answer> {
    return this.#link.ask(async () => {
      if (this.faults.down) return await nobodyAnswers<Answer>()
      const answer = await serve()
      return this.faults.down ? await nobodyAnswers<Answer>() : answer
    })
  }
}

function nobodyAnswers<Answer>(): Promise<Answer> {
  return new Promise(() => {})
}
