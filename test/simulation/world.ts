/**
 * A little world around the engine: a log for every partition, what the broker holds as committed, handlers that run until
 * they are answered, one commit under way. It performs the commands and obeys `wakeAt`, and it checks what only it can see:
 * that nothing is lost, and that the broker's committed offset never falls.
 */
import { Engine, type EngineOptions } from '../../src/core/engine.ts'
import type { Command, Fact, Now, Sentence, Task } from '../../src/core/facts.ts'
import { type Assignment, placeOf, type Taken } from '../../src/core/record.ts'
import type { EngineStatus } from '../../src/core/status.ts'
import { WALL_START_MS } from '../core/make.ts'
import { randomOf } from '../core/seed.ts'
import { spell } from '../core/spell.ts'
import { Checker, RETRY_MS_MAX } from './checker.ts'
import { Source } from './source.ts'
import {
  type AttemptEnd,
  type CommitEnd,
  type Drawn,
  type Ending,
  HANDLERS,
  PLACES,
  type Setting,
  type Step,
} from './steps.ts'
import { sure } from './tenure.ts'

export interface Subject {
  decide(facts: readonly Fact[], now: Now): Command[]
  status(now: Now): EngineStatus
}

const BATCH_MAX = 6

function optionsOf({
  inFlightMax,
  concurrencyMax,
  attemptsMax,
  windowMax,
  recordsMax,
  ...setting
}: Setting): EngineOptions {
  const retry = { initialMs: 100, maxMs: RETRY_MS_MAX, attemptsMax }
  const { commitIntervalMs, sessionTimeoutMs, chance } = setting
  return {
    handlers: HANDLERS.map((name, index) => ({ name, retry, concurrencyMax: concurrencyMax[index] ?? null })),
    inFlightMax,
    budget: { recordsMax, bytesMax: 1_000_000 },
    windowMax,
    commitIntervalMs,
    sessionTimeoutMs,
    random: randomOf(chance),
  }
}

export class World {
  readonly #subject: Subject
  readonly checker: Checker
  readonly trace: string[] = []
  readonly #source: Source
  #nowMs = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #queue: Fact[] = []
  #running: Task[] = []
  readonly #aborted = new Set<Task>()
  #letters: (readonly Sentence[])[] = []
  #commitUnderWay = false
  #stopped = false

  constructor(setting: Setting, plant: (engine: Subject) => Subject = engine => engine) {
    this.checker = new Checker(setting)
    this.#source = new Source(setting)
    this.#subject = plant(new Engine<Taken>(optionsOf(setting), this.#now))
    this.#joinAll()
  }

  get #now(): Now {
    return { nowMs: this.#nowMs, wallMs: WALL_START_MS + this.#nowMs }
  }

  // ── Facts and commands ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Tells what has queued up, performs what follows. */
  #flush(): void {
    if (this.#queue.length === 0) return
    const facts = this.#queue
    this.#queue = []
    const commands = this.#subject.decide(facts, this.#now)
    for (const command of commands) this.trace.push(`${this.#nowMs} ${spell(command, nameOf)}`)
    this.checker.heard(facts, commands, this.#now)
    for (const command of commands) this.#perform(command)
    this.checker.checkStatus(this.#subject.status(this.#now))
  }

  #tell(...facts: Fact[]): void {
    this.#queue.push(...facts)
    this.#flush()
  }

  #perform(command: Command): void {
    switch (command.type) {
      case 'start':
        for (const task of command.tasks) this.#source.starts(task)
        this.#running.push(...command.tasks)
        return
      case 'abort':
        for (const task of command.tasks) this.#aborted.add(task)
        return
      case 'deadLetter':
        this.#letters.push(command.sentences)
        return
      case 'commit':
        this.#commitUnderWay = true
        return
      case 'pause':
      case 'resume':
        return this.#source.pause(command.assignments, command.type === 'pause')
      case 'wakeAt':
        this.#wakeAtMs = command.atMs
        return
      case 'stopped':
        this.#stopped = true
        return
      case 'rejoin':
      case 'handedOver':
      case 'detach':
        return
      default:
        command satisfies never
    }
  }

