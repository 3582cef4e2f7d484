/**
 * The loop: facts go to the engine, its commands are performed through the ports, and what comes of them is fed back as
 * facts. Callbacks only enqueue. Nothing here decides anything.
 */
import { Engine, type EngineOptions } from '../core/engine.ts'
import type { Command, Fact, OffsetToCommit, Sentence, Task } from '../core/facts.ts'
import { placeOf } from '../core/record.ts'
import type { EngineStatus } from '../core/status.ts'
import { type AttemptPorts, attempt, NobodyWaits } from './attempt.ts'
import { describe } from './errors.ts'
import { Intake, type IntakeRecord } from './intake.ts'
import { Lookup } from './lookup.ts'
import { Loop, nowOf } from './loop.ts'
import type {
  Clock,
  DeadLetters,
  Decoder,
  Log,
  Random,
  RecordSource,
  SourceListener,
  Telemetry,
  UnitOfWork,
} from './ports.ts'
import { letterOf, logDeadLetters, logFailure } from './reports.ts'
import type { Routes } from './routes.ts'

export interface ConsumerPorts {
  readonly source: RecordSource
  readonly decoder: Decoder
  readonly deadLetters: DeadLetters
  /** Null where no handler has an idempotency key. */
  readonly unitOfWork: UnitOfWork | null
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry<IntakeRecord>
  readonly log: Log
}

export interface ConsumerOptions extends Omit<EngineOptions, 'handlers' | 'random'> {
  readonly routes: Routes
}

export interface Drained {
  /** Records whose handlers had not ended when the time was up. */
  readonly unfinished: number
  /** Whether everything that settled is committed. */
  readonly committed: boolean
}

interface Running {
  readonly abort: AbortController
  /** When its silence is worth a restart, monotonic. Infinite until its handler is called: a database that is silent is no reason. */
  givenUpAtMs: number
}

/** A handler that has ignored its signal for so many of its timeouts is not coming back. */
const SILENT_TIMEOUTS_MAX = 3

export class Consumer {
  readonly #ports: ConsumerPorts
  readonly #loop: Loop
  readonly #intake: Intake
  readonly #attemptPorts: AttemptPorts
  readonly #running = new Map<Task<IntakeRecord>, Running>()
  readonly #drained = Promise.withResolvers<Drained>()
  readonly #failed = Promise.withResolvers<string>()
  readonly #joined = Promise.withResolvers<void>()
  #cancelWake: (() => void) | null = null
  #handedOver: (() => void) | null = null
  /** What the source said last; a join says nothing of it: a topic may be missing all the while. */
  #waiting: string | null = null
  #hasJoined = false
  #draining = false
  #fatal: string | null = null

