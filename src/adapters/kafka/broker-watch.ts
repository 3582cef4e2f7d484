/** What follows from what the brokers say of our topics beside the fetching. */
import { describe } from '../../consumer/errors.ts'
import type { PartitionOffsets } from '../../consumer/ports.ts'
import type { Commits } from './commit.ts'
import type { Intake } from './intake.ts'
import type { Liveness } from './liveness.ts'
import type { BrokerOffsets, OffsetsListener, TopicsKnown } from './offsets.ts'
import type { KafkaConnection } from './options.ts'
import type { Part, Parts } from './partitions.ts'
import { missingText, type Voice } from './voice.ts'

/** Brokers that do not answer for so long are worth a word of their own. */
const UNANSWERED_MS_SAID = 15_000

export interface Watched {
  readonly options: KafkaConnection
  readonly voice: Voice
  readonly parts: Parts
  readonly commits: Commits
  readonly intake: Intake
  readonly liveness: Liveness
  /** These are gone. */
  readonly giveUp: (parts: readonly Part[]) => void
  readonly rejoin: (why: string) => void
}

export class BrokerWatch implements OffsetsListener {
  readonly #options: KafkaConnection
  readonly #voice: Voice
  readonly #parts: Parts
  readonly #commits: Commits
  readonly #intake: Intake
  readonly #liveness: Liveness
  readonly #giveUp: (parts: readonly Part[]) => void
  readonly #rejoin: (why: string) => void
  #commitsBeforeAsking = 0
  #missing = new Set<string>()
  #unansweredSinceMs: number | null = null

  constructor({ options, voice, parts, commits, intake, liveness, giveUp, rejoin }: Watched) {
    this.#options = options
    this.#voice = voice
    this.#parts = parts
    this.#commits = commits
    this.#intake = intake
    this.#liveness = liveness
    this.#giveUp = giveUp
    this.#rejoin = rejoin
  }

  asking(): void {
    this.#commitsBeforeAsking = this.#commits.answered
  }

  known(topics: TopicsKnown, missing: readonly string[]): void {
    this.#liveness.brokerAnswered()
    this.#unansweredSinceMs = null
    this.#voice.waiting('broker', null)
    this.#voice.waiting('topic', missing.length === 0 ? null : missingText(missing))
    this.#topicsMissing(missing)
    const isOlderThanACommit = this.#commits.answered !== this.#commitsBeforeAsking
    const offsets: PartitionOffsets[] = []
    for (const part of this.#parts.owned) {
      const { topic, partition } = part.assignment
      const known = topics.get(topic)?.get(partition)
      if (known === undefined) continue
      if (!isOlderThanACommit && hasVanished(part, known)) {
        this.#beginAgain(part, known.logStart)
        continue
      }
      if (!part.isAnew && (!isOlderThanACommit || part.committed === null)) part.committed = known.committed
      const { assignment, committed } = part
      const { highWatermark, logStart } = known
      offsets.push({ assignment, committed, highWatermark, logStart })
    }
    if (offsets.length > 0) this.#voice.offsetsKnown(offsets)
  }

  /** A topic that comes back under the same name is another log: nothing of the old one may be committed to it. */
  #topicsMissing(missing: readonly string[]): void {
    const isBack = [...this.#missing].some(topic => !missing.includes(topic))
    const gone = this.#parts.owned.filter(({ assignment }) => missing.includes(assignment.topic))
    for (const topic of missing) this.#missing.add(topic)
    this.#giveUp(gone)
    if (!isBack) return
    this.#missing = new Set(missing)
    this.#rejoin('a topic is there again')
  }

  /** Kafka forgets a group's offsets when it deletes a topic. Under the same name there is a new one, with other records. */
  #beginAgain(part: Part, logStart: number): void {
    if (part.resolve !== null && this.#parts.isStaying(part)) this.#intake.beginAgain(part, logStart)
  }

  unanswered(error: unknown): void {
    const { clock, brokers } = this.#options
    this.#unansweredSinceMs ??= clock.nowMs()
    if (clock.nowMs() - this.#unansweredSinceMs < UNANSWERED_MS_SAID) return
    this.#voice.waiting('broker', `no broker answers at ${brokers.join(', ')} (${describe(error)})`)
  }
}

/** The group had a committed offset here; a reset of kafkajs' leaves a placeholder, only a deleted topic leaves nothing. */
function hasVanished(part: Part, known: BrokerOffsets): boolean {
  return known.committed === null && !known.isReset && part.committed !== null && !part.isOutOfRange
}
