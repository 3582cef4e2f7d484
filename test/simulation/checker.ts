/**
 * What must hold after every decision, whatever happened. The checker hears the facts and the commands as telemetry does and
 * keeps its own view of the world in maps and sorted lists: slow and plainly right. It knows nothing of the engine's inside.
 */
import { decodeCompletions } from '../../src/core/completions.ts'
import type { Command, Fact, Now, OffsetToCommit, Sentence, Task } from '../../src/core/facts.ts'
import type { Assignment, Taken } from '../../src/core/record.ts'
import type { EngineStatus } from '../../src/core/status.ts'
import type { Failure } from '../../src/core/verdict.ts'
import { StatusCheck } from './status-check.ts'
import { concurrencyMaxOf, type Setting } from './steps.ts'
import { type Held, handlerOf, isFirst, sameLane, sure, Tenure } from './tenure.ts'

type Standing = 'out of the group' | 'consuming' | 'fenced'

export const RETRY_MS_MAX = 400
const WAITING_MS_MAX = 375
const LETTERS_MAX = 100
/** While somebody waits for a commit, it is tried again after so long. */
const COMMIT_RETRY_MS = 200
/** Then a hand-over goes on without. */
const COMMIT_FAILURES_MAX = 5
/** Then a record pins no more than itself; it is looked for so often. */
const LONG_MS = 5_000
const LOOK_EVERY_MS = 1_000

export class Checker {
  readonly #setting: Setting
  readonly live = new Map<number, Tenure>()
  /** In a handler or in a write, of live assignments and of others. */
  readonly #out = new Map<Task, Held>()
  readonly #mustAbort = new Set<Task>()
  readonly #status: StatusCheck
  standing: Standing = 'out of the group'
  lifecycle: 'starting' | 'running' | 'draining' | 'stopped' = 'starting'
  /** Hand-overs that are to be answered with this decision, by epoch: what came between has ended them. */
  readonly #owed = new Map<number, number>()
  committing: readonly OffsetToCommit[] | null = null
  /** By epoch: how often in a row a commit that had it failed, since somebody began to wait. */
  readonly #commitFailures = new Map<number, number>()
  #commitFailedAtMs = Number.NEGATIVE_INFINITY
  #wakeAtMs = Number.POSITIVE_INFINITY
  #confirmedAtMs = 0
  #committingAtMs = 0
  #cutOff: Held[] | null = null
  #now: Now = { nowMs: 0, wallMs: 0 }

  constructor(setting: Setting) {
    this.#setting = setting
    this.#status = new StatusCheck(setting)
  }

