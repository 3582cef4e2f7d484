/** The member's side of the group: what is assigned to it, and what it reads of the logs. It obeys, and decides nothing. */
import type { Completions } from '../../src/core/completions.ts'
import type { Fact, OffsetToCommit, Task } from '../../src/core/facts.ts'
import { type Assignment, placeOf } from '../../src/core/record.ts'
import { Log } from './log.ts'
import { PLACES, type Setting, type Step } from './steps.ts'

interface Reading {
  readonly assignment: Assignment
  /** What was settled before it began. */
  readonly completions: Completions | null
  position: number | null
  /** It is being revoked. */
  leaving: boolean
  paused: boolean
  intakeHeld: boolean
}

const UNKNOWN_EPOCH = 1e9

type Of<Type extends Step['type']> = Extract<Step, { type: Type }>

export class Source {
  readonly logs = new Map<string, Log>()
  readonly #reading = new Map<string, Reading>()
  #epochs = 0

  constructor(setting: Setting) {
    for (const place of PLACES) this.logs.set(place, new Log(place, setting))
  }

  get hasAll(): boolean {
    return this.#reading.size === PLACES.length
  }

  get leaving(): string[] {
    return [...this.#reading].flatMap(([name, { leaving }]) => (leaving ? [name] : []))
  }

  // ── The group ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  joined({ places, whole, order }: { places: readonly number[]; whole: boolean; order: number }): Fact[] {
    const names: string[] = places.map(place => nameAt(place))
    // An epoch that is being revoked ends before another one of its place begins.
    const ended = whole ? this.revoked(names.filter(name => this.#reading.get(name)?.leaving)) : []
    for (const [name, { leaving }] of this.#reading) {
      if (!leaving && (whole || !names.includes(name))) this.#reading.delete(name)
    }
    const restored: Fact[] = []
    const known = names.map(name => {
      const reading = this.#reading.get(name)
      if (reading !== undefined) {
        reading.leaving = false
        return reading.assignment
      }
      const begun = this.#begin(name)
      restored.push(begun.restored)
      return begun.assignment
    })
    // Epochs rise, but a source may name its assignments in any order.
    const assignments = [...known.slice(order), ...known.slice(0, order)]
    return [...ended, { type: 'joined', assignments }, ...restored]
  }

  #begin(name: string): { assignment: Assignment; restored: Fact } {
    const [topic = '', partition = ''] = name.split('/')
    const assignment = { topic, partition: Number(partition), epoch: ++this.#epochs }
    const { committed, completions } = this.#log(name).stored
    const reading = { assignment, completions, position: null, leaving: false, paused: false, intakeHeld: false }
    this.#reading.set(name, reading)
    return { assignment, restored: { type: 'restored', assignment, committed, completions } }
  }

  revoking({ places, unknown }: Of<'revoking'>): Fact[] {
    const assignments: Assignment[] = unknown ? [{ topic: 'a', partition: 0, epoch: UNKNOWN_EPOCH }] : []
    for (const place of places) {
      const reading = this.#reading.get(nameAt(place))
      if (reading === undefined) continue
      reading.leaving = true
      assignments.push(reading.assignment)
    }
    return assignments.length === 0 ? [] : [{ type: 'revoking', assignments }]
  }

  revoked(names: readonly string[]): Fact[] {
    const assignments = names.flatMap(name => this.#reading.get(name)?.assignment ?? [])
    for (const name of names) this.#reading.delete(name)
    return assignments.length === 0 ? [] : [{ type: 'revoked', assignments }]
  }

  /** The log of a partition is another one now. */
  #renewed(name: string): Fact[] {
    const ended = this.revoked([name])
    if (ended.length === 0) return []
    const { assignment, restored } = this.#begin(name)
    return [...ended, { type: 'assigned', assignments: [assignment] }, restored]
  }

  elected({ place, lost }: Of<'elect'>): Fact[] {
    const name = nameAt(place)
    const log = this.#log(name)
    log.elect(lost)
    // Only a source that has read beyond the end can notice.
    return (this.#reading.get(name)?.position ?? 0) > log.end ? this.#renewed(name) : []
  }

  fetched({ place, records, trailing, onItsWay }: Of<'fetch'>, wallMs: number): Fact[] {
    const name = nameAt(place)
    const log = this.#log(name)
    log.append(records, { trailing, timestampMs: wallMs })
    const reading = this.#reading.get(name)
    if (reading === undefined || reading.intakeHeld) return []
    if ((reading.paused || reading.leaving) && !onItsWay) return []
    return [this.#read(reading, log)]
  }

  #read(reading: Reading, log: Log): Fact {
    const { assignment, position, completions } = reading
    const chunk = log.read(position, completions)
    reading.position = chunk.positionAfter
    return { type: 'fetched', assignment, ...chunk }
  }

  offsetsKnown(): Fact {
    const offsets = [...this.#reading].map(([place, { assignment }]) => {
      const { committed, logStart, highWatermark } = this.#log(place).offsets
      return { assignment, committed, logStart, highWatermark }
    })
    return { type: 'offsetsKnown', offsets }
  }

  lost(): Fact {
    this.#reading.clear()
    return { type: 'lost' }
  }

  pause(assignments: readonly Assignment[], paused: boolean): void {
    for (const { epoch } of assignments) {
      for (const reading of this.#reading.values()) if (reading.assignment.epoch === epoch) reading.paused = paused
    }
  }

  held({ place, held }: Of<'intakeHeld'>): Fact[] {
    const reading = this.#reading.get(nameAt(place))
    if (reading === undefined) return []
    reading.intakeHeld = held
    return [{ type: 'intakeHeld', assignment: reading.assignment, why: held ? 'schema 7 is not known' : null }]
  }

  /** The next thing to tell, where nothing keeps it from reading. */
  readOn(): Fact[] {
    for (const [place, reading] of this.#reading) {
      const { intakeHeld, paused, position } = reading
      const log = this.#log(place)
      if (intakeHeld)
        return this.held({ type: 'intakeHeld', place: PLACES.findIndex(name => name === place), held: false })
      if (!paused && (position === null || position < log.end)) return [this.#read(reading, log)]
    }
    return []
  }

  // ── The broker ────────────────────────────────────────────────────────────────────────────────────────────────────────

  trim({ place, offsets }: Of<'trim'>): void {
    this.#log(nameAt(place)).trim(offsets)
  }

  recreated({ place }: Of<'recreate'>): Fact[] {
    const name = nameAt(place)
    this.#log(name).recreate()
    return this.#renewed(name)
  }

  starts({ assignment, record }: Task): void {
    this.#log(placeOf(assignment)).starts(record.offset)
  }

  /** What ends for an assignment that is gone does not count: it is delivered again. */
  settles({ assignment, record }: Task): void {
    this.#logOf(assignment)?.settle(record.offset)
  }

  /** Passes over assignments that are gone. */
  store(offset: OffsetToCommit): void {
    this.#logOf(offset.assignment)?.store(offset)
  }

  #logOf(assignment: Assignment): Log | null {
    const place = placeOf(assignment)
    return this.#reading.get(place)?.assignment === assignment ? this.#log(place) : null
  }

  #log(place: string): Log {
    const log = this.logs.get(place)
    if (log === undefined) throw new RangeError(`there is no log of ${place}`)
    return log
  }
}

function nameAt(place: number): string {
  return PLACES[place] ?? PLACES[0]
}