  constructor(options: ConsumerOptions, ports: ConsumerPorts) {
    const { clock, random, unitOfWork, telemetry, log, decoder } = ports
    const { routes } = options
    this.#ports = ports
    this.#loop = new Loop({
      engine: new Engine({ ...options, handlers: routes.handlers, random }, nowOf(clock)),
      clock,
      telemetry,
      perform: command => this.#perform(command),
      onBroken: why => this.#die(why),
    })
    const feed = (facts: Fact<IntakeRecord>[]) => this.#loop.feed(...facts)
    this.#intake = new Intake({ decoder, routes, clock, random, telemetry, log, feed })
    this.#attemptPorts = {
      database: unitOfWork === null ? null : { unitOfWork, lookup: new Lookup(unitOfWork) },
      clock,
      log,
      onDuplicate: (record, known) => telemetry.duplicate(record, known),
      onHandling: task => this.#handling(task),
      unanswered: new WeakSet(),
    }
  }

  /** Resolves when the client runs (see `RecordSource.start`), or when a stop came first. */
  async start(): Promise<void> {
    try {
      await this.#ports.source.start(this.#listener())
    } catch (error) {
      // A source that is stopped while it waits for its topics rejects: that is what was asked for.
      if (!this.#draining) throw error
    }
  }

  /**
   * Starts nothing new, finishes what is in flight, commits, and resolves; the group is not left yet. What still runs at
   * `deadlineMs` (monotonic) is aborted and left uncommitted. A second call returns the first's promise.
   */
  drain(deadlineMs: number): Promise<Drained> {
    if (this.#draining) return this.#drained.promise
    this.#draining = true
    this.#ports.clock.at(deadlineMs, () => this.#loop.feed({ type: 'drainTimedOut' }))
    this.#loop.feed({ type: 'stopRequested' })
    return this.#drained.promise
  }

  status(): EngineStatus {
    return this.#loop.status()
  }

  get registryError(): string | null {
    return this.#intake.registryError
  }

  /** Why nothing comes from Kafka, in a sentence; null when it does. */
  get waiting(): string | null {
    return this.#waiting ?? (this.#hasJoined ? null : 'connecting to Kafka')
  }

  /** What only a restart would cure, a line each. */
  dead(): string[] {
    const reasons = this.#fatal === null ? [] : [this.#fatal]
    if (!this.#ports.source.alive) reasons.push('the Kafka client is dead')
    const nowMs = this.#ports.clock.nowMs()
    for (const [{ assignment, record }, { givenUpAtMs }] of this.#running) {
      if (nowMs < givenUpAtMs) continue
      const who = `handler ${record.delivery?.handler.name} at ${placeOf(assignment)} offset ${record.offset}`
      reasons.push(`${who} has ignored its signal for ${SILENT_TIMEOUTS_MAX} timeouts`)
    }
    return reasons
  }

  /** Resolves with the first join, or with a stop that came before it. */
  get joined(): Promise<void> {
    return this.#joined.promise
  }

  /** Resolves, with the reason, when nothing can go on without a restart. */
  get failed(): Promise<string> {
    return this.#failed.promise
  }

  // ── Facts in ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #listener(): SourceListener {
    const { telemetry, log } = this.#ports
    return {
      joined: assignments => {
        this.#hasJoined = true
        this.#intake.retain(assignments)
        this.#loop.feed({ type: 'joined', assignments })
        this.#release()
        this.#joined.resolve()
      },
      lost: why => {
        this.#intake.retain([])
        this.#loop.feed({ type: 'lost' })
        this.#release()
        log.warn({ why }, 'every partition was lost; joining the group anew')
      },
      joining: () => {
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#handedOver = resolve
        this.#loop.feed({ type: 'joining' })
        return promise
      },
      answered: answer => this.#intake.accept(answer),
      offsetsKnown: offsets => this.#loop.feed({ type: 'offsetsKnown', offsets }),
      missed: ({ assignment: { topic, partition }, ...range }) => {
        telemetry.missed({ topic, partition, ...range })
      },
      membershipConfirmed: () => this.#loop.feed({ type: 'membershipConfirmed' }),
      fetchDone: cost => telemetry.fetchDone(cost),
      waiting: why => {
        if (why !== null && why !== this.#waiting) log.warn({ why }, 'waiting for Kafka')
        this.#waiting = why
      },
      failed: error => this.#die(describe(error)),
    }
  }

  #release(): void {
    this.#handedOver?.()
    this.#handedOver = null
  }

  /** A broken invariant or a dead client: nothing is started or committed any more. */
  #die(why: string): void {
    if (this.#fatal !== null) return
    this.#fatal = why
    this.#loop.stop()
    this.#ports.log.error(
      { why },
      'the consumer cannot go on: nothing more is started or committed; restart the process',
    )
    for (const { abort } of this.#running.values()) abort.abort(new NobodyWaits())
    this.#failed.resolve(why)
    this.#release()
    this.#drained.resolve({ unfinished: this.#running.size, committed: false })
  }

  // ── Commands out ────────────────────────────────────────────────────────────────────────────────────────────────────

  #perform(command: Command<IntakeRecord>): void {
    const { source } = this.#ports
    switch (command.type) {
      case 'start':
        for (const task of command.tasks) void this.#attempt(task)
        return
      case 'deadLetter':
        return void this.#deadLetter(command.sentences)
      case 'commit':
        return void this.#commit(command.offsets)
      case 'pause':
        return source.pause(command.assignments)
      case 'resume':
        return source.resume(command.assignments)
      case 'abort':
        for (const task of command.tasks) this.#running.get(task)?.abort.abort(new NobodyWaits())
        return
      case 'wakeAt':
        this.#cancelWake?.()
        this.#cancelWake = this.#ports.clock.at(command.atMs, () => this.#loop.feed({ type: 'ticked' }))
        return
      case 'rejoin':
        return source.rejoin(command.why)
      case 'handedOver':
        return this.#release()
      case 'stopped':
        this.#cancelWake?.()
        this.#intake.retain([])
        this.#joined.resolve()
        return this.#drained.resolve({ unfinished: command.unfinished, committed: command.committed })
      default:
        command satisfies never
    }
  }

  async #attempt(task: Task<IntakeRecord>): Promise<void> {
    const abort = new AbortController()
    this.#running.set(task, { abort, givenUpAtMs: Number.POSITIVE_INFINITY })
    const fact = await attempt(task, abort, this.#attemptPorts)
    this.#running.delete(task)
    if (fact.type === 'failed') logFailure(fact, this.#ports.log)
    this.#loop.feedSoon(fact)
  }

  #handling(task: Task<IntakeRecord>): void {
    const running = this.#running.get(task)
    const patienceMs = (task.record.delivery?.handler.timeoutMs ?? 0) * SILENT_TIMEOUTS_MAX
    if (running !== undefined) running.givenUpAtMs = this.#ports.clock.nowMs() + patienceMs
  }

  async #deadLetter(sentences: readonly Sentence<IntakeRecord>[]): Promise<void> {
    const { deadLetters, clock, log } = this.#ports
    const letters = sentences.map(sentence => letterOf(sentence, clock.wallMs()))
    try {
      await deadLetters.write(letters)
    } catch (error) {
      const { topic, partition } = letters[0] ?? {}
      const text = describe(error)
      log.error(
        { topic, partition, records: letters.length, error: text },
        'the dead letter topic did not take a record; its partition is held and the write is tried again',
      )
      return this.#loop.feedSoon({ type: 'deadLetterFailed', sentences, error: text })
    }
    logDeadLetters(letters, log)
    this.#loop.feedSoon({ type: 'deadLettered', sentences })
  }

  async #commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const result = await this.#ports.source.commit(offsets.map(offset => ({ ...offset, metadata: '' })))
    if (result.ok) return this.#loop.feed({ type: 'committed', offsets })
    this.#ports.log.warn({ cause: result.cause, error: result.error }, 'a commit failed; the next one is computed anew')
    this.#loop.feed({ type: 'commitFailed', cause: result.cause, error: result.error })
  }
}