  heard(facts: readonly Fact[], commands: readonly Command[], now: Now): void {
    this.#now = now
    for (const fact of facts) this.#learn(fact)
    for (const command of commands) this.#check(command)
    sure(this.#mustAbort.size === 0, 'what runs for a partition that is gone is aborted')
    sure(this.#owed.size === 0, 'whoever waits for a hand-over that will not come is answered at once')
    if (this.lifecycle !== 'stopped') this.#nothingWasForgotten(commands)
  }

  // ── Facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #learn(fact: Fact): void {
    switch (fact.type) {
      case 'joined':
        return this.#joined(fact.assignments)
      case 'assigned':
        for (const assignment of fact.assignments) this.live.set(assignment.epoch, new Tenure(assignment))
        return
      case 'revoking':
        return this.#revoking(fact.assignments)
      case 'revoked':
        for (const assignment of fact.assignments) this.#liveOf(assignment, tenure => this.#drop(tenure))
        return
      case 'restored':
        return this.#restored(fact)
      case 'lost':
        this.standing = 'out of the group'
        for (const tenure of this.live.values()) this.#drop(tenure)
        return
      case 'membershipConfirmed':
        this.#confirmedAtMs = Math.max(this.#confirmedAtMs, fact.askedAtMs)
        return
      case 'fetched':
        return this.#fetched(fact)
      case 'offsetsKnown':
        for (const { assignment, committed } of fact.offsets) this.#committedAtLeast(assignment, committed)
        return
      case 'settled':
        return this.#settled(fact.task)
      case 'failed':
        return this.#failed(fact.task, fact.failure)
      case 'deadLettered':
        for (const { task } of fact.sentences) {
          this.#settled(task)
          this.#liveOf(task.assignment, tenure => (tenure.refused = false))
        }
        return
      case 'deadLetterFailed':
        for (const { task } of fact.sentences) {
          this.#ended(task).state = 'waiting'
          this.#liveOf(task.assignment, tenure => (tenure.refused = true))
        }
        return
      case 'committed':
        this.#stored(fact.offsets)
        this.committing = null
        this.#commitFailures.clear()
        this.#confirmedAtMs = Math.max(this.#confirmedAtMs, this.#committingAtMs)
        return
      case 'commitFailed':
        for (const { assignment } of this.committing ?? [])
          this.#commitFailures.set(assignment.epoch, this.#failuresOf(assignment) + 1)
        this.#stored(fact.stored ?? [])
        this.committing = null
        this.#commitFailedAtMs = this.#now.nowMs
        if (fact.cause === 'fenced' && this.standing === 'consuming') this.standing = 'fenced'
        return
      case 'stopRequested':
        if (this.lifecycle !== 'stopped') this.lifecycle = 'draining'
        this.#commitFailures.clear()
        return
      case 'drainTimedOut':
        this.#cutOff ??= [...this.#out.values()].filter(({ tenure }) => this.#isLive(tenure))
        this.#commitFailures.clear()
        for (const [task, { state }] of this.#out) if (state === 'running') this.#mustAbort.add(task)
        return
      case 'ticked':
        this.#wakeAtMs = Number.POSITIVE_INFINITY
        return
      case 'held':
      case 'intakeHeld':
        return
      default:
        fact satisfies never
    }
  }

  #stored(offsets: readonly OffsetToCommit[]): void {
    for (const { assignment, nextOffset } of offsets) {
      this.#commitFailures.delete(assignment.epoch)
      this.#committedAtLeast(assignment, nextOffset)
      this.#liveOf(assignment, ({ settles }) => (settles.stored = settles.sent))
    }
  }

  #joined(assignments: readonly Assignment[]): void {
    if (this.lifecycle === 'starting') this.lifecycle = 'running'
    this.standing = 'consuming'
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const tenure of this.live.values()) {
      if (tenure.stay === 'staying' && !epochs.has(tenure.assignment.epoch)) this.#drop(tenure)
    }
    for (const assignment of assignments) {
      const tenure = this.live.get(assignment.epoch)
      if (tenure === undefined) this.live.set(assignment.epoch, new Tenure(assignment))
      else this.#stays(tenure)
    }
  }

  #revoking(assignments: readonly Assignment[]): void {
    this.#commitFailures.clear()
    for (const { epoch } of assignments) {
      const tenure = this.lifecycle === 'stopped' ? undefined : this.live.get(epoch)
      if (tenure === undefined) this.#owe(epoch)
      else tenure.stay = 'leaving'
    }
  }

  #owe(epoch: number): void {
    this.#owed.set(epoch, (this.#owed.get(epoch) ?? 0) + 1)
  }

  /** Whoever waits for its hand-over is told that there is nothing to wait for. */
  #stays(tenure: Tenure): void {
    if (tenure.stay === 'leaving') this.#owe(tenure.assignment.epoch)
    tenure.stay = 'staying'
  }

  #drop(tenure: Tenure): void {
    this.#stays(tenure)
    this.live.delete(tenure.assignment.epoch)
    this.#status.forget(tenure.assignment)
    for (const [task, held] of this.#out) {
      if (held.tenure === tenure && held.state === 'running') this.#mustAbort.add(task)
    }
  }

  #restored({ assignment, committed, completions }: Extract<Fact, { type: 'restored' }>): void {
    this.#liveOf(assignment, tenure => {
      tenure.committed = committed
      if (completions === null) return
      tenure.before = { offsets: [...completions.from(0)], leaderEpoch: completions.leaderEpoch }
    })
  }

  #fetched(fact: Extract<Fact, { type: 'fetched' }>): void {
    const tenure = this.live.get(fact.assignment.epoch)
    if (tenure === undefined) return
    if (tenure.position === null) tenure.start = fact.positionBefore
    tenure.position = fact.positionAfter
    tenure.leaderEpoch = Math.max(tenure.leaderEpoch, fact.leaderEpoch)
    for (const record of fact.records) {
      const taken = { attempt: 1, restsUntilMs: 0, takenAtMs: this.#now.nowMs, isDetached: false }
      const { disposition } = record
      const condemned = disposition.kind === 'dead-letter' ? disposition.reason : null
      const state = disposition.kind === 'ignore' || disposition.kind === 'completed' ? 'settled' : 'waiting'
      if (state === 'settled') tenure.settles.now++
      tenure.held.push({ tenure, record, state, condemned, ...taken })
    }
  }

  #failed(task: Task, failure: Failure): void {
    const held = this.#ended(task)
    held.state = 'waiting'
    const { nowMs } = this.#now
    if (failure.kind === 'record') held.condemned = failure.reason
    else if (failure.kind === 'waiting') held.restsUntilMs = nowMs + WAITING_MS_MAX
    else if (failure.kind === 'passing' && held.attempt >= this.#setting.attemptsMax) held.condemned = failure.reason
    else if (failure.kind === 'passing') {
      held.attempt++
      held.restsUntilMs = nowMs + RETRY_MS_MAX
    }
  }

  #settled(task: Task): void {
    const held = this.#ended(task)
    const isLive = this.#isLive(held.tenure)
    held.state = isLive ? 'settled' : 'waiting'
    if (isLive) held.tenure.settles.now++
  }

  #ended(task: Task): Held {
    const held = this.#out.get(task)
    sure(held !== undefined, 'the world answers what it was asked')
    this.#out.delete(task)
    return held
  }

  #committedAtLeast({ epoch }: Assignment, offset: number | null): void {
    const tenure = this.live.get(epoch)
    if (tenure !== undefined && offset !== null) tenure.committed = Math.max(tenure.committed ?? 0, offset)
  }

  #isLive({ assignment }: Tenure): boolean {
    return this.live.has(assignment.epoch)
  }

  #liveOf({ epoch }: Assignment, change: (tenure: Tenure) => void): void {
    const tenure = this.live.get(epoch)
    if (tenure !== undefined) change(tenure)
  }

  // ── Commands ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #check(command: Command): void {
    switch (command.type) {
      case 'start':
        for (const task of command.tasks) this.#start(task)
        return
      case 'deadLetter':
        return this.#deadLetter(command.sentences)
      case 'commit':
        return this.#commit(command.offsets)
      case 'pause':
      case 'resume':
        for (const { epoch } of command.assignments) {
          const tenure = this.live.get(epoch)
          sure(tenure !== undefined, 'only what is ours is paused or resumed')
          sure(tenure.paused !== (command.type === 'pause'), `a ${command.type} changes something`)
          tenure.paused = command.type === 'pause'
        }
        return
      case 'abort':
        for (const task of command.tasks) this.#mustAbort.delete(task)
        return
      case 'wakeAt':
        sure(command.atMs > this.#now.nowMs, 'the engine is woken in the future: else it would never sleep')
        sure(command.atMs < this.#wakeAtMs, 'a wake is asked for when it is to come earlier, not again and again')
        this.#wakeAtMs = command.atMs
        return
      case 'rejoin':
        return
      case 'detach':
        for (const record of command.records) this.#detach(record)
        return
      case 'handedOver':
        return this.#handedOver(command.assignments)
      case 'stopped':
        return this.#stopped(command)
      default:
        command satisfies never
    }
  }

  #start(task: Task): void {
    const held = this.#leaves(task)
    const handler = handlerOf(held)
    const running = [...this.#out.values()].filter(({ state }) => state === 'running')
    sure(running.length < this.#setting.inFlightMax, 'no more run than may be in flight')
    const limit = concurrencyMaxOf(this.#setting, handler)
    sure(
      running.filter(other => handlerOf(other) === handler).length < limit,
      'no more of a handler run than its limit',
    )
    sure(held.condemned === null, 'what is condemned is not tried again')
    sure(
      task.attempt === held.attempt,
      `attempt ${task.attempt} of offset ${task.record.offset} is number ${held.attempt}`,
    )
    sure(task.startedAtMs === this.#now.nowMs, 'a task knows when it was started')
    held.state = 'running'
    this.#out.set(task, held)
    this.#status.started(task.assignment)
  }

  #deadLetter(sentences: readonly Sentence[]): void {
    sure(sentences.length > 0 && sentences.length <= LETTERS_MAX, 'a write carries one to a hundred dead letters')
    const [first] = sentences
    const epoch = first?.task.assignment.epoch
    for (const [, { state, tenure }] of this.#out) {
      sure(
        state !== 'writing' || tenure.assignment.epoch !== epoch,
        'a partition has one write of dead letters at a time',
      )
    }
    const helds = sentences.map(({ task, reason }) => {
      sure(task.assignment.epoch === epoch, 'the dead letters of one write are of one partition')
      const held = this.#leaves(task, { mayBeRefused: true })
      sure(
        held.condemned === reason,
        `offset ${task.record.offset} is dead-lettered for what it did: ${held.condemned}, not ${reason}`,
      )
      return { task, held }
    })
    for (const { task, held } of helds) {
      held.state = 'writing'
      this.#out.set(task, held)
    }
  }

  /** What holds for whatever leaves its lane, for a handler or for a dead letter topic. */
  #leaves({ assignment, record }: Task, { mayBeRefused = false } = {}): Held {
    const { offset } = record
    sure(this.mayStart, `nothing starts while ${this.standing}, ${this.lifecycle} or in silence`)
    const tenure = this.live.get(assignment.epoch)
    sure(tenure !== undefined, 'nothing starts for a partition that is gone')
    sure(tenure.stay === 'staying', 'nothing starts of what goes to another member')
    const held = tenure.held.find(held => held.record.offset === offset)
    sure(
      held?.state === 'waiting',
      `offset ${offset} waits: it is started once at a time, and never again once settled`,
    )
    sure(mayBeRefused || !tenure.refused, 'a refused dead letter holds its partition')
    sure(offset < tenure.committable + this.#setting.windowMax, `offset ${offset} lies within the window`)
    sure(isFirst(held), `offset ${offset} is the first unsettled one of its lane`)
    for (const other of this.#out.values()) sure(!sameLane(held, other), 'one record of a lane is out at a time')
    return held
  }

  #commit(offsets: readonly OffsetToCommit[]): void {
    sure(this.committing === null, 'there is one commit at a time')
    sure(this.standing === 'consuming', `nothing is committed while ${this.standing}`)
    sure(offsets.length > 0, 'a commit says something')
    for (const { assignment, nextOffset, metadata } of offsets) {
      const tenure = this.live.get(assignment.epoch)
      sure(tenure !== undefined, 'nothing is committed for an assignment that is gone')
      const passed = tenure.held.find(({ record, state }) => record.offset < nextOffset && state !== 'settled')
      sure(
        passed === undefined,
        `a commit of ${nextOffset} passes offset ${passed?.record.offset}, which is not settled`,
      )
      sure(nextOffset === tenure.committable, 'a commit is computed from what is settled now')
      sure(nextOffset >= (tenure.committed ?? tenure.start), 'committed never falls')
      sure(tenure.hasToCommit, 'what is stored already is not said again')
      this.#metadata(tenure, metadata)
      tenure.settles.sent = tenure.settles.now
    }
    this.committing = offsets
    this.#committingAtMs = this.#now.nowMs
  }

  /** It names all that is settled above the offset, as far as anybody could believe it, and nothing else. */
  #metadata(tenure: Tenure, metadata: string): void {
    const { place, committable, claims } = tenure
    const completions = decodeCompletions(metadata, { committed: committable })
    const said = completions === null ? [] : [...completions.from(0)]
    const expected = claims.offsets
    sure(said.join() === expected.join(), `the metadata of ${place} names ${expected.join()}, not ${said.join()}`)
    sure(
      completions === null || completions.leaderEpoch === claims.leaderEpoch,
      `the metadata of ${place} has the highest leader epoch, ${claims.leaderEpoch}, not ${completions?.leaderEpoch}`,
    )
  }

  #handedOver(assignments: readonly Assignment[]): void {
    for (const { epoch } of assignments) {
      const owed = this.#owed.get(epoch) ?? 0
      if (owed > 1) this.#owed.set(epoch, owed - 1)
      else this.#owed.delete(epoch)
      if (owed > 0) continue
      const tenure = this.live.get(epoch)
      sure(tenure?.stay === 'leaving', 'a hand-over is answered when it was asked for, once')
      const ready = this.#readyToHandOver(tenure) || this.#cutOff !== null
      sure(ready, 'a hand-over leaves nothing in flight and nothing uncommitted')
      tenure.stay = 'left'
    }
  }

  #detach(record: Taken): void {
    const held = [...this.live.values()].flatMap(({ unsettled }) => unsettled).find(each => each.record === record)
    sure(held?.isDetached === false, 'what is in hand is said to wait long once')
    sure(held.takenAtMs <= this.#now.nowMs - LONG_MS, 'what is said to wait long does')
    held.isDetached = true
  }

  #stopped({ unfinished, committed }: { unfinished: number; committed: boolean }): void {
    sure(this.lifecycle === 'draining', 'only what was asked to stop stops, once')
    const inFlight = this.#inFlight()
    sure(this.#cutOff !== null || inFlight === 0, 'a stop in time leaves nothing in flight')
    const cutOff = this.#cutOff?.filter(({ state }) => state !== 'settled').length ?? 0
    sure(unfinished === cutOff, `${cutOff} were cut off, not ${unfinished}`)
    sure(committed === this.allCommitted, `all is committed: ${this.allCommitted}, not ${committed}`)
    const leaving = [...this.live.values()].some(({ stay }) => stay === 'leaving')
    sure(!leaving, 'a hand-over is answered before the end')
    this.lifecycle = 'stopped'
  }

  // ── What must not be left undone ──────────────────────────────────────────────────────────────────────────────────────

  get mayStart(): boolean {
    const silent = this.#now.nowMs - this.#confirmedAtMs >= this.#setting.sessionTimeoutMs
    return this.lifecycle === 'running' && this.standing === 'consuming' && !silent
  }

  get allCommitted(): boolean {
    if (this.committing !== null) return false
    return [...this.live.values()].every(tenure => !tenure.hasToCommit)
  }

  #inFlight(): number {
    return [...this.#out.values()].filter(({ tenure }) => this.#isLive(tenure)).length
  }

  #failuresOf({ epoch }: Assignment): number {
    return this.#commitFailures.get(epoch) ?? 0
  }

  #readyToHandOver(tenure: Tenure): boolean {
    if (tenure.inFlight > 0) return false
    const givenUp = this.#failuresOf(tenure.assignment) >= COMMIT_FAILURES_MAX || this.standing !== 'consuming'
    return givenUp || !tenure.hasToCommit
  }

  #nothingWasForgotten(commands: readonly Command[]): void {
    const mayCommit = this.committing === null && this.#now.nowMs >= this.#commitFailedAtMs + COMMIT_RETRY_MS
    const longAgoMs = this.#now.nowMs - LONG_MS - LOOK_EVERY_MS
    for (const tenure of this.live.values()) {
      const forgotten = tenure.unsettled.find(({ isDetached, takenAtMs }) => !isDetached && takenAtMs <= longAgoMs)
      sure(forgotten === undefined, `offset ${forgotten?.record.offset} waits long and is not said to`)
      if (tenure.stay !== 'leaving') continue
      sure(!this.#readyToHandOver(tenure), 'a hand-over is answered once it can be')
      sure(tenure.inFlight > 0 || !mayCommit, 'what leaves is committed at once')
    }
    const drained = this.#inFlight() === 0 && this.allCommitted && !commands.some(({ type }) => type === 'commit')
    sure(this.lifecycle !== 'draining' || !drained, 'a stop comes once nothing is in flight and all is committed')
  }

  checkStatus(status: EngineStatus): void {
    this.#status.check(status, {
      live: this.live,
      out: [...this.#out.values()],
      mayStart: this.mayStart,
      now: this.#now,
    })
  }
}
