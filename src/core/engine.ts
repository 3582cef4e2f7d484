/**
 * Facts in, commands out. The engine alone decides what starts, what is tried again, what is dead-lettered, what is
 * committed, who is paused and when the process may stop; it does none of it. Every change of its state is in `decide`, so
 * the same facts at the same times always give the same commands.
 */
import { assert } from './assert.ts'
import { Attempts } from './attempts.ts'
import type { BudgetLimits } from './budget.ts'
import { Commits } from './commits.ts'
import type { Command, Fact, Fetched, Now, OffsetsKnown, OffsetToCommit } from './facts.ts'
import { Gate, type HandlerPolicy } from './gate.ts'
import { Holdings } from './holdings.ts'
import { advance, type LifecycleState } from './lifecycle.ts'
import type { Partition } from './partition.ts'
import { pauseOrResume } from './pause.ts'
import type { Assignment, Taken } from './record.ts'
import { statusOf } from './stalls.ts'
import { Standing } from './standing.ts'
import type { EngineStatus } from './status.ts'

export interface EngineOptions {
  readonly handlers: readonly HandlerPolicy[]
  /** Records in handlers at once, whole process. */
  readonly inFlightMax: number
  readonly budget: BudgetLimits
  /** How far a partition's records may run ahead of its committable offset. */
  readonly windowMax: number
  readonly commitIntervalMs: number
  /** The broker's patience: after so much silence of the coordinator nothing is started. */
  readonly sessionTimeoutMs: number
  /** In [0, 1); seeded where a run must be repeatable. */
  readonly random: () => number
}

/** After so many failed commits of its partition a hand-over goes on without: what settled since the last good one is delivered again. */
const HANDOVER_COMMIT_FAILURES_MAX = 5

export class Engine<R extends Taken> {
  readonly #gate: Gate
  readonly #holdings: Holdings<R>
  readonly #commits: Commits<R>
  readonly #attempts: Attempts<R>
  #lifecycle: LifecycleState = 'starting'
  readonly #standing: Standing
  #drainTimedOut = false
  #wakeAtMs = Number.POSITIVE_INFINITY
  #commands: Command<R>[] = []
  #now: Now

