/** The way of a record through its handler: what starts, what follows from how it ended, what is dead-lettered. */
import { assert } from './assert.ts'
import type { Command, Now, Sentence, Task } from './facts.ts'
import type { Gate, Sign } from './gate.ts'
import type { Holdings } from './holdings.ts'
import type { Partition } from './partition.ts'
import type { Taken } from './record.ts'
import { Schedule } from './schedule.ts'
import { type Backoff, type Failure, steadyBackoffMs, verdictOn } from './verdict.ts'
import { CONDEMNED, type Work } from './work.ts'

export interface AttemptsOptions<R extends Taken> {
  readonly holdings: Holdings<R>
  readonly gate: Gate
  readonly inFlightMax: number
  readonly random: () => number
  /** A ledger may have moved. */
  readonly onSettled: (partition: Partition<R>) => void
}

/** Between two tries to write a dead letter that was refused. A guess, never tuned. */
const LETTERS_RETRY: Backoff = { initialMs: 500, maxMs: 15_000 }

export class Attempts<R extends Taken> {
  readonly #options: AttemptsOptions<R>
  readonly #rests = new Schedule<Work<R>>()
  /** In a handler, of whatever assignment: each holds a slot until it answers. */
  readonly #running = new Map<Task<R>, Work<R>>()
  /** In a write to a dead letter topic. */
  readonly #writing = new Map<Task<R>, Work<R>>()
  /** What was in flight when the time to drain was over, and is not settled since; null before. */
  #cutOff: Set<Task<R>> | null = null
  #servedEpoch = -1

  constructor(options: AttemptsOptions<R>) {
    this.#options = options
  }

  get running(): readonly Task<R>[] {
    return [...this.#running.keys()]
  }

  /** Whether every slot is taken. */
  get full(): boolean {
    return this.#running.size >= this.#options.inFlightMax
  }

  /** Records whose attempt or dead letter did not end in time, though it may have ended since. */
  get unfinished(): number {
    return this.#cutOff?.size ?? 0
  }

  /** The time to drain is over. Answers what runs, of whatever assignment. */
  cutOff(): readonly Task<R>[] {
    if (this.#cutOff === null) {
      const inFlight = [...this.#running.keys(), ...this.#writing.keys()]
      this.#cutOff = new Set(inFlight.filter(({ assignment }) => this.#options.holdings.of(assignment) !== undefined))
    }
    return this.running
  }

  /** When something may be tried again without a fact from outside. */
  *dueTimes(): Iterable<number> {
    yield this.#rests.nextAtMs ?? Number.POSITIVE_INFINITY
    yield* this.#options.gate.probeTimes()
    for (const { lettersRefused } of this.#options.holdings.all()) {
      if (lettersRefused !== null) yield lettersRefused.retryAtMs
    }
  }

  // ── Starting ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One record of each partition in turn, as long as there are slots and something may start; then the dead letters. */
  start(now: Now): Command<R>[] {
    this.#wake(now)
    const tasks: Work<R>[] = []
    const inTurn = this.#inTurn()
    let ready = inTurn.filter(({ lettersRefused }) => lettersRefused === null)
    while (ready.length > 0 && !this.full) {
      ready = ready.filter(partition => {
        const work = this.full ? undefined : this.#takeFrom(partition, now.nowMs)
        if (work !== undefined) tasks.push(work)
        return work !== undefined
      })
    }
    const commands: Command<R>[] = tasks.length > 0 ? [{ type: 'start', tasks }] : []
    for (const partition of inTurn) {
      const sentences = partition.takeLetters(now.nowMs)
      for (const work of partition.letters) this.#writing.set(work, work)
      if (sentences.length > 0) commands.push({ type: 'deadLetter', sentences })
    }
    return commands
  }

  /** Partitions that have something, beginning after the one that was served last: a busy one starves nobody. */
  #inTurn(): Partition<R>[] {
    const ready = [...this.#options.holdings.all()].filter(
      ({ stay, lanes, mayAdmit }) => stay === 'staying' && (lanes.ready > 0 || mayAdmit),
    )
    const first = ready.findIndex(({ assignment }) => assignment.epoch > this.#servedEpoch)
    return first <= 0 ? ready : [...ready.slice(first), ...ready.slice(0, first)]
  }

  #takeFrom(partition: Partition<R>, nowMs: number): Work<R> | undefined {
    do {
      for (const handler of partition.lanes.lines()) {
        if (handler !== CONDEMNED && this.#options.gate.mayStart(handler, nowMs)) {
          return this.#take(partition, handler, nowMs)
        }
      }
    } while (partition.admit())
    return undefined
  }

  #take(partition: Partition<R>, handler: string, nowMs: number): Work<R> {
    const work = partition.lanes.take(handler)
    assert(work !== undefined, 'a line that is named has a lane standing in it')
    this.#options.gate.started(handler, work)
    work.startedAtMs = nowMs
    partition.running.add(work)
    this.#running.set(work, work)
    this.#servedEpoch = partition.assignment.epoch
    return work
  }

