import { decodeCompletions, encodeCompletions } from '../../src/core/completions.ts'
import { Engine, type EngineOptions } from '../../src/core/engine.ts'
import type { Command, CommitFailure, Fact, Now, OffsetToCommit, Sentence, Task } from '../../src/core/facts.ts'
import type { Assignment, Taken } from '../../src/core/record.ts'
import type { PartitionStatus } from '../../src/core/status.ts'
import type { Failure } from '../../src/core/verdict.ts'
import { assignmentOf, recordOf, WALL_START_MS } from './make.ts'
import { spell } from './spell.ts'

const RETRY = { initialMs: 100, maxMs: 1_000, attemptsMax: 3 }

const OPTIONS: EngineOptions = {
  handlers: ['h', 'g'].map(name => ({ name, retry: RETRY, concurrencyMax: null })),
  inFlightMax: 10,
  budget: { recordsMax: 1_000, bytesMax: 1_000_000 },
  windowMax: 1_000,
  commitIntervalMs: 1_000,
  sessionTimeoutMs: 1_000_000,
  random: () => 0.5,
}

const TICKS_MAX = 1_000
const UNSHOWN: ReadonlySet<Command['type']> = new Set(['wakeAt', 'detach'])

interface Stored {
  /** Above what was committed. */
  readonly settled?: readonly number[]
  readonly leaderEpoch?: number
}

/**
 * An engine whose outside is played by the test, in words: `0@5` is offset 5 of partition 0 of one topic. Every method
 * answers the commands that followed, spelled; `wakeAt` is obeyed by `pass`, and neither that nor `detach` is shown.
 */
