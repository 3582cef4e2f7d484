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
import { pauseWanted } from './pause.ts'
import type { Assignment, Taken } from './record.ts'
import { statusOf } from './stalls.ts'
import type { EngineStatus, PauseReason } from './status.ts'

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

/**
 * Where we stand in the group. `consuming` begins with a join and ends with the next one being asked for (`handing over`,
 * then `handed over`), with a commit that says that the coordinator does not know us (`fenced`), or with the loss of it all.
 */
type Standing = 'out of the group' | 'consuming' | 'handing over' | 'handed over' | 'fenced'

/** After so many failed commits a hand-over goes on without: what settled since the last good one is delivered again. */
const HANDOVER_COMMIT_FAILURES_MAX = 5
const HANDING_OVER = 'rebalancing: what is in flight is handed over before the group is joined again'

export class Engine<R extends Taken> {
  readonly #options: EngineOptions
  readonly #gate: Gate
  readonly #holdings: Holdings<R>
  readonly #commits: Commits<R>
  readonly #attempts: Attempts<R>
  #lifecycle: LifecycleState = 'starting'
  #standing: Standing = 'out of the group'
  /** When the coordinator last took something of ours. */
  #confirmedAtMs = 0
  #drainTimedOut = false
  #wakeAtMs = Number.POSITIVE_INFINITY
  #commands: Command<R>[] = []
  #now: Now

  constructor(options: EngineOptions, now: Now) {
    this.#options = options
    this.#now = now
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
      joined: this.#standing !== 'out of the group',
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
      case 'joining':
        return this.#joining()
      case 'lost':
        for (const partition of this.#holdings.all()) this.#drop(partition)
        this.#answerHandOver()
        this.#standing = 'out of the group'
        return
      case 'membershipConfirmed':
        this.#confirmedAtMs = this.#now.nowMs
        return
      case 'fetched':
        return this.#fetched(fact)
      case 'offsetsKnown':
        for (const known of fact.offsets) this.#offsetsKnown(known)
        return
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
        const rejoin = this.#commits.failed(fact.cause, this.#now.nowMs)
        if (rejoin) this.#command({ type: 'rejoin', why: `two commits in a row were refused: ${fact.error}` })
        if (fact.cause === 'fenced' && this.#standing === 'consuming') this.#standing = 'fenced'
        return
      }
      case 'ticked':
        this.#wakeAtMs = Number.POSITIVE_INFINITY
        return
      case 'stopRequested':
        this.#lifecycle = advance(this.#lifecycle, 'draining')
        this.#commits.failures = 0
        return
      case 'drainTimedOut':
        this.#drainTimedOut = true
        this.#commits.failures = 0
        this.#command({ type: 'abort', tasks: this.#attempts.cutOff() })
        return
      default:
        fact satisfies never
    }
  }

