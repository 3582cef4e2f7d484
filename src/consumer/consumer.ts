/**
 * The loop: facts go to the engine, its commands are performed through the ports, and what comes of them is fed back as
 * facts. Callbacks only enqueue. Nothing here decides anything.
 */
import { decodeCompletions } from '../core/completions.ts'
import { Engine, type EngineOptions } from '../core/engine.ts'
import type { Command, Fact, OffsetToCommit, Sentence, Task } from '../core/facts.ts'
import type { EngineStatus } from '../core/status.ts'
import { type AttemptPorts, attempt } from './attempt.ts'
import { describe } from './errors.ts'
import { HandOvers } from './hand-overs.ts'
import { Intake, type IntakeRecord } from './intake.ts'
import { Lookup } from './lookup.ts'
import { Loop, nowOf } from './loop.ts'
import type {
  Assignment,
  Clock,
  DeadLetters,
  Decoder,
  Log,
  Random,
  RecordSource,
  Restored,
  SourceListener,
  Telemetry,
  UnitOfWork,
} from './ports.ts'
import { letterOf, logDeadLetters, logFailure } from './reports.ts'
import type { Routes } from './routes.ts'
import { Running } from './running.ts'

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

export class Consumer {
  readonly #ports: ConsumerPorts
  readonly #loop: Loop
  readonly #intake: Intake
  readonly #attemptPorts: AttemptPorts
  readonly #running = new Running()
  readonly #drained = Promise.withResolvers<Drained>()
  readonly #failed = Promise.withResolvers<string>()
  readonly #joined = Promise.withResolvers<void>()
  #cancelWake: (() => void) | null = null
  readonly #handOvers = new HandOvers()
  /** What the source said last; a join says nothing of it: a topic may be missing all the while. */
  #waiting: string | null = null
  #hasJoined = false
  /** Of the last commit; what lasts (a permission that is missing) is said once, not with every commit. */
  #commitError: string | null = null
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
      onHandling: task => this.#running.handling(task, clock.nowMs()),
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
    reasons.push(...this.#running.stuck(this.#ports.clock.nowMs()))
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
        this.#loop.feed({ type: 'joined', assignments })
        // What is being revoked is not named and still ours: a later join may leave it with us, and its answers must not be missing then.
        this.#intake.retain(this.#loop.status().partitions)
        this.#joined.resolve()
      },
      restored: stored => this.#restored(stored),
      revoking: assignments => this.#revoking(assignments),
      revoked: assignments => {
        this.#intake.forget(assignments)
        this.#loop.feed({ type: 'revoked', assignments })
      },
      held: ({ assignment, why }) => this.#loop.feed({ type: 'held', assignment, why }),
      renewed: ({ gone, assignment }) => {
        this.#intake.forget([gone])
        this.#loop.feed({ type: 'revoked', assignments: [gone] }, { type: 'assigned', assignments: [assignment] })
      },
      lost: why => {
        this.#intake.retain([])
        this.#loop.feed({ type: 'lost' })
        log.warn({ why }, 'every partition was lost; joining the group anew')
      },
      answered: answer => this.#intake.accept(answer),
      offsetsKnown: offsets => this.#loop.feed({ type: 'offsetsKnown', offsets }),
      missed: ({ assignment: { topic, partition }, ...range }) => {
        telemetry.missed({ topic, partition, ...range })
      },
      membershipConfirmed: askedAtMs => this.#loop.feed({ type: 'membershipConfirmed', askedAtMs }),
      fetchDone: cost => telemetry.fetchDone(cost),
      waiting: why => {
        if (why !== null && why !== this.#waiting) log.warn({ why }, 'waiting for Kafka')
        this.#waiting = why
      },
      failed: error => this.#die(describe(error)),
    }
  }

  #restored({ assignment, committed, metadata }: Restored): void {
    const completions = committed === null ? null : decodeCompletions(metadata, { committed })
    this.#intake.restore(assignment, completions)
    this.#loop.feed({ type: 'restored', assignment, committed, completions })
  }

  #revoking(assignments: readonly Assignment[]): Promise<void> {
    if (this.#fatal !== null) return Promise.resolve()
    const handedOver = this.#handOvers.begin(assignments)
    this.#loop.feed({ type: 'revoking', assignments })
    return handedOver
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
    this.#running.abortAll()
    this.#failed.resolve(why)
    this.#handOvers.endAll()
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
      case 'detach':
        for (const { raw } of command.records) raw.detach?.()
        return
      case 'abort':
        return this.#running.abort(command.tasks)
      case 'wakeAt':
        this.#cancelWake?.()
        this.#cancelWake = this.#ports.clock.at(command.atMs, () => this.#loop.feed({ type: 'ticked' }))
        return
      case 'rejoin':
        return source.rejoin(command.why)
      case 'handedOver':
        return this.#handOvers.end(command.assignments)
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
    const fact = await attempt(task, this.#running.begin(task), this.#attemptPorts)
    this.#running.end(task)
    if (fact.type === 'failed') logFailure(fact, this.#ports.log)
    this.#loop.feedSoon(fact)
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
    const result = await this.#ports.source.commit(offsets)
    const before = this.#commitError
    this.#commitError = result.ok ? null : result.error
    if (result.ok) return this.#loop.feed({ type: 'committed', offsets })
    const level = result.error === before ? 'debug' : 'warn'
    this.#ports.log[level](
      { cause: result.cause, error: result.error },
      'a commit failed; the next one is computed anew',
    )
    this.#loop.feed({ ...result, type: 'commitFailed' })
  }
}
