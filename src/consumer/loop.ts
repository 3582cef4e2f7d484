/** One writer: facts queue up here, and the engine sees them one batch after the other, never two at a time. */
import type { Engine } from '../core/engine.ts'
import type { Command, Fact, Now } from '../core/facts.ts'
import type { EngineStatus } from '../core/status.ts'
import { describe } from './errors.ts'
import type { IntakeRecord } from './intake.ts'
import type { Clock, Telemetry } from './ports.ts'

export interface LoopPorts {
  readonly engine: Engine<IntakeRecord>
  readonly clock: Clock
  readonly telemetry: Telemetry<IntakeRecord>
  readonly perform: (command: Command<IntakeRecord>) => void
  /** A broken invariant. Called once; the loop stands still from then on. */
  readonly onBroken: (why: string) => void
}

export class Loop {
  readonly #ports: LoopPorts
  #facts: Fact<IntakeRecord>[] = []
  #deciding = false
  #flushing = false
  #stopped = false

  constructor(ports: LoopPorts) {
    this.#ports = ports
  }

  /** Decides and performs at once; facts that arise meanwhile follow in the same call. */
  feed(...facts: Fact<IntakeRecord>[]): void {
    if (this.#stopped) return
    for (const fact of facts) this.#facts.push(fact)
    if (this.#deciding) return
    this.#deciding = true
    try {
      while (this.#facts.length > 0) this.#decide()
    } catch (error) {
      this.stop()
      this.#ports.onBroken(describe(error))
    } finally {
      this.#deciding = false
    }
  }

  /** At the end of this turn: attempts that end together make one decision. */
  feedSoon(fact: Fact<IntakeRecord>): void {
    if (this.#stopped) return
    this.#facts.push(fact)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.feed()
    })
  }

  /** Nothing is decided any more, and nothing is kept of what is still told. */
  stop(): void {
    this.#stopped = true
    this.#facts = []
  }

  status(): EngineStatus {
    return this.#ports.engine.status(nowOf(this.#ports.clock))
  }

  #decide(): void {
    const { engine, telemetry, clock, perform } = this.#ports
    const facts = this.#facts
    this.#facts = []
    const now = nowOf(clock)
    const commands = engine.decide(facts, now)
    telemetry.heard(facts, commands, now)
    for (const command of commands) perform(command)
  }
}

export function nowOf(clock: Clock): Now {
  return { nowMs: clock.nowMs(), wallMs: clock.wallMs() }
}
