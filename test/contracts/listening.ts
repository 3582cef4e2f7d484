/** A listener that remembers everything, and holds the source to what holds at every moment. */
import type {
  Assignment,
  PartitionAnswer,
  PartitionOffsets,
  RawRecord,
  Restored,
  SourceListener,
} from '../../src/consumer/ports.ts'
import { placeOf } from '../../src/core/record.ts'

type Missed = Parameters<SourceListener['missed']>[0]
type Renewed = Parameters<SourceListener['renewed']>[0]
type Held = Parameters<SourceListener['held']>[0]

interface Tenure {
  readonly assignment: Assignment
  isLeaving: boolean
  isRestored: boolean
  /** Where the last answer ended; null before the first. */
  position: number | null
}

export class Listening implements SourceListener {
  readonly joins: (readonly Assignment[])[] = []
  readonly restores: Restored[] = []
  readonly revokings: (readonly Assignment[])[] = []
  readonly revocations: (readonly Assignment[])[] = []
  readonly renewals: Renewed[] = []
  readonly holds: Held[] = []
  readonly losses: string[] = []
  readonly answers: PartitionAnswer[] = []
  readonly offsets: (readonly PartitionOffsets[])[] = []
  readonly misses: Missed[] = []
  readonly waits: (string | null)[] = []
  readonly failures: Error[] = []
  /** What no source may do. */
  readonly violations: string[] = []
  confirmations = 0
  fetches = 0
  fetchedBytes = 0
  /** What a hand-over consists of. */
  onRevoking: (assignments: readonly Assignment[]) => Promise<void> = async () => {}
  onAnswered: (answer: PartitionAnswer) => void = () => {}
  /** By place. */
  readonly #live = new Map<string, Tenure>()
  readonly #epochs = new Set<number>()
  /** Those with whom it shares the group. */
  readonly #peers: ReadonlySet<Listening>
  #isCalled = false

  constructor(peers: ReadonlySet<Listening> = new Set()) {
    this.#peers = peers
  }

  /** In the order of their coming. */
  get records(): readonly { place: string; record: RawRecord }[] {
    return this.answers.flatMap(({ assignment, records }) =>
      records.map(record => ({ place: `${assignment.partition}`, record })),
    )
  }

  get values(): readonly string[] {
    return this.records.map(({ record }) => Buffer.from(record.value ?? []).toString())
  }

