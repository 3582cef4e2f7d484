/** A listener that remembers everything, and holds the source to what holds at every moment. */
import type {
  Assignment,
  PartitionAnswer,
  PartitionOffsets,
  RawRecord,
  SourceListener,
} from '../../src/consumer/ports.ts'

type Missed = Parameters<SourceListener['missed']>[0]

export class Listening implements SourceListener {
  readonly joins: (readonly Assignment[])[] = []
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
  handOvers = 0
  /** What happens at a hand-over. */
  onJoining: () => Promise<void> = async () => {}
  /** Its hand-over never ends, so the source's deadline does: what comes after that is no violation. */
  handsOverForEver = false
  onAnswered: (answer: PartitionAnswer) => void = () => {}
  #live = new Map<string, Assignment>()
  /** By epoch. */
  readonly #positions = new Map<number, number>()
  #isHandingOver = false
  #isCalled = false

  /** In the order of their coming. */
  get records(): readonly { place: string; record: RawRecord }[] {
    return this.answers.flatMap(({ assignment, records }) =>
      records.map(record => ({ place: `${assignment.partition}`, record })),
    )
  }

  get values(): readonly string[] {
    return this.records.map(({ record }) => Buffer.from(record.value ?? []).toString())
  }

  get assignments(): readonly Assignment[] {
    return [...this.#live.values()]
  }

  get partitions(): readonly number[] {
    return this.assignments.map(({ partition }) => partition).toSorted((one, other) => one - other)
  }

  get lastOffsets(): readonly PartitionOffsets[] {
    return this.offsets.at(-1) ?? []
  }

  positionOf(assignment: Assignment): number | undefined {
    return this.#positions.get(assignment.epoch)
  }

  /** All that was answered, as a commit of it. */
  everything(metadata = ''): { assignment: Assignment; nextOffset: number; metadata: string }[] {
    return this.assignments.flatMap(assignment => {
      const nextOffset = this.positionOf(assignment)
      return nextOffset === undefined ? [] : [{ assignment, nextOffset, metadata }]
    })
  }

  joined(assignments: readonly Assignment[]): void {
    this.#called('joined', () => {
      this.#live = new Map(assignments.map(assignment => [`${assignment.topic}/${assignment.partition}`, assignment]))
      this.joins.push(assignments)
    })
  }

  lost(why: string): void {
    this.#called('lost', () => {
      this.#live.clear()
      this.losses.push(why)
    })
  }

  async joining(): Promise<void> {
    this.handOvers++
    this.#isHandingOver = true
    try {
      await this.onJoining()
    } finally {
      this.#isHandingOver = false
    }
  }

  answered(answer: PartitionAnswer): void {
    const wasHandingOver = this.#isHandingOver
    this.#isHandingOver = false
    this.#called('answered', () => this.#check(answer))
    this.#isHandingOver = wasHandingOver
    this.onAnswered(answer)
  }

  offsetsKnown(offsets: readonly PartitionOffsets[]): void {
    this.#called('offsetsKnown', () => {
      for (const { assignment } of offsets)
        if (!this.#isLive(assignment)) this.violations.push('offsets of a partition that is gone')
      this.offsets.push(offsets)
    })
  }

  missed(range: Missed): void {
    this.#called('missed', () => {
      if (!this.#isLive(range.assignment)) this.violations.push('missed on a partition that is gone')
      // The range counts as seen: the next answer begins behind it.
      if (this.#positions.has(range.assignment.epoch)) this.#positions.set(range.assignment.epoch, range.to)
      this.misses.push(range)
    })
  }

  membershipConfirmed(): void {
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

  #check(answer: PartitionAnswer): void {
    const { assignment, positionBefore, positionAfter, records } = answer
    const name = `${assignment.topic}/${assignment.partition} epoch ${assignment.epoch}`
    if (!this.#isLive(assignment)) this.violations.push(`an answer for ${name}, which is gone`)
    const expected = this.#positions.get(assignment.epoch) ?? positionBefore
    if (positionBefore !== expected)
      this.violations.push(`${name} answers from ${positionBefore}, expected ${expected}`)
    let last = positionBefore - 1
    for (const { offset } of records) {
      if (offset <= last || offset >= positionAfter)
        this.violations.push(`${name}: offset ${offset} after ${last} in [${positionBefore}, ${positionAfter})`)
      last = offset
    }
    if (positionAfter <= positionBefore) this.violations.push(`${name}: an answer that moves nothing`)
    this.#positions.set(assignment.epoch, positionAfter)
    this.answers.push(answer)
  }

  #isLive(assignment: Assignment): boolean {
    return this.#live.get(`${assignment.topic}/${assignment.partition}`)?.epoch === assignment.epoch
  }

  #called(name: string, call: () => void): void {
    if (this.#isHandingOver && !this.handsOverForEver) this.violations.push(`${name} during a hand-over`)
    if (this.#isCalled) this.violations.push(`${name} within another call`)
    this.#isCalled = true
    call()
    this.#isCalled = false
  }
}
