/**
 * The Kafka source under a real consumer, among seeded joins, losses, errors, damage, retention and outages, in any order. Then all is well again,
 * and every partition is read to its end, nothing that the log still has was passed over, and all of it is committed.
 */
import { expect, test } from 'vitest'
import { randomOf, seedOf } from '../../core/seed.ts'
import { turn } from '../../support/floor.ts'
import { KafkaConsumer } from '../../support/kafka-consumer.ts'
import { damaged, numbers } from '../../support/record-batch.ts'

const RUNS = 12
const EVENTS = 120
const PARTITIONS = [0, 1, 2]
/** Small ones, so that partitions are paused and resumed all the time. */
const LIMITS = { windowMax: 6, budget: { recordsMax: 12, bytesMax: 1e9 }, inFlightMax: 4 }

const seed = seedOf('whatever-befalls-it-everything-is-read.test.ts')

/** What may befall it, with its weight. */
const EVENTS_BY_NAME: Readonly<Record<string, readonly [weight: number, event: (run: Run) => unknown]>> = {
  append: [6, run => run.append()],
  fetch: [10, run => run.fetch()],
  pass: [9, run => run.pass()],
  join: [3, run => run.join()],
  mend: [3, run => run.mend()],
  answerLate: [2, run => run.answerLate()],
  heal: [2, run => run.heal()],
  answerErrors: [2, run => run.answerErrors()],
  answerNoQuestions: [2, run => run.answerNoQuestions()],
  ask: [2, run => run.ask()],
  troubleLetters: [2, run => run.troubleLetters()],
  damage: [1, run => run.damage()],
  claim: [1, run => run.claim()],
  joinLater: [1, run => run.joinLater()],
  retain: [0.7, run => run.retain()],
  expel: [0.5, run => run.expel()],
  forget: [0.5, run => run.forget()],
  elect: [0.5, run => run.elect()],
}

class Run {
  readonly member: KafkaConsumer
  readonly happened: string[] = []
  readonly #random: () => number
  /** As they were written; what a fetch gives may be damaged. */
  readonly #written = PARTITIONS.map((): Buffer[] => [])
  readonly #leaderEpochs = PARTITIONS.map(() => 0)
  #members = 0

  constructor(member: KafkaConsumer, random: () => number) {
    this.member = member
    this.#random = random
  }

  async next(): Promise<void> {
    const events = Object.entries(EVENTS_BY_NAME)
    let rest = this.#random() * events.reduce((sum, [, [weight]]) => sum + weight, 0)
    const [name, [, event]] = events.find(([, [weight]]) => (rest -= weight) < 0) ?? ['pass', [0, run => run.pass()]]
    this.happened.push(name)
    await event(this)
  }

  /** All is well from here on. */
  async calm(): Promise<void> {
    const { member } = this
    member.kafka.answersQuestions = true
    member.parts.letters.release()
    member.parts.letters.refuse(null)
    this.mend()
    for (const partition of PARTITIONS) this.heal(partition)
    await turn()
    member.join(PARTITIONS)
    for (const partition of PARTITIONS) this.append(partition)
    for (let rounds = 0; rounds < 300; rounds++) {
      await member.pass(500)
      for (const partition of PARTITIONS) await member.fetch(partition)
    }
  }

  /** Offsets that the log still has and nobody was given or told of. */
  lost(partition: number): number[] {
    const { member } = this
    const { logStart, end } = member.at(partition)
    const letters = member.parts.letters.written.filter(letter => letter.partition === partition)
    const seen = new Set(letters.map(({ record }) => record.offset))
    const isMissed = (offset: number) =>
      member.misses.some(({ from, to, ...missed }) => missed.partition === partition && from <= offset && offset < to)
    const offsets = Array.from({ length: end - logStart }, (_, index) => logStart + index)
    return offsets.filter(offset => !seen.has(offset) && !isMissed(offset))
  }