  constructor(options: EngineOptions, now: Now) {
    this.#now = now
    this.#standing = new Standing(options.sessionTimeoutMs)
    this.#gate = new Gate(options.handlers, options.random)
    this.#holdings = new Holdings(options.budget, options.windowMax)
    const commits = new Commits<R>(options.commitIntervalMs, now.nowMs)
    this.#commits = commits
    this.#attempts = new Attempts({
      holdings: this.#holdings,
      gate: this.#gate,
      inFlightMax: options.inFlightMax,
      random: options.random,
      onSettled: partition => commits.moved(partition),
    })
  }

  /** The commands are to be performed in order, each answered by facts as its comment says. */
  decide(facts: readonly Fact<R>[], now: Now): Command<R>[] {
    this.#now = now
    this.#commands = []
    for (const fact of facts) this.#learn(fact)
    if (this.#lifecycle !== 'stopped') this.#act()
    return this.#commands
  }

  status(now: Now): EngineStatus {
    const standingStill = this.#standingStill(now)
    return {
      state: this.#lifecycle,
      joined: this.#standing.isMember,
      standingStill,
      inFlight: this.#attempts.running.length,
      ...statusOf({ holdings: this.#holdings, gate: this.#gate, standingStill, noSlot: this.#attempts.full, now }),
    }
  }

  // ── Learning: facts change what is known ────────────────────────────────────────────────────────────────────────────

  #learn(fact: Fact<R>): void {
    switch (fact.type) {
      case 'joined':
        return this.#joined(fact.assignments)
      case 'assigned':
        for (const assignment of fact.assignments) this.#holdings.add(assignment)
        return
      case 'revoking':
        return this.#revoking(fact.assignments)
      case 'revoked':
        for (const assignment of fact.assignments) this.#dropIfHeld(assignment)
        return
      case 'restored':
        this.#holdings.of(fact.assignment)?.restore(fact)
        return
      case 'lost':
        for (const partition of this.#holdings.all()) this.#drop(partition)
        return this.#standing.lost()
      case 'membershipConfirmed':
        return this.#standing.confirmed(fact.askedAtMs)
      case 'fetched':
        return this.#fetched(fact)
      case 'offsetsKnown':
        for (const known of fact.offsets) this.#offsetsKnown(known)
        return
      case 'held': {
        const partition = this.#holdings.of(fact.assignment)
        if (partition !== undefined) partition.sourceHeld = fact.why
        return
      }
      case 'intakeHeld': {
        const partition = this.#holdings.of(fact.assignment)
        if (partition !== undefined) partition.intakeHeld = fact.why
        return
      }
      case 'settled':
        return this.#attempts.settled(fact.task, this.#now)
      case 'failed':
        return this.#attempts.failed(fact.task, fact, this.#now)
      case 'deadLettered':
        return this.#attempts.deadLettered(fact.sentences)
      case 'deadLetterFailed':
        return this.#attempts.lettersRefused(fact.sentences, fact.error, this.#now)
      case 'committed':
        return this.#committed(fact.offsets)
      case 'commitFailed': {
        this.#stored(fact.stored ?? [])
        const rejoin = this.#commits.failed(fact.cause, this.#now.nowMs)
        if (rejoin) this.#command({ type: 'rejoin', why: `two commits in a row were refused: ${fact.error}` })
        if (fact.cause === 'fenced') this.#standing.fenced()
        return
      }
      case 'ticked':
        this.#wakeAtMs = Number.POSITIVE_INFINITY
        return
      case 'stopRequested':
        this.#lifecycle = advance(this.#lifecycle, 'draining')
        this.#commits.awaited()
        return
      case 'drainTimedOut':
        this.#drainTimedOut = true
        this.#commits.awaited()
        this.#command({ type: 'abort', tasks: this.#attempts.cutOff() })
        return
      default:
        fact satisfies never
    }
  }

  #joined(assignments: readonly Assignment[]): void {
    this.#lifecycle = advance(this.#lifecycle, 'running')
    this.#standing.joined()
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const partition of this.#holdings.all()) {
      if (partition.stay === 'staying' && !epochs.has(partition.assignment.epoch)) this.#drop(partition)
    }
    // Held in the order of their epochs: serving them in turn goes by it.
    for (const assignment of assignments.toSorted((one, other) => one.epoch - other.epoch)) {
      const partition = this.#holdings.of(assignment)
      if (partition === undefined) this.#holdings.add(assignment)
      else this.#stays(partition)
    }
  }

  #revoking(assignments: readonly Assignment[]): void {
    this.#commits.awaited()
    const gone: Assignment[] = []
    for (const assignment of assignments) {
      const partition = this.#lifecycle === 'stopped' ? undefined : this.#holdings.of(assignment)
      if (partition === undefined) gone.push(assignment)
      else partition.stay = 'leaving'
    }
    if (gone.length > 0) this.#command({ type: 'handedOver', assignments: gone })
  }

  /** Whoever waits for its hand-over is answered, whatever came between. */
  #stays(partition: Partition<R>): void {
    if (partition.stay === 'leaving') this.#command({ type: 'handedOver', assignments: [partition.assignment] })
    partition.stay = 'staying'
  }

  #dropIfHeld(assignment: Assignment): void {
    const partition = this.#holdings.of(assignment)
    if (partition !== undefined) this.#drop(partition)
  }

  #drop(partition: Partition<R>): void {
    this.#stays(partition)
    this.#commits.gone(partition)
    const tasks = this.#holdings.drop(partition)
    if (tasks.length > 0) this.#command({ type: 'abort', tasks })
  }

  #fetched(fetched: Fetched<R>): void {
    const partition = this.#holdings.of(fetched.assignment)
    if (partition === undefined) return
    for (const work of this.#holdings.take(partition, fetched, this.#now.nowMs)) this.#attempts.settledUnseen(work)
    this.#commits.moved(partition)
  }

  #offsetsKnown(known: OffsetsKnown): void {
    const partition = this.#holdings.of(known.assignment)
    if (partition === undefined) return
    partition.know(known)
    this.#commits.moved(partition)
  }

  #committed(offsets: readonly OffsetToCommit[]): void {
    this.#stored(offsets)
    this.#commits.ended()
    this.#standing.confirmed(this.#commits.sentAtMs)
  }

  #stored(offsets: readonly OffsetToCommit[]): void {
    for (const offset of offsets) {
      const partition = this.#holdings.of(offset.assignment)
      if (partition !== undefined) this.#commits.succeeded(partition, offset)
    }
  }

  // ── Acting: what is known decides what is done ──────────────────────────────────────────────────────────────────────

  #act(): void {
    const { nowMs } = this.#now
    // A probe may end without telling, as the last record in hand: a breaker must not stay open for want of another one.
    if (this.#holdings.budget.records === 0) this.#gate.forgetBreakers()
    if (this.#standingStill(this.#now) === null) this.#commands.push(...this.#attempts.start(this.#now))
    this.#pauseOrResume()
    const waitedFor = this.#lifecycle === 'draining' || this.#holdings.handOverNeedsCommit
    if (this.#standing.mayCommit && this.#commits.dueAtMs(waitedFor) <= nowMs) {
      const offsets = this.#commits.begin(nowMs)
      if (offsets.length > 0) this.#command({ type: 'commit', offsets })
    }
    const assignments = this.#holdings.takeHandedOver(
      partition => !this.#standing.mayCommit || this.#commits.failuresOf(partition) >= HANDOVER_COMMIT_FAILURES_MAX,
    )
    if (assignments.length > 0) this.#command({ type: 'handedOver', assignments })
    const records = this.#holdings.takeLongWaiting(nowMs)
    if (records.length > 0) this.#command({ type: 'detach', records })
    if (this.#lifecycle === 'draining' && this.#drained()) return this.#stop()
    this.#wake(waitedFor)
  }

  /** After its time one last try to commit is awaited, no more. */
  #drained(): boolean {
    if (this.#commits.underWay) return false
    if (this.#drainTimedOut) return this.#commits.idle || this.#commits.hasFailed || !this.#standing.mayCommit
    return this.#holdings.inFlight === 0 && (this.#commits.idle || !this.#standing.mayCommit)
  }

  #stop(): void {
    assert(this.#holdings.inFlight === 0 || this.#drainTimedOut, 'a stop in time leaves nothing in flight')
    for (const partition of this.#holdings.all()) this.#stays(partition)
    this.#lifecycle = advance(this.#lifecycle, 'stopped')
    this.#command({ type: 'stopped', unfinished: this.#attempts.unfinished, committed: this.#commits.idle })
  }

  /** Why nothing may start, anywhere; null when things may. */
  #standingStill({ nowMs }: Now): string | null {
    if (this.#lifecycle === 'draining' || this.#lifecycle === 'stopped') return 'stopping: nothing new is started'
    return this.#standing.whyStill(nowMs)
  }

  #pauseOrResume(): void {
    const { pause, resume } = pauseOrResume(this.#holdings, this.#lifecycle === 'draining')
    if (pause.length > 0) this.#command({ type: 'pause', assignments: pause })
    if (resume.length > 0) this.#command({ type: 'resume', assignments: resume })
  }

  /** What is due already waits for a fact, not for time: asking to be woken for it would never end. */
  #wake(waitedFor: boolean): void {
    const commitAtMs = this.#standing.mayCommit ? this.#commits.dueAtMs(waitedFor) : Number.POSITIVE_INFINITY
    const { nowMs } = this.#now
    const atMs = Math.min(
      ...[commitAtMs, this.#holdings.lookAtMs, ...this.#attempts.dueTimes()].filter(timeMs => timeMs > nowMs),
    )
    if (atMs >= this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    this.#command({ type: 'wakeAt', atMs })
  }

  #command(command: Command<R>): void {
    this.#commands.push(command)
  }
}