  #joined(assignments: readonly Assignment[]): void {
    this.#lifecycle = advance(this.#lifecycle, 'running')
    this.#standing = 'consuming'
    this.#confirmedAtMs = this.#now.nowMs
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const partition of this.#holdings.all()) {
      if (!epochs.has(partition.assignment.epoch)) this.#drop(partition)
    }
    // Held in the order of their epochs: serving them in turn goes by it.
    for (const assignment of assignments.toSorted((one, other) => one.epoch - other.epoch)) {
      if (this.#holdings.of(assignment) === undefined) this.#holdings.add(assignment)
    }
  }

  #joining(): void {
    this.#commits.failures = 0
    if (this.#standing === 'out of the group' || this.#lifecycle === 'stopped') this.#command({ type: 'handedOver' })
    else this.#standing = 'handing over'
  }

  /** Whoever waits for it is answered, whatever came between. */
  #answerHandOver(): void {
    if (this.#standing !== 'handing over') return
    this.#standing = 'handed over'
    this.#command({ type: 'handedOver' })
  }

  #drop(partition: Partition<R>): void {
    this.#commits.gone(partition)
    const tasks = this.#holdings.drop(partition)
    if (tasks.length > 0) this.#command({ type: 'abort', tasks })
    if (this.#holdings.budget.records === 0) this.#gate.forgetBreakers()
  }

  #fetched(fetched: Fetched<R>): void {
    const partition = this.#holdings.of(fetched.assignment)
    if (partition === undefined) return
    for (const work of this.#holdings.take(partition, fetched, this.#now.nowMs)) this.#attempts.ignored(work)
    this.#commits.moved(partition)
  }

  #offsetsKnown(known: OffsetsKnown): void {
    const partition = this.#holdings.of(known.assignment)
    if (partition === undefined) return
    partition.know(known)
    this.#commits.moved(partition)
  }

  #committed(offsets: readonly OffsetToCommit[]): void {
    for (const { assignment, nextOffset } of offsets) {
      const partition = this.#holdings.of(assignment)
      if (partition !== undefined) this.#commits.succeeded(partition, nextOffset)
    }
    this.#commits.ended()
    this.#confirmedAtMs = this.#now.nowMs
  }

  // ── Acting: what is known decides what is done ──────────────────────────────────────────────────────────────────────

  #act(): void {
    const { nowMs } = this.#now
    if (this.#standingStill(this.#now) === null) this.#commands.push(...this.#attempts.start(this.#now))
    this.#pauseOrResume()
    const waitedFor = this.#standing === 'handing over' || this.#lifecycle === 'draining'
    if (this.#mayCommit() && this.#commits.dueAtMs(waitedFor) <= nowMs) {
      const offsets = this.#commits.begin(nowMs)
      if (offsets.length > 0) this.#command({ type: 'commit', offsets })
    }
    if (this.#handedOver()) this.#answerHandOver()
    if (this.#lifecycle === 'draining' && this.#drained()) return this.#stop()
    this.#wake(waitedFor)
  }

  #handedOver(): boolean {
    if (this.#holdings.inFlight > 0 || this.#commits.underWay) return false
    return this.#commits.idle || this.#commits.failures >= HANDOVER_COMMIT_FAILURES_MAX
  }

  /** After its time one last try to commit is awaited, no more. */
  #drained(): boolean {
    if (this.#commits.underWay) return false
    if (this.#drainTimedOut) return this.#commits.idle || this.#commits.failures > 0 || !this.#mayCommit()
    return this.#holdings.inFlight === 0 && (this.#commits.idle || !this.#mayCommit())
  }

  #stop(): void {
    assert(this.#holdings.inFlight === 0 || this.#drainTimedOut, 'a stop in time leaves nothing in flight')
    this.#answerHandOver()
    this.#lifecycle = advance(this.#lifecycle, 'stopped')
    this.#command({ type: 'stopped', unfinished: this.#attempts.unfinished, committed: this.#commits.idle })
  }

  #mayCommit(): boolean {
    return this.#standing === 'consuming' || this.#standing === 'handing over'
  }

  /** Why nothing may start, anywhere; null when things may. */
  #standingStill({ nowMs }: Now): string | null {
    if (this.#lifecycle === 'draining' || this.#lifecycle === 'stopped') return 'stopping: nothing new is started'
    switch (this.#standing) {
      case 'out of the group':
        return 'waiting to join the group'
      case 'fenced':
        return 'fenced: the coordinator does not know this member any more; waiting for the next join'
      case 'handing over':
      case 'handed over':
      case 'consuming': {
        const silentMs = nowMs - this.#confirmedAtMs
        if (silentMs < this.#options.sessionTimeoutMs) return this.#standing === 'consuming' ? null : HANDING_OVER
        return `fenced: the coordinator has been silent for ${Math.round(silentMs / 1_000)} s; another member may own what we hold`
      }
      default:
        return this.#standing satisfies never
    }
  }

  #pauseOrResume(): void {
    const pause: Assignment[] = []
    const resume: Assignment[] = []
    const { budget, size } = this.#holdings
    for (const partition of this.#holdings.all()) {
      const wanted: PauseReason | null =
        this.#lifecycle === 'draining' ? 'stopping' : pauseWanted(partition, budget, size)
      if (wanted !== null && partition.paused === null) pause.push(partition.assignment)
      if (wanted === null && partition.paused !== null) resume.push(partition.assignment)
      partition.paused = wanted
    }
    if (pause.length > 0) this.#command({ type: 'pause', assignments: pause })
    if (resume.length > 0) this.#command({ type: 'resume', assignments: resume })
  }

  /** What is due already waits for a fact, not for time: asking to be woken for it would never end. */
  #wake(waitedFor: boolean): void {
    const commitAtMs = this.#mayCommit() ? this.#commits.dueAtMs(waitedFor) : Number.POSITIVE_INFINITY
    const { nowMs } = this.#now
    const atMs = Math.min(...[commitAtMs, ...this.#attempts.dueTimes()].filter(timeMs => timeMs > nowMs))
    if (atMs >= this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    this.#command({ type: 'wakeAt', atMs })
  }

  #command(command: Command<R>): void {
    this.#commands.push(command)
  }
}