  append(only?: number): void {
    for (let batches = this.#below(12); batches >= 0; batches--) {
      const partition = only ?? this.#partition()
      const log = this.member.at(partition)
      const leaderEpoch = this.#leaderEpochs[partition] ?? 0
      const batch = numbers(log.end, 1 + this.#below(4), { leaderEpoch })
      this.#writtenTo(partition).push(batch)
      log.batches = [...log.batches, batch]
    }
  }

  async fetch(): Promise<void> {
    for (const partition of PARTITIONS) if (this.#random() < 0.7) await this.member.fetch(partition)
  }

  async pass(): Promise<void> {
    await this.member.pass([0, 50, 200, 1_000, 6_000][this.#below(5)] ?? 0)
  }

  join(): void {
    const partitions = PARTITIONS.filter(() => this.#random() < 0.7)
    this.member.join(partitions, this.#random() < 0.8 ? 'cooperative' : 'eager')
  }

  mend(): void {
    for (const partition of PARTITIONS) this.member.at(partition).errorCode = 0
  }

  /** Only where a first answer was taken: until then it is kafkajs that says where reading begins. */
  async answerLate(): Promise<void> {
    const partition = this.#partition()
    const { logStart, end } = this.member.at(partition)
    const position = this.member.status(partition)?.position ?? null
    if (position !== null) await this.member.answerLate(partition, logStart + this.#below(end - logStart + 1))
  }

  heal(partition = this.#partition()): void {
    this.member.at(partition).batches = [...this.#writtenTo(partition)]
  }

  answerErrors(): void {
    this.member.at(this.#partition()).errorCode = [1, 3, 6, 29, -1][this.#below(5)] ?? 6
  }

  answerNoQuestions(): void {
    this.member.kafka.answersQuestions = !this.member.kafka.answersQuestions
  }

  async ask(): Promise<void> {
    await this.member.kafka.ask()
  }

  troubleLetters(): void {
    const { letters } = this.member.parts
    const drawn = this.#random()
    if (drawn < 0.3) letters.hold()
    else if (drawn < 0.6) letters.release()
    else letters.refuse(drawn < 0.8 ? new Error('not now') : null)
  }

  damage(): void {
    const partition = this.#partition()
    const written = this.#writtenTo(partition)
    const at = this.#below(written.length)
    this.member.at(partition).batches = written.map((batch, index) => (index === at ? damaged(batch) : batch))
  }

  claim(): void {
    this.member.kafka.claim()
  }

  joinLater(): void {
    void this.member.kafka.consuming.events.beforeJoin()
  }

  retain(): void {
    const partition = this.#partition()
    const kept = this.#writtenTo(partition).slice(1 + this.#below(5))
    const [first] = kept
    if (first === undefined) return
    this.#written[partition] = kept
    Object.assign(this.member.at(partition), { batches: [...kept], logStart: Number(first.readBigInt64BE(0)) })
  }

  expel(): void {
    this.member.kafka.consuming.events.sign({ kind: 'expelled' })
    this.#asAnother()
  }

  /** The coordinator does not know it any more, and it hears so only by its new id. */
  forget(): void {
    this.#asAnother()
    this.join()
  }

  elect(): void {
    const partition = this.#partition()
    this.#leaderEpochs[partition] = (this.#leaderEpochs[partition] ?? 0) + 1
  }

  #asAnother(): void {
    this.#members++
    this.member.memberId = `member ${this.#members}`
  }

  #partition(): number {
    return this.#below(PARTITIONS.length)
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  #writtenTo(partition: number): Buffer[] {
    return this.#written[partition] ?? []
  }
}

test('in the end every partition is read, nothing was passed over, and all of it is committed', async () => {
  for (let each = 0; each < RUNS; each++) {
    const run = new Run(await KafkaConsumer.started(LIMITS), randomOf(seed + each))
    const { member } = run
    member.join(PARTITIONS)
    for (let events = 0; events < EVENTS; events++) await run.next()
    await run.calm()
    const seen = PARTITIONS.map(partition => {
      const { position, buffered, inFlight, blockedBy } = member.status(partition) ?? {}
      const committed = Number(member.at(partition).committed?.offset ?? 0)
      return { position, committed, waiting: [buffered, inFlight, blockedBy], lost: run.lost(partition) }
    })
    const wanted = PARTITIONS.map(partition => {
      const { end } = member.at(partition)
      return { position: end, committed: end, waiting: [0, 0, null], lost: [] }
    })
    expect(seen, `SLUICE_SEED=${seed + each}: ${run.happened.join(', ')}`).toEqual(wanted)
    expect(member.consumer.dead()).toEqual([])
  }
})
