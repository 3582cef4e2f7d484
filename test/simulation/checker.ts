/**
 * What must hold after every decision, whatever happened. The checker hears the facts and the commands as telemetry does and
 * keeps its own view of the world in maps and sorted lists: slow and plainly right. It knows nothing of the engine's inside.
 */
import type { Command, Fact, Now, OffsetToCommit, Sentence, Task } from '../../src/core/facts.ts'
import { type Assignment, placeOf, type Taken } from '../../src/core/record.ts'
import type { EngineStatus, PartitionStatus } from '../../src/core/status.ts'
import type { Failure } from '../../src/core/verdict.ts'
import type { Setting } from './steps.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

export function sure(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Violation(sentence)
}

interface Held {
  readonly tenure: Tenure
  readonly record: Taken
  state: 'waiting' | 'running' | 'writing' | 'settled'
  /** Why it may be dead-lettered, if it may. */
  condemned: string | null
  attempt: number
  /** It rests until then at the longest. */
  restsUntilMs: number
}

/** One assignment of one partition. */
interface Tenure {
  readonly assignment: Assignment
  start: number
  position: number | null
  /** In offset order, since offsets rise. */
  readonly held: Held[]
  committed: number | null
  refused: boolean
  paused: boolean
}

type Standing = 'out of the group' | 'consuming' | 'handing over' | 'handed over' | 'fenced'

export const RETRY_MS_MAX = 400
const WAITING_MS_MAX = 375
const LETTERS_MAX = 100

export class Checker {
  readonly #setting: Setting
  readonly live = new Map<number, Tenure>()
  /** In a handler or in a write, of live assignments and of others. */
  readonly #out = new Map<Task, Held>()
  readonly #mustAbort = new Set<Task>()
  /** Epochs that wait for a slot and nothing else, each with how often others were served meanwhile. */
  readonly #passedOver = new Map<number, Map<number, number>>()
  standing: Standing = 'out of the group'
  lifecycle: 'starting' | 'running' | 'draining' | 'stopped' = 'starting'
  /** A hand-over was asked for and not answered. */
  owed = false
  /** Of hand-overs that were asked for: a join in the same batch makes an answer needless, not wrong. */
  #answersMax = 0
  committing: readonly OffsetToCommit[] | null = null
  #commitFailures = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #confirmedAtMs = 0
  #cutOff: Held[] | null = null
  #now: Now = { nowMs: 0, wallMs: 0 }

  constructor(setting: Setting) {
    this.#setting = setting
  }

  heard(facts: readonly Fact[], commands: readonly Command[], now: Now): void {
    this.#now = now
    this.#answersMax = this.owed ? 1 : 0
    for (const fact of facts) this.#learn(fact)
    for (const command of commands) this.#check(command)
    sure(this.#mustAbort.size === 0, 'what runs for a partition that is gone is aborted')
    if (this.lifecycle !== 'stopped') this.#nothingWasForgotten(commands)
  }

  // ── Facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #learn(fact: Fact): void {
    switch (fact.type) {
      case 'joined':
        return this.#joined(fact.assignments)
      case 'joining':
        this.owed = true
        this.#answersMax++
        this.#commitFailures = 0
        if (this.standing !== 'out of the group') this.standing = 'handing over'
        return
      case 'lost':
        this.standing = 'out of the group'
        for (const tenure of this.live.values()) this.#drop(tenure)
        return
      case 'membershipConfirmed':
        this.#confirmedAtMs = this.#now.nowMs
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
          this.#liveOf(task, tenure => (tenure.refused = false))
        }
        return
      case 'deadLetterFailed':
        for (const { task } of fact.sentences) {
          this.#ended(task).state = 'waiting'
          this.#liveOf(task, tenure => (tenure.refused = true))
        }
        return
      case 'committed':
        for (const { assignment, nextOffset } of fact.offsets) this.#committedAtLeast(assignment, nextOffset)
        this.committing = null
        this.#commitFailures = 0
        this.#confirmedAtMs = this.#now.nowMs
        return
      case 'commitFailed':
        this.committing = null
        this.#commitFailures++
        if (fact.cause === 'fenced' && this.standing === 'consuming') this.standing = 'fenced'
        return
      case 'stopRequested':
        if (this.lifecycle !== 'stopped') this.lifecycle = 'draining'
        this.#commitFailures = 0
        return
      case 'drainTimedOut':
        this.#cutOff ??= [...this.#out.values()].filter(({ tenure }) => this.#isLive(tenure))
        this.#commitFailures = 0
        for (const [task, { state }] of this.#out) if (state === 'running') this.#mustAbort.add(task)
        return
      case 'ticked':
        this.#wakeAtMs = Number.POSITIVE_INFINITY
        return
      case 'intakeHeld':
        return
      default:
        fact satisfies never
    }
  }