  /** What has rested goes back to its lane. */
  #wake({ nowMs }: Now): void {
    for (;;) {
      const work = this.#rests.takeDue(nowMs)
      if (work === undefined) return
      // Gone with its assignment: its lane went on then.
      if (this.#options.holdings.of(work.assignment)?.resting.delete(work) !== true) continue
      work.restsUntilMs = null
      this.#options.holdings.again(work)
    }
  }

  // ── Ending ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  settled(task: Task<R>, now: Now): void {
    const work = this.#ended(task, 'up', now)
    this.#settle(work)
  }

  /** Settled by being taken: it was in no lane. */
  settledUnseen(work: Work<R>): void {
    const partition = this.#options.holdings.settle(work)
    if (partition !== undefined) this.#options.onSettled(partition)
  }

  failed(task: Task<R>, how: { failure: Failure; error: string }, now: Now): void {
    const { holdings, gate, random } = this.#options
    const work = this.#ended(task, signOf(how.failure), now)
    const { handler } = work
    assert(handler !== null, 'only a record with a handler can fail in one')
    const attempts = { attempt: work.attempt, retry: gate.policyOf(handler).retry, random: random() }
    const verdict = verdictOn(how.failure, handler, attempts)
    if (verdict.kind === 'hold') gate.failed({ ...verdict, handler, error: how.error }, work, now.nowMs)
    const partition = holdings.of(work.assignment)
    if (partition === undefined) return holdings.done(work)
    work.lastError = how.error
    if (verdict.kind !== 'forget') work.firstFailedAtMs ??= now.wallMs
    switch (verdict.kind) {
      case 'retry':
        work.attempt++
        return this.#rest(partition, work, now.nowMs + verdict.afterMs)
      case 'again':
        return this.#rest(partition, work, now.nowMs + verdict.afterMs)
      case 'dead-letter':
        work.sentence = { task: work, reason: verdict.reason, error: how.error, attempts: work.attempt, handler }
        return holdings.again(work)
      case 'hold':
      case 'forget':
        return holdings.again(work)
      default:
        verdict satisfies never
    }
  }

  #ended(task: Task<R>, sign: Sign, now: Now): Work<R> {
    const work = this.#running.get(task)
    assert(work !== undefined, 'a task answers once')
    this.#running.delete(task)
    this.#options.holdings.of(work.assignment)?.running.delete(work)
    if (work.handler !== null) this.#options.gate.ended(work.handler, work, { sign, nowMs: now.nowMs })
    return work
  }

  #rest(partition: Partition<R>, work: Work<R>, untilMs: number): void {
    work.restsUntilMs = untilMs
    partition.resting.add(work)
    this.#rests.add(untilMs, work)
  }

  #settle(work: Work<R>): void {
    const { holdings, onSettled } = this.#options
    const partition = holdings.settle(work)
    holdings.done(work)
    if (partition === undefined) return
    this.#cutOff?.delete(work)
    onSettled(partition)
  }

  // ── Dead letters ────────────────────────────────────────────────────────────────────────────────────────────────────

  deadLettered(sentences: readonly Sentence<R>[]): void {
    const { partition, works } = this.#lettersBack(sentences)
    if (partition !== undefined) partition.lettersRefused = null
    for (const work of works) this.#settle(work)
  }

  lettersRefused(sentences: readonly Sentence<R>[], error: string, { nowMs }: Now): void {
    const { holdings, random } = this.#options
    const { partition, works } = this.#lettersBack(sentences)
    if (partition === undefined) {
      for (const work of works) holdings.done(work)
      return
    }
    for (const work of works) holdings.again(work)
    const { failures = 0, sinceMs = nowMs } = partition.lettersRefused ?? {}
    const retryAtMs = nowMs + steadyBackoffMs(LETTERS_RETRY, failures + 1, random())
    partition.lettersRefused = { error, sinceMs, failures: failures + 1, retryAtMs }
  }

  /** A write carries letters of one partition; undefined when that is gone. */
  #lettersBack(sentences: readonly Sentence<R>[]): { partition: Partition<R> | undefined; works: readonly Work<R>[] } {
    const works = sentences.map(({ task }) => {
      const work = this.#writing.get(task)
      assert(work !== undefined, 'a dead letter answers once')
      this.#writing.delete(task)
      return work
    })
    const [first] = works
    const partition = first === undefined ? undefined : this.#options.holdings.of(first.assignment)
    if (partition !== undefined) partition.letters = []
    return { partition, works }
  }
}

function signOf(failure: Failure): Sign {
  switch (failure.kind) {
    case 'outage':
    case 'ours':
      return 'down'
    case 'waiting':
    case 'aborted':
    case 'record':
    case 'passing':
      // A bug in a handler, or a timeout, says nothing of what it depends on.
      return 'none'
    default:
      return failure satisfies never
  }
}