  #pass(ms: number): void {
    this.#flush()
    const untilMs = this.#nowMs + ms
    const inHand = [...this.checker.live.values()].reduce((sum, { held }) => sum + held.length, 0)
    // Every record in hand may come to an end of its rest, every breaker and partition may be tried once: then all of it is
    // out, and nothing is due until somebody answers.
    // While anything is in hand it is looked at once a second.
    const ticksMax = inHand + 12 + ms / 1_000
    for (let ticks = 1; this.#wakeAtMs <= untilMs; ticks++) {
      sure(ticks <= ticksMax, 'the engine sleeps while nothing is due')
      this.#tick()
    }
    this.#nowMs = untilMs
  }

  #tick(): void {
    this.#nowMs = this.#wakeAtMs
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.#tell({ type: 'ticked' })
  }

  // ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  step({ step, more }: Drawn): void {
    if (step.type === 'pass') return this.#pass(step.ms)
    this.#queue.push(...this.#factsOf(step))
    if (!more || this.#queue.length >= BATCH_MAX) this.#flush()
  }

  #factsOf(step: Exclude<Step, { type: 'pass' }>): Fact[] {
    const source = this.#source
    switch (step.type) {
      case 'join':
        return [...source.joined(step), { type: 'membershipConfirmed', askedAtMs: this.#nowMs }]
      case 'revoking':
        return source.revoking(step)
      case 'revoked':
        return source.revoked(step.places.map(place => PLACES[place] ?? ''))
      case 'lost':
        return [source.lost()]
      case 'membershipConfirmed':
        return this.checker.standing === 'out of the group'
          ? []
          : [{ type: 'membershipConfirmed', askedAtMs: this.#nowMs }]
      case 'fetch':
        return source.fetched(step, this.#now.wallMs)
      case 'trim':
        source.trim(step)
        return []
      case 'elect':
        return source.elected(step)
      case 'recreate':
        return source.recreated(step)
      case 'offsetsKnown':
        return [source.offsetsKnown()]
      case 'intakeHeld':
        return source.held(step)
      case 'attempt':
        return this.#attemptEnds(step.which, step.end)
      case 'letters':
        return this.#lettersEnd(step.which, step.taken)
      case 'commit':
        return this.#commitEnds(step.end)
      default:
        return step satisfies never
    }
  }

  #attemptEnds(which: number, end: AttemptEnd): Fact[] {
    const [task] = this.#running.splice(which % Math.max(1, this.#running.length), 1)
    if (task === undefined) return []
    if (end === 'acked' || end === 'duplicate') {
      this.#source.settles(task)
      return [{ type: 'settled', task, outcome: end }]
    }
    const failure = this.#aborted.has(task) ? ({ kind: 'aborted' } as const) : end
    return [{ type: 'failed', task, failure, error: `Error: ${failure.kind}` }]
  }

  #lettersEnd(which: number, taken: boolean): Fact[] {
    const [sentences] = this.#letters.splice(which % Math.max(1, this.#letters.length), 1)
    if (sentences === undefined) return []
    if (!taken) return [{ type: 'deadLetterFailed', sentences, error: 'not enough replicas' }]
    for (const { task } of sentences) this.#source.settles(task)
    return [{ type: 'deadLettered', sentences }]
  }

  #commitEnds(end: CommitEnd): Fact[] {
    const { committing } = this.checker
    if (!this.#commitUnderWay || committing === null) return []
    this.#commitUnderWay = false
    if (end === 'taken' || end === 'stored, answer lost') {
      for (const offset of committing) this.#source.store(offset)
    }
    switch (end) {
      case 'taken':
        return [{ type: 'committed', offsets: committing }]
      case 'stored, answer lost':
        return [{ type: 'commitFailed', cause: 'refused', error: end }]
      case 'stored in part': {
        const stored = committing.slice(1)
        for (const offset of stored) this.#source.store(offset)
        return [{ type: 'commitFailed', cause: 'generation', error: end, stored }]
      }
      case 'refused':
      case 'generation':
      case 'fenced':
        return [{ type: 'commitFailed', cause: end, error: end }]
      default:
        return end satisfies never
    }
  }

  #joinAll(): void {
    const places = PLACES.map((_, index) => index)
    const joined = this.#source.joined({ places, whole: false, order: 0 })
    this.#tell(...joined, { type: 'membershipConfirmed', askedAtMs: this.#nowMs }, this.#source.offsetsKnown())
  }

  // ── How a run ends ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All faults are over: everything in the logs is settled and committed, and a stop comes at once. */
  settleAll(): void {
    for (const log of this.#source.logs.values()) log.grow()
    this.#tell(this.#source.offsetsKnown())
    for (let round = 0; this.#goOn(); round++) sure(round < 5_000, 'with no faults, all work comes to an end')
    for (const [place, { unsettled, offsets }] of this.#source.logs) {
      const { committed, logStart, highWatermark: end } = offsets
      sure(unsettled.length === 0, `offset ${unsettled[0]} of ${place} is never settled`)
      sure((committed ?? logStart) === end, `the committed offset of ${place} reaches ${end}, not ${committed}`)
    }
    const { partitions, inFlight, buffered, bufferedBytes } = this.#subject.status(this.#now)
    sure(inFlight + buffered + bufferedBytes === 0, 'what is done weighs nothing')
    for (const { topic, partition, lagRecords, lagSeconds, blockedBy } of partitions) {
      const said = `${topic}/${partition}: lag ${lagRecords}, ${lagSeconds} s, blocked by ${blockedBy}`
      sure((lagRecords ?? 0) === 0 && lagSeconds === 0 && blockedBy === null, said)
    }
    this.#tell({ type: 'stopRequested' })
    sure(this.#stopped, 'with nothing left to do, a stop comes at once')
  }

  /** One thing that is left to do; false when there is none. */
  #goOn(): boolean {
    const { standing, live, mayStart } = this.checker
    const { hasAll, leaving } = this.#source
    const isWaiting = [...live.values()].some(({ stay }) => stay === 'leaving')
    if (this.#running.length > 0) this.#tell(...this.#attemptEnds(0, 'acked'))
    else if (this.#letters.length > 0) this.#tell(...this.#lettersEnd(0, true))
    else if (this.#commitUnderWay) this.#tell(...this.#commitEnds('taken'))
    else if (isWaiting) sure(this.#sleepOn(), 'a hand-over is answered')
    else if (leaving.length > 0) this.#tell(...this.#source.revoked(leaving))
    else if (standing !== 'consuming' || !hasAll) this.#joinAll()
    else if (!mayStart) this.#tell({ type: 'membershipConfirmed', askedAtMs: this.#nowMs })
    else return this.#readOn() || this.#sleepOn()
    return true
  }

  #readOn(): boolean {
    const facts = this.#source.readOn()
    if (facts.length > 0) this.#tell(...facts)
    return facts.length > 0
  }

  #sleepOn(): boolean {
    if (this.#wakeAtMs === Number.POSITIVE_INFINITY) return false
    this.#tick()
    return true
  }

  /** A stop, and then whatever `ending` says, for ever: it comes to its end within the time to drain and a little more. */
  stop({ attempts, commits, letters, hanging }: Ending): void {
    this.#flush()
    const hangs = new Set(this.#running.filter((_, index) => at(hanging, index)))
    const mayHang = hangs.size > 0 || commits.some(end => end !== 'taken')
    this.#tell({ type: 'stopRequested' })
    for (let round = 0; !this.#stopped && round < 200; round++) {
      const index = this.#running.findIndex(task => !hangs.has(task))
      if (index >= 0) this.#tell(...this.#attemptEnds(index, at(attempts, round)))
      else if (this.#letters.length > 0) this.#tell(...this.#lettersEnd(0, at(letters, round)))
      else if (this.#commitUnderWay) this.#tell(...this.#commitEnds(at(commits, round)))
      else if (!this.#sleepOn()) break
    }
    sure(this.#stopped || mayHang, 'a stop comes to its end when every attempt answers and commits are taken')
    if (!this.#stopped) this.#tell({ type: 'drainTimedOut' })
    for (let round = 0; !this.#stopped; round++) {
      sure(round < 10, 'past its time a stop comes to its end')
      if (round % 2 === 0 && this.#running.length > 0) this.#tell(...this.#attemptEnds(0, at(attempts, round)))
      else if (this.#commitUnderWay) this.#tell(...this.#commitEnds(at(commits, round)))
      else sure(this.#sleepOn(), 'past its time a stop waits for nothing but one commit')
    }
    while (this.#running.length > 0) this.#tell(...this.#attemptEnds(0, 'acked'))
  }
}

function at<T>(list: readonly T[], round: number): T {
  const item = list[round % list.length]
  if (item === undefined) throw new RangeError('an ending says something of everything')
  return item
}

function nameOf(assignment: Assignment): string {
  return `${placeOf(assignment)}e${assignment.epoch}`
}