  #joined(assignments: readonly Assignment[]): void {
    if (this.lifecycle === 'starting') this.lifecycle = 'running'
    this.standing = 'consuming'
    this.owed = false
    this.#confirmedAtMs = this.#now.nowMs
    const epochs = new Set(assignments.map(({ epoch }) => epoch))
    for (const tenure of this.live.values()) if (!epochs.has(tenure.assignment.epoch)) this.#drop(tenure)
    for (const assignment of assignments) {
      if (this.live.has(assignment.epoch)) continue
      const fresh = { assignment, start: 0, position: null, held: [], committed: null, refused: false, paused: false }
      this.live.set(assignment.epoch, fresh)
    }
  }

  #drop(tenure: Tenure): void {
    this.live.delete(tenure.assignment.epoch)
    this.#passedOver.delete(tenure.assignment.epoch)
    for (const [task, held] of this.#out) {
      if (held.tenure === tenure && held.state === 'running') this.#mustAbort.add(task)
    }
  }

  #fetched(fact: Extract<Fact, { type: 'fetched' }>): void {
    const tenure = this.live.get(fact.assignment.epoch)
    if (tenure === undefined) return
    if (tenure.position === null) tenure.start = fact.positionBefore
    tenure.position = fact.positionAfter
    for (const record of fact.records) {
      const { disposition } = record
      const condemned = disposition.kind === 'dead-letter' ? disposition.reason : null
      const state = disposition.kind === 'ignore' ? 'settled' : 'waiting'
      tenure.held.push({ tenure, record, state, condemned, attempt: 1, restsUntilMs: 0 })
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
    held.state = this.#isLive(held.tenure) ? 'settled' : 'waiting'
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

  #liveOf({ assignment }: Task, change: (tenure: Tenure) => void): void {
    const tenure = this.live.get(assignment.epoch)
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
      case 'handedOver':
        return this.#handedOver()
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
    const limit = this.#concurrencyMax(handler)
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
    this.#inTurn(task.assignment)
  }

  #inTurn({ epoch }: Assignment): void {
    this.#passedOver.delete(epoch)
    for (const others of this.#passedOver.values()) others.set(epoch, (others.get(epoch) ?? 0) + 1)
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
    const held = tenure.held.find(held => held.record.offset === offset)
    sure(
      held?.state === 'waiting',
      `offset ${offset} waits: it is started once at a time, and never again once settled`,
    )
    sure(mayBeRefused || !tenure.refused, 'a refused dead letter holds its partition')
    sure(offset < committableOf(tenure) + this.#setting.windowMax, `offset ${offset} lies within the window`)
    sure(isFirst(held), `offset ${offset} is the first unsettled one of its lane`)
    for (const other of this.#out.values()) sure(!sameLane(held, other), 'one record of a lane is out at a time')
    return held
  }

  #commit(offsets: readonly OffsetToCommit[]): void {
    sure(this.committing === null, 'there is one commit at a time')
    sure(
      this.standing === 'consuming' || this.standing === 'handing over',
      `nothing is committed while ${this.standing}`,
    )
    sure(offsets.length > 0, 'a commit says something')
    for (const { assignment, nextOffset } of offsets) {
      const tenure = this.live.get(assignment.epoch)
      sure(tenure !== undefined, 'nothing is committed for an assignment that is gone')
      const passed = tenure.held.find(({ record, state }) => record.offset < nextOffset && state !== 'settled')
      sure(
        passed === undefined,
        `a commit of ${nextOffset} passes offset ${passed?.record.offset}, which is not settled`,
      )
      sure(nextOffset === committableOf(tenure), 'a commit is computed from what is settled now')
      sure(nextOffset > (tenure.committed ?? tenure.start), 'committed never falls, and is not said twice')
    }
    this.committing = offsets
  }

  #handedOver(): void {
    sure(this.#answersMax-- > 0, 'a hand-over is answered when it was asked for, once')
    this.owed = false
    if (this.standing !== 'handing over') return
    sure(
      this.#readyToHandOver(5) || this.#cutOff !== null,
      'a hand-over leaves nothing in flight and nothing uncommitted',
    )
    this.standing = 'handed over'
  }

  #stopped({ unfinished, committed }: { unfinished: number; committed: boolean }): void {
    sure(this.lifecycle === 'draining', 'only what was asked to stop stops, once')
    const inFlight = this.#inFlight()
    sure(this.#cutOff !== null || inFlight === 0, 'a stop in time leaves nothing in flight')
    const cutOff = this.#cutOff?.filter(({ state }) => state !== 'settled').length ?? 0
    sure(unfinished === cutOff, `${cutOff} were cut off, not ${unfinished}`)
    sure(committed === this.allCommitted, `all is committed: ${this.allCommitted}, not ${committed}`)
    sure(!this.owed, 'a hand-over is answered before the end')
    this.lifecycle = 'stopped'
  }

  // ── What must not be left undone ──────────────────────────────────────────────────────────────────────────────────────

  get mayStart(): boolean {
    const silent = this.#now.nowMs - this.#confirmedAtMs >= this.#setting.sessionTimeoutMs
    return this.lifecycle === 'running' && this.standing === 'consuming' && !silent
  }

  get allCommitted(): boolean {
    if (this.committing !== null) return false
    return [...this.live.values()].every(tenure => {
      return tenure.position === null || committableOf(tenure) <= (tenure.committed ?? tenure.start)
    })
  }

  #inFlight(): number {
    return [...this.#out.values()].filter(({ tenure }) => this.#isLive(tenure)).length
  }

  #readyToHandOver(failuresMax: number): boolean {
    if (this.#inFlight() > 0 || this.committing !== null) return false
    return this.allCommitted || this.#commitFailures >= failuresMax
  }

  #nothingWasForgotten(commands: readonly Command[]): void {
    const handsOver = this.standing === 'handing over' && this.#readyToHandOver(5)
    sure(!this.owed || !(handsOver || this.standing === 'out of the group'), 'a hand-over is answered once it can be')
    const drained = this.#inFlight() === 0 && this.allCommitted && !commands.some(({ type }) => type === 'commit')
    sure(this.lifecycle !== 'draining' || !drained, 'a stop comes once nothing is in flight and all is committed')
  }

  /** Whatever could start has started, and what can be said of every partition is true. */
  checkStatus(status: EngineStatus): void {
    const tenures = [...this.live.values()]
    sure(status.partitions.length === tenures.length, 'the status names what is ours')
    for (const shown of status.partitions) {
      const tenure = this.live.get(shown.epoch)
      sure(tenure !== undefined, 'the status names what is ours')
      this.#compare(tenure, shown)
    }
    const running = [...this.#out.values()].filter(({ state }) => state === 'running')
    sure(status.inFlight === running.length, 'what is in a handler is counted')
    this.#nothingIsIdle(
      tenures,
      new Set(status.handlers.filter(({ heldBy }) => heldBy !== null).map(({ name }) => name)),
    )
  }

  #nothingIsIdle(tenures: Tenure[], heldHandlers: ReadonlySet<string>): void {
    const running = [...this.#out.values()].filter(({ state }) => state === 'running')
    const noSlot = running.length >= this.#setting.inFlightMax
    const mayRun = (each: Held) => {
      const handler = handlerOf(each)
      if (handler === undefined || heldHandlers.has(handler)) return false
      return running.filter(other => handlerOf(other) === handler).length < this.#concurrencyMax(handler)
    }
    for (const tenure of tenures) {
      const { epoch } = tenure.assignment
      const ready = this.mayStart && !tenure.refused ? tenure.held.filter(each => this.#couldStart(each)) : []
      const place = placeOf(tenure.assignment)
      // While every slot is taken nothing more is let into the lanes, so a dead letter may wait with the others.
      const writes = noSlot || isWriting(tenure) || ready.every(({ condemned }) => condemned === null)
      sure(writes, `${place} writes the dead letters it has`)
      if (!ready.some(mayRun)) this.#passedOver.delete(epoch)
      else {
        sure(noSlot, `${place} could go on and does not`)
        const others = this.#passedOver.get(epoch) ?? new Map<number, number>()
        this.#passedOver.set(epoch, others)
        sure(Math.max(0, ...others.values()) <= 1, `a busy partition is served twice while ${place} waits for its turn`)
      }
    }
  }

  #couldStart(held: Held): boolean {
    const { record, tenure, state, restsUntilMs } = held
    if (state !== 'waiting' || restsUntilMs > this.#now.nowMs) return false
    if (record.offset >= committableOf(tenure) + this.#setting.windowMax || !isFirst(held)) return false
    return ![...this.#out.values()].some(other => sameLane(held, other))
  }

  #compare(tenure: Tenure, shown: PartitionStatus): void {
    const unsettled = tenure.held.filter(({ state }) => state !== 'settled')
    const oldest = unsettled[0]?.record ?? null
    const inFlight = unsettled.filter(({ state }) => state !== 'waiting').length
    const bytes = unsettled.reduce((sum, { record }) => sum + record.bytes, 0)
    const expected = {
      position: tenure.position,
      committed: tenure.committed,
      oldestUnsettled: oldest?.offset ?? null,
      inFlight,
      buffered: unsettled.length - inFlight,
      bufferedBytes: bytes,
    }
    for (const name of ['position', 'committed', 'oldestUnsettled', 'inFlight', 'buffered', 'bufferedBytes'] as const) {
      const said = `${name} of ${placeOf(tenure.assignment)} is ${expected[name]}, not ${shown[name]}`
      sure(shown[name] === expected[name], said)
    }
    sure(tenure.paused === (shown.paused !== null), 'a partition that is said to be paused was paused')
    if (oldest !== null)
      sure(shown.lagSeconds === Math.max(0, this.#now.wallMs - oldest.timestampMs) / 1_000, 'lag is exact')
    sure(this.mayStart || shown.blockedBy !== null, 'while nothing may start anywhere, every partition says why')
  }

  #concurrencyMax(handler: string | undefined): number {
    return this.#setting.concurrencyMax[handler === 'h' ? 0 : 1] ?? Number.POSITIVE_INFINITY
  }
}

function committableOf({ held, position, start }: Tenure): number {
  return held.find(({ state }) => state !== 'settled')?.record.offset ?? position ?? start
}

function handlerOf({ record, condemned }: Held): string | undefined {
  return record.disposition.kind === 'handle' && condemned === null ? record.disposition.handler : undefined
}

function isWriting(tenure: Tenure): boolean {
  return tenure.held.some(({ state }) => state === 'writing')
}

function sameLane(one: Held, other: Held): boolean {
  if (one.record.lane === null || one.record.lane !== other.record.lane) return false
  return placeOf(one.tenure.assignment) === placeOf(other.tenure.assignment)
}

function isFirst(held: Held): boolean {
  const { tenure, record } = held
  if (record.lane === null) return true
  return tenure.held.find(other => other.state !== 'settled' && other.record.lane === record.lane) === held
}
