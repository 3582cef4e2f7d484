/** What follows from what the brokers say of our topics beside the fetching. */
import { describe } from '../../consumer/errors.ts'
import type { PartitionOffsets } from '../../consumer/ports.ts'
import type { Commits } from './commit.ts'
import { faultOf, protocolErrorOf, refusalOf } from './faults.ts'
import type { Forbidden } from './forbidden.ts'
import type { Intake } from './intake.ts'
import type { Liveness } from './liveness.ts'
import type { BrokerOffsets, OffsetsListener, TopicsKnown, Unseen } from './offsets.ts'
import type { KafkaConnection } from './options.ts'
import { isOf, type Part, type Parts } from './partitions.ts'
import type { Troubles } from './troubles.ts'
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
  readonly forbidden: Forbidden
  readonly troubles: Troubles
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
  readonly #forbidden: Forbidden
  readonly #troubles: Troubles
  readonly #giveUp: (parts: readonly Part[]) => void
  readonly #rejoin: (why: string) => void
  #commitsBeforeAsking = 0
  #missing = new Set<string>()
  #hidden: readonly string[] = []
  #unansweredSinceMs: number | null = null

  constructor({ options, voice, parts, commits, intake, liveness, forbidden, troubles, giveUp, rejoin }: Watched) {
    this.#options = options
    this.#voice = voice
    this.#parts = parts
    this.#commits = commits
    this.#intake = intake
    this.#liveness = liveness
    this.#forbidden = forbidden
    this.#troubles = troubles
    this.#giveUp = giveUp
    this.#rejoin = rejoin
  }

  asking(): void {
    this.#commitsBeforeAsking = this.#commits.answered
  }

  known(topics: TopicsKnown, { missing, forbidden }: Unseen): void {
    this.#liveness.brokerAnswered()
    this.#unansweredSinceMs = null
    this.#voice.waiting('broker', null)
    this.#voice.waiting('topic', missing.length === 0 ? null : missingText(missing))
    this.#topicsMissing(missing)
    this.#topicsForbidden(forbidden)
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

  /** The others are read on. A leader that did not see them has given them to nobody. */
  #topicsForbidden(forbidden: readonly string[]): void {
    this.#forbidden.known(forbidden)
    const shown = this.#hidden.filter(topic => !forbidden.includes(topic))
    this.#hidden = forbidden
    if (shown.length === 0) return
    this.#troubles.shown(this.#parts.owned.filter(isOf(shown)))
    this.#rejoin(`we may read ${shown.join(', ')} again`)
  }

  /** Kafka forgets a group's offsets when it deletes a topic. Under the same name there is a new one, with other records. */
  #beginAgain(part: Part, logStart: number): void {
    if (part.resolve !== null && this.#parts.isStaying(part)) this.#intake.beginAgain(part, logStart)
  }

  unanswered(error: unknown): void {
    // No hiccup passes into this one: somebody has to change something.
    if (faultOf(error) === 'credentials') return this.#voice.waiting('broker', refusalOf(error))
    const { clock, brokers } = this.#options
    this.#unansweredSinceMs ??= clock.nowMs()
    if (clock.nowMs() - this.#unansweredSinceMs < UNANSWERED_MS_SAID) return
    const what = isAnswer(error) ? 'the brokers do not tell the offsets of our topics' : 'no broker answers'
    this.#voice.waiting('broker', `${what} at ${brokers.join(', ')} (${describe(error)})`)
  }
}

/** Where a broker refuses to say who coordinates the group, kafkajs only says that it has found nobody. */
function isAnswer(error: unknown): boolean {
  if (error instanceof Error && error.name === 'KafkaJSGroupCoordinatorNotFound') return true
  return protocolErrorOf(error) !== null || faultOf(error) !== 'unreachable'
}

/** The group had a committed offset here; a reset of kafkajs' leaves a placeholder, only a deleted topic leaves nothing. */
function hasVanished(part: Part, known: BrokerOffsets): boolean {
  return known.committed === null && !known.isReset && part.committed !== null && !part.isOutOfRange
}
