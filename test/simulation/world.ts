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
import { Checker, RETRY_MS_MAX, sure } from './checker.ts'
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

export interface Subject {
  decide(facts: readonly Fact[], now: Now): Command[]
  status(now: Now): EngineStatus
}

interface Log {
  readonly records: Taken[]
  start: number
  end: number
  committed: number | null
  readonly settled: Set<number>
}

interface Reading {
  readonly assignment: Assignment
  position: number | null
  paused: boolean
  intakeHeld: boolean
}

const RECORDS_PER_ANSWER = 10
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
  readonly #logs = new Map<string, Log>()
  readonly #reading = new Map<string, Reading>()
  #epochs = 0
  #nowMs = 0
  #wakeAtMs = Number.POSITIVE_INFINITY
  #queue: Fact[] = []
  #running: Task[] = []
  readonly #aborted = new Set<Task>()
  #letters: (readonly Sentence[])[] = []
  #commitUnderWay = false
  #stopped = false
  #offsets = 0

  constructor(setting: Setting, plant: (engine: Subject) => Subject = engine => engine) {
    this.checker = new Checker(setting)
    for (const place of PLACES)
      this.#logs.set(place, { records: [], start: 0, end: 0, committed: null, settled: new Set() })
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
        for (const { epoch } of command.assignments) {
          for (const reading of this.#reading.values()) {
            if (reading.assignment.epoch === epoch) reading.paused = command.type === 'pause'
          }
        }
        return
      case 'wakeAt':
        this.#wakeAtMs = command.atMs
        return
      case 'stopped':
        this.#stopped = true
        return
      case 'rejoin':
      case 'handedOver':
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
    const ticksMax = inHand + 12
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
    const inGroup = this.checker.standing !== 'out of the group' && !this.checker.owed
    switch (step.type) {
      case 'join':
        return [this.#joined(step)]
      case 'joining':
        return this.checker.owed ? [] : [{ type: 'joining' }]
      case 'lost':
        this.#reading.clear()
        return [{ type: 'lost' }]
      case 'membershipConfirmed':
        return inGroup ? [{ type: 'membershipConfirmed' }] : []
      case 'fetch':
        return this.#fetched(step)
      case 'trim': {
        const log = this.#log(PLACES[step.place] ?? PLACES[0])
        log.start = Math.min(log.end, log.start + step.offsets)
        return []
      }
      case 'offsetsKnown':
        return [this.#offsetsKnown()]
      case 'intakeHeld': {
        const reading = this.#reading.get(PLACES[step.place] ?? '')
        if (reading === undefined) return []
        reading.intakeHeld = step.held
        return [{ type: 'intakeHeld', assignment: reading.assignment, why: step.held ? 'schema 7 is not known' : null }]
      }
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

  #joined({ places, whole, order }: { places: readonly number[]; whole: boolean; order: number }): Fact {
    const names: string[] = places.map(place => PLACES[place] ?? PLACES[0])
    for (const place of this.#reading.keys()) if (whole || !names.includes(place)) this.#reading.delete(place)
    const known = names.map(place => {
      const [topic = '', partition = ''] = place.split('/')
      return this.#reading.get(place)?.assignment ?? { topic, partition: Number(partition), epoch: ++this.#epochs }
    })
    // Epochs rise, but a source may name its assignments in any order.
    const assignments = [...known.slice(order), ...known.slice(0, order)]
    for (const assignment of assignments) {
      const place = placeOf(assignment)
      if (!this.#reading.has(place))
        this.#reading.set(place, { assignment, position: null, paused: false, intakeHeld: false })
    }
    return { type: 'joined', assignments }
  }

  #fetched({ place, records, trailing, onItsWay }: Extract<Step, { type: 'fetch' }>): Fact[] {
    const name = PLACES[place] ?? PLACES[0]
    const log = this.#log(name)
    for (const { gap, lane, disposition } of records) {
      log.end += gap
      const timestampMs = WALL_START_MS + this.#nowMs - (this.#offsets++ % 7) * 100
      log.records.push({ offset: log.end++, timestampMs, bytes: 10 + (log.end % 5), lane, disposition })
    }
    log.end += trailing
    const reading = this.#reading.get(name)
    if (reading === undefined || reading.intakeHeld || (reading.paused && !onItsWay)) return []
    return [this.#read(reading, log)]
  }

  #read(reading: Reading, log: Log): Fact {
    const { assignment } = reading
    const positionBefore = Math.max(reading.position ?? log.committed ?? 0, log.start)
    const rest = log.records.filter(({ offset }) => offset >= positionBefore)
    const records = rest.slice(0, RECORDS_PER_ANSWER)
    const last = rest.length > records.length ? records.at(-1) : undefined
    const positionAfter = last === undefined ? Math.max(positionBefore, log.end) : last.offset + 1
    reading.position = positionAfter
    for (const { offset, disposition } of records) if (disposition.kind === 'ignore') log.settled.add(offset)
    return { type: 'fetched', assignment, records, positionBefore, positionAfter, highWatermark: log.end }
  }

  #offsetsKnown(): Fact {
    const offsets = [...this.#reading].map(([place, { assignment }]) => {
      const { committed, start: logStart, end: highWatermark } = this.#log(place)
      return { assignment, committed, highWatermark, logStart }
    })
    return { type: 'offsetsKnown', offsets }
  }

  #attemptEnds(which: number, end: AttemptEnd): Fact[] {
    const [task] = this.#running.splice(which % Math.max(1, this.#running.length), 1)
    if (task === undefined) return []
    if (end === 'acked' || end === 'duplicate') {
      this.#settles(task)
      return [{ type: 'settled', task, outcome: end }]
    }
    const failure = this.#aborted.has(task) ? ({ kind: 'aborted' } as const) : end
    return [{ type: 'failed', task, failure, error: `Error: ${failure.kind}` }]
  }

  #lettersEnd(which: number, taken: boolean): Fact[] {
    const [sentences] = this.#letters.splice(which % Math.max(1, this.#letters.length), 1)
    if (sentences === undefined) return []
    if (!taken) return [{ type: 'deadLetterFailed', sentences, error: 'not enough replicas' }]
    for (const { task } of sentences) this.#settles(task)
    return [{ type: 'deadLettered', sentences }]
  }

  /** What ends for an assignment that is gone does not count: it is delivered again. */
  #settles({ assignment, record }: Task): void {
    const place = placeOf(assignment)
    if (this.#reading.get(place)?.assignment === assignment) this.#log(place).settled.add(record.offset)
  }

  #commitEnds(end: CommitEnd): Fact[] {
    const { committing } = this.checker
    if (!this.#commitUnderWay || committing === null) return []
    this.#commitUnderWay = false
    if (end === 'taken' || end === 'stored, answer lost') {
      for (const { assignment, nextOffset } of committing) this.#store(assignment, nextOffset)
    }
    if (end === 'taken') return [{ type: 'committed', offsets: committing }]
    const cause = end === 'stored, answer lost' ? 'refused' : end
    return [{ type: 'commitFailed', cause, error: end }]
  }

  #store(assignment: Assignment, nextOffset: number): void {
    const place = placeOf(assignment)
    // A source passes over assignments that are gone.
    if (this.#reading.get(place)?.assignment !== assignment) return
    const log = this.#log(place)
    sure(
      nextOffset >= (log.committed ?? 0),
      `the committed offset of ${place} falls from ${log.committed} to ${nextOffset}`,
    )
    const { start, settled } = log
    const lost = log.records.find(({ offset }) => offset >= start && offset < nextOffset && !settled.has(offset))
    sure(lost === undefined, `offset ${lost?.offset} of ${place} is lost: it was passed and never settled`)
    log.committed = nextOffset
  }

  #log(place: string): Log {
    const log = this.#logs.get(place)
    if (log === undefined) throw new RangeError(`there is no log of ${place}`)
    return log
  }

  #joinAll(): void {
    const places = PLACES.map((_, index) => index)
    this.#tell(this.#joined({ places, whole: false, order: 0 }), this.#offsetsKnown())
  }

  // ── How a run ends ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All faults are over: everything in the logs is settled and committed, and a stop comes at once. */
  settleAll(): void {
    this.#tell(this.#offsetsKnown())
    for (let round = 0; this.#goOn(); round++) sure(round < 5_000, 'with no faults, all work comes to an end')
    for (const [place, { records, start, end, settled, committed }] of this.#logs) {
      const left = records.find(({ offset }) => offset >= start && !settled.has(offset) && offset >= (committed ?? 0))
      sure(left === undefined, `offset ${left?.offset} of ${place} is never settled`)
      sure((committed ?? start) === end, `the committed offset of ${place} reaches ${end}, not ${committed}`)
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
    const { standing, owed, mayStart } = this.checker
    const everything = this.#reading.size === PLACES.length
    if (this.#running.length > 0) this.#tell(...this.#attemptEnds(0, 'acked'))
    else if (this.#letters.length > 0) this.#tell(...this.#lettersEnd(0, true))
    else if (this.#commitUnderWay) this.#tell(...this.#commitEnds('taken'))
    else if (owed && this.#wakeAtMs < Number.POSITIVE_INFINITY) this.#tick()
    else if (standing !== 'consuming' || !everything) {
      sure(!owed, 'a hand-over is answered')
      this.#joinAll()
    } else if (!mayStart) this.#tell({ type: 'membershipConfirmed' })
    else return this.#readOn() || this.#sleepOn()
    return true
  }

  #readOn(): boolean {
    for (const [place, reading] of this.#reading) {
      const { assignment, intakeHeld, paused, position } = reading
      const log = this.#log(place)
      if (intakeHeld) {
        reading.intakeHeld = false
        this.#tell({ type: 'intakeHeld', assignment, why: null })
        return true
      }
      if (paused || (position !== null && position >= log.end)) continue
      this.#tell(this.#read(reading, log))
      return true
    }
    return false
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