export class Scenario {
  readonly engine: Engine<Taken>
  nowMs = 0
  readonly #assignments = new Map<number, Assignment>()
  /** Revoked, or about to be. */
  readonly #leaving = new Set<number>()
  readonly #positions = new Map<number, number>()
  #epochs = 0
  #running: Task[] = []
  #letters: (readonly Sentence[])[] = []
  #committing: readonly OffsetToCommit[] = []
  #wakeAtMs = Number.POSITIVE_INFINITY

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = new Engine<Taken>({ ...OPTIONS, ...options }, this.now)
  }

  get now(): Now {
    return { nowMs: this.nowMs, wallMs: WALL_START_MS + this.nowMs }
  }

  /** In a handler now. */
  get running(): string[] {
    return this.#running.map(nameOf)
  }

  tell(...facts: Fact[]): string[] {
    const commands = this.engine.decide(facts, this.now)
    for (const command of commands) this.#perform(command)
    return commands.filter(({ type }) => !UNSHOWN.has(type)).map(command => spell(command, placeName))
  }

  #perform(command: Command): void {
    if (command.type === 'start') this.#running.push(...command.tasks)
    else if (command.type === 'deadLetter') this.#letters.push(command.sentences)
    else if (command.type === 'commit') this.#committing = command.offsets
    else if (command.type === 'wakeAt') this.#wakeAtMs = command.atMs
  }

  /** Lets time pass, and ticks whenever the engine has asked for it. */
  pass(ms: number): string[] {
    const untilMs = this.nowMs + ms
    const commands: string[] = []
    for (let ticks = 0; this.#wakeAtMs <= untilMs; ticks++) {
      if (ticks > TICKS_MAX) missing('the engine does not sleep')
      this.nowMs = this.#wakeAtMs
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      commands.push(...this.tell({ type: 'ticked' }))
    }
    this.nowMs = untilMs
    return commands
  }

  // ── The group ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Partitions that are held already keep their epoch; what is being revoked and not named stays so. */
  join(...partitions: number[]): string[] {
    for (const partition of this.#assignments.keys()) {
      if (!partitions.includes(partition) && !this.#leaving.has(partition)) this.#assignments.delete(partition)
    }
    const assignments = partitions.map(partition => {
      this.#leaving.delete(partition)
      return this.#assignments.get(partition) ?? this.#begin(partition)
    })
    return this.tell({ type: 'joined', assignments }, { type: 'membershipConfirmed', askedAtMs: this.now.nowMs })
  }

  #begin(partition: number): Assignment {
    const assignment = assignmentOf(partition, ++this.#epochs)
    this.#assignments.set(partition, assignment)
    return assignment
  }

  revoking(...partitions: number[]): string[] {
    for (const partition of partitions) this.#leaving.add(partition)
    return this.tell({ type: 'revoking', assignments: partitions.map(partition => this.assignment(partition)) })
  }

  revoked(...partitions: number[]): string[] {
    const assignments = partitions.map(partition => this.assignment(partition))
    for (const partition of partitions) this.#gone(partition)
    return this.tell({ type: 'revoked', assignments })
  }

  #gone(partition: number): void {
    this.#assignments.delete(partition)
    this.#leaving.delete(partition)
  }

  /** Its log is another one now, and is read from its beginning. */
  renew(partition: number): string[] {
    const gone = this.assignment(partition)
    this.#gone(partition)
    this.rewind(partition, 0)
    const assignments = [this.#begin(partition)]
    return this.tell({ type: 'revoked', assignments: [gone] }, { type: 'assigned', assignments })
  }

  lose(): string[] {
    this.#assignments.clear()
    this.#leaving.clear()
    return this.tell({ type: 'lost' })
  }

  /** What the group had stored; the partition is read from there. */
  restore(partition: number, committed: number, { settled = [], leaderEpoch = 0 }: Stored = {}): string[] {
    const metadata = encodeCompletions({ base: committed, leaderEpoch, settled })
    const completions = decodeCompletions(metadata, { committed })
    this.rewind(partition, committed)
    return this.tell({ type: 'restored', assignment: this.assignment(partition), committed, completions })
  }

  // ── Records ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One record for each of these differences, from where the last answer ended. */
  fetch(partition: number, ...records: Partial<Taken>[]): string[] {
    return this.tell(this.fetched(partition, records))
  }

  fetched(
    partition: number,
    differs: Partial<Taken>[],
    { from = this.#positions.get(partition) ?? 0, behind = 0, leaderEpoch = 0 } = {},
  ): Fact {
    const records = differs.map((each, index) => recordOf(from + index, each))
    const positionAfter = from + differs.length
    this.#positions.set(partition, positionAfter)
    const highWatermark = positionAfter + behind
    const assignment = this.assignment(partition)
    return { type: 'fetched', assignment, records, positionBefore: from, positionAfter, highWatermark, leaderEpoch }
  }

  /** The partition is read again from here, as a new assignment does. */
  rewind(partition: number, offset: number): void {
    this.#positions.set(partition, offset)
  }

  assignment(partition: number): Assignment {
    return this.#assignments.get(partition) ?? missing(`partition ${partition} is not assigned`)
  }

  // ── How things end ────────────────────────────────────────────────────────────────────────────────────────────────────

  ack(...names: string[]): string[] {
    return this.tell(...names.map(name => ({ type: 'settled', task: this.task(name), outcome: 'acked' }) as const))
  }

  fail(name: string, failure: Failure, error = 'Error: no'): string[] {
    return this.tell({ type: 'failed', task: this.task(name), failure, error })
  }

  /** Takes it out of what runs: a task answers once. */
  task(name: string): Task {
    const at = this.#running.findIndex(task => nameOf(task) === name)
    const [task] = at < 0 ? [] : this.#running.splice(at, 1)
    return task ?? missing(`${name} is not running, only ${this.running.join(' ')}`)
  }

  lettersTaken(): string[] {
    const sentences = this.#letters.shift() ?? missing('no letters are being written')
    return this.tell({ type: 'deadLettered', sentences })
  }

  lettersRefused(error = 'not enough replicas'): string[] {
    const sentences = this.#letters.shift() ?? missing('no letters are being written')
    return this.tell({ type: 'deadLetterFailed', sentences, error })
  }

  commitTaken(): string[] {
    return this.tell({ type: 'committed', offsets: this.#committing })
  }

  /** `storedOf`: the partitions that were stored all the same. */
  commitFailed(cause: CommitFailure, ...storedOf: number[]): string[] {
    const stored = this.#committing.filter(({ assignment }) => storedOf.includes(assignment.partition))
    return this.tell({ type: 'commitFailed', cause, error: 'no', stored })
  }

  status(partition: number): PartitionStatus {
    const found = this.engine.status(this.now).partitions.find(status => status.partition === partition)
    return found ?? missing(`partition ${partition} is not held`)
  }
}

function placeName({ partition }: Assignment): string {
  return String(partition)
}

function nameOf({ assignment, record }: Task): string {
  return `${assignment.partition}@${record.offset}`
}

function missing(what: string): never {
  throw new RangeError(what)
}
