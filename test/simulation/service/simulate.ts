/** One run: a seed becomes a scenario, the scenario happens, everything calms down, and all must be settled. */
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { DeadLetterTopic } from '../../../src/adapters/memory/dead-letters.ts'
import { memoryRegistry } from '../../../src/adapters/memory/decoder.ts'
import { MemoryInbox } from '../../../src/adapters/memory/inbox.ts'
import { memoryBroker } from '../../../src/adapters/memory/source.ts'
import { Consumer } from '../../../src/consumer/consumer.ts'
import { audit } from './audit.ts'
import { Checker } from './checker.ts'
import { fated, kept } from './effects.ts'
import { Fleet } from './fleet.ts'
import { written } from './letters.ts'
import { stored } from './offsets.ts'
import { isQuiet, lastWords } from './quiet.ts'
import { Chance } from './random.ts'
import { schemasOf, write } from './records.ts'
import type { ConsumerFactory, World } from './replica.ts'
import { type Scenario, scenarioOf } from './scenario.ts'
import { Trace } from './trace.ts'
import type { Counts, Invariant } from './vocabulary.ts'

export interface SimulateOptions {
  readonly consumerFactory?: ConsumerFactory
  /** Whether `trace` is wanted. */
  readonly trace?: boolean
}

export interface Simulated {
  readonly seed: number
  readonly scenario: Scenario
  /** Of all that happened, in its order. */
  readonly hash: string
  readonly counts: Counts
  readonly events: number
  readonly violation: { readonly invariant: Invariant; readonly message: string; readonly atMs: number } | null
  readonly trace: readonly string[] | null
}

/** From the end of the faults: longer than the longest backoff, session and handler together. */
const PATIENCE_MS = 90_000

/** More than any run takes; only what never ends gets there. */
const EVENTS_MAX = 200_000

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Simulated> {
  const scenario = scenarioOf(seed)
  const run = new SimulatedRun(scenario, options)
  const onRejection = (reason: unknown): void => {
    const words = reason instanceof Error ? `${reason.message} ${reason.stack ?? ''}` : String(reason)
    run.checker.broken('no-rejection-is-unhandled', words)
  }
  process.on('unhandledRejection', onRejection)
  // Nobody reads the stacks of errors that are planned, and collecting them is dear.
  const { stackTraceLimit } = Error
  if (options.trace !== true) Error.stackTraceLimit = 0
  try {
    await run.play()
    // Node looks for rejections that nobody handled between two turns.
    await new Promise(resolve => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', onRejection)
    Error.stackTraceLimit = stackTraceLimit
  }
  const { trace, checker, events } = run
  const { counts, violation } = checker
  return {
    seed,
    scenario,
    hash: trace.hash,
    counts,
    events,
    violation,
    trace: options.trace === true ? trace.lines : null,
  }
}

class SimulatedRun {
  readonly trace: Trace
  readonly checker: Checker
  events = 0
  readonly #world: World
  readonly #fleet: Fleet

  constructor(scenario: Scenario, { consumerFactory, trace = false }: SimulateOptions) {
    const { setting, seed } = scenario
    const clock = memoryClock()
    const nowMs = (): number => clock.nowMs()
    this.trace = new Trace({ keep: trace, nowMs })
    const checker = new Checker({ scenario, trace: this.trace, nowMs })
    this.checker = checker
    const broker = memoryBroker({
      clock,
      random: new Chance(seed, 'broker').next,
      sessionTimeoutMs: setting.sessionTimeoutMs,
      rebalanceTimeoutMs: setting.rebalanceTimeoutMs,
      metadataCharactersMax: setting.metadataCharactersMax,
      onStored: one => stored(checker, one),
    })
    const inbox = new MemoryInbox({
      clock,
      connectionCheckMs: 1_000,
      onKept: (claim, effects) => kept(checker, claim, effects),
      onFate: (claim, fate) => fated(checker, claim, fate),
    })
    const letters = new DeadLetterTopic({
      onWritten: letter => written(checker, letter),
    })
    this.#world = {
      scenario,
      clock,
      broker,
      inbox,
      registry: memoryRegistry(schemasOf()),
      letters,
      outside: { paymentsDown: false, tableMissing: false },
      checker,
      consumerFactory: consumerFactory ?? ((options, ports) => new Consumer(options, ports)),
    }
    this.#fleet = new Fleet(this.#world)
  }

  async play(): Promise<void> {
    const { scenario, broker, checker } = this.#world
    const { calmAtMs, topics } = scenario.setting
    for (const { name, partitions } of topics) broker.topic(name, partitions)
    write(this.#world)
    this.#fleet.begin()
    // From here on nothing is left over from who called us: what follows stands in turns of its own.
    await Promise.resolve()
    await this.#until(calmAtMs, () => false)
    checker.trace('', 'all faults are over')
    this.#fleet.calm()
    const isSettled = await this.#until(calmAtMs + PATIENCE_MS, () => isQuiet(checker, this.#fleet))
    if (!isSettled) return this.#fails(lastWords(checker, this.#fleet))
    await this.#stopAll()
  }

  async #stopAll(): Promise<void> {
    const { clock, checker } = this.#world
    const fleet = this.#fleet
    const last = fleet.running
    fleet.stopAll()
    const isOver = await this.#until(clock.nowMs() + PATIENCE_MS, () => fleet.isOver)
    if (!isOver) return this.checker.broken('a-stop-ends-in-time', 'a replica with nothing to do does not stop')
    for (const { name, drained } of last) {
      if (drained !== null && (drained.unfinished > 0 || !drained.committed))
        checker.broken('a-stop-ends-in-time', `${name} had nothing to do, and stopped with ${JSON.stringify(drained)}`)
    }
    audit(checker, this.#world)
    for (const book of checker.books.values()) {
      if ((book.committed ?? 0) !== book.end)
        checker.broken(
          'calm-settles-everything',
          `${book.topic}/${book.partition} is committed at ${book.committed}, not ${book.end}`,
        )
    }
  }

  #fails(message: string): void {
    this.checker.broken('calm-settles-everything', message)
  }

  /** Events one by one, each with all that follows from it within its turn, until it holds or the time has come. False when it never held. */
  async #until(endMs: number, holds: () => boolean): Promise<boolean> {
    const { clock } = this.#world
    for (;;) {
      if (this.checker.violation !== null) return true
      if (holds()) return true
      const nextMs = clock.nextAtMs()
      if (nextMs === null || nextMs > endMs) {
        clock.advanceTo(endMs)
        return false
      }
      clock.advanceToNext()
      this.events++
      if (this.events > EVENTS_MAX) {
        this.#fails(`it never comes to rest: ${EVENTS_MAX} events`)
        return true
      }
      // A tick comes when no microtask is left, whatever their number: it is asked for from within one.
      await new Promise<void>(resolve => process.nextTick(resolve))
      if (this.events % 1_000 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
}