  /** What is ours to stay. */
  get assignments(): readonly Assignment[] {
    return [...this.#live.values()].flatMap(({ assignment, isLeaving }) => (isLeaving ? [] : [assignment]))
  }

  get leaving(): readonly Assignment[] {
    return [...this.#live.values()].flatMap(({ assignment, isLeaving }) => (isLeaving ? [assignment] : []))
  }

  get partitions(): readonly number[] {
    return this.assignments.map(({ partition }) => partition).toSorted((one, other) => one - other)
  }

  get lastOffsets(): readonly PartitionOffsets[] {
    return this.offsets.at(-1) ?? []
  }

  /** Whether it has this place, if only to hand it over. */
  has(assignment: Assignment): boolean {
    return this.#live.has(placeOf(assignment))
  }

  /** All that was answered and is ours, what is leaving included, as a commit of it. */
  everything(metadata = ''): { assignment: Assignment; nextOffset: number; metadata: string }[] {
    return [...this.#live.values()].flatMap(({ assignment, position }) =>
      position === null ? [] : [{ assignment, nextOffset: position, metadata }],
    )
  }

  joined(assignments: readonly Assignment[]): void {
    this.#called('joined', () => {
      const epochs = new Set(assignments.map(({ epoch }) => epoch))
      for (const [place, { assignment, isLeaving }] of this.#live)
        if (!isLeaving && !epochs.has(assignment.epoch)) this.#live.delete(place)
      for (const assignment of assignments) {
        const tenure = this.#tenureOf(assignment)
        if (tenure === null) this.#begin(assignment)
        else tenure.isLeaving = false
      }
      this.joins.push(assignments)
    })
  }

  restored(restored: Restored): void {
    this.#called('restored', () => {
      const tenure = this.#tenureOf(restored.assignment)
      if (tenure === null) this.violations.push('restored a partition that is gone')
      else if (tenure.isRestored) this.violations.push(`restored ${nameOf(restored.assignment)} twice`)
      else tenure.isRestored = true
      this.restores.push(restored)
    })
  }

  revoking(assignments: readonly Assignment[]): Promise<void> {
    this.#called('revoking', () => {
      if (assignments.length === 0) this.violations.push('revoking nothing')
      for (const assignment of assignments) {
        const tenure = this.#tenureOf(assignment)
        if (tenure === null) this.violations.push(`revoking ${nameOf(assignment)}, which is gone`)
        else if (tenure.isLeaving) this.violations.push(`revoking ${nameOf(assignment)}, which is leaving already`)
        else tenure.isLeaving = true
      }
      this.revokings.push(assignments)
    })
    return this.onRevoking(assignments)
  }

  revoked(assignments: readonly Assignment[]): void {
    this.#called('revoked', () => {
      for (const assignment of assignments) {
        if (this.#tenureOf(assignment) === null) this.violations.push(`revoked ${nameOf(assignment)}, which is gone`)
        else this.#live.delete(placeOf(assignment))
      }
      this.revocations.push(assignments)
    })
  }

  renewed(renewed: Renewed): void {
    this.#called('renewed', () => {
      if (this.#tenureOf(renewed.gone) === null) this.violations.push('renewed a partition that is gone')
      this.#live.delete(placeOf(renewed.gone))
      this.#begin(renewed.assignment)
      this.renewals.push(renewed)
    })
  }

  held(held: Held): void {
    this.#called('held', () => {
      if (this.#tenureOf(held.assignment) === null) this.violations.push('held a partition that is gone')
      this.holds.push(held)
    })
  }

  lost(why: string): void {
    this.#called('lost', () => {
      this.#live.clear()
      this.losses.push(why)
    })
  }

  answered(answer: PartitionAnswer): void {
    this.#called('answered', () => {
      this.#check(answer)
      this.answers.push(answer)
      this.onAnswered(answer)
    })
  }

  offsetsKnown(offsets: readonly PartitionOffsets[]): void {
    this.#called('offsetsKnown', () => {
      for (const { assignment } of offsets)
        if (this.#tenureOf(assignment) === null) this.violations.push('offsets of a partition that is gone')
      this.offsets.push(offsets)
    })
  }

  missed(range: Missed): void {
    this.#called('missed', () => {
      const tenure = this.#tenureOf(range.assignment)
      if (tenure === null) this.violations.push('missed on a partition that is gone')
      // The range counts as seen: the next answer begins behind it.
      else if (tenure.position !== null) tenure.position = range.to
      this.misses.push(range)
    })
  }

  membershipConfirmed(askedAtMs: number): void {
    if (!(askedAtMs >= 0)) this.violations.push('a confirmation of no time')
    this.#called('membershipConfirmed', () => this.confirmations++)
  }

  fetchDone(cost: { durationMs: number; bytes: number }): void {
    this.#called('fetchDone', () => {
      if (cost.durationMs < 0 || cost.bytes < 0) this.violations.push('a negative cost')
      this.fetches++
      this.fetchedBytes += cost.bytes
    })
  }

  waiting(why: string | null): void {
    this.#called('waiting', () => this.waits.push(why))
  }

  failed(error: Error): void {
    this.#called('failed', () => this.failures.push(error))
  }

  #begin(assignment: Assignment): void {
    if (this.#epochs.has(assignment.epoch)) this.violations.push(`${nameOf(assignment)} comes back after it was gone`)
    for (const peer of this.#peers)
      if (peer !== this && peer.has(assignment))
        this.violations.push(`${nameOf(assignment)} is with two members at once`)
    this.#epochs.add(assignment.epoch)
    this.#live.set(placeOf(assignment), { assignment, isLeaving: false, isRestored: false, position: null })
  }

  #check(answer: PartitionAnswer): void {
    const { assignment, positionBefore, positionAfter, records } = answer
    const name = nameOf(assignment)
    const tenure = this.#tenureOf(assignment)
    if (tenure === null) return void this.violations.push(`an answer for ${name}, which is gone`)
    if (!tenure.isRestored) this.violations.push(`an answer for ${name} before what the group had stored for it`)
    const expected = tenure.position ?? positionBefore
    if (positionBefore !== expected)
      this.violations.push(`${name} answers from ${positionBefore}, expected ${expected}`)
    let last = positionBefore - 1
    for (const { offset } of records) {
      if (offset <= last || offset >= positionAfter)
        this.violations.push(`${name}: offset ${offset} after ${last} in [${positionBefore}, ${positionAfter})`)
      last = offset
    }
    if (positionAfter <= positionBefore) this.violations.push(`${name}: an answer that moves nothing`)
    tenure.position = positionAfter
  }

  #tenureOf(assignment: Assignment): Tenure | null {
    const tenure = this.#live.get(placeOf(assignment))
    return tenure !== undefined && tenure.assignment.epoch === assignment.epoch ? tenure : null
  }

  #called(name: string, call: () => void): void {
    if (this.#isCalled) this.violations.push(`${name} within another call`)
    this.#isCalled = true
    call()
    this.#isCalled = false
  }
}

function nameOf(assignment: Assignment): string {
  return `${placeOf(assignment)} epoch ${assignment.epoch}`
}
