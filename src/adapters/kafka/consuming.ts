/** What happens while a consumer lives: kafkajs' events become the listener's facts, the listener's wishes kafkajs' calls. */
import type { EachBatchPayload } from 'kafkajs'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Assignment, CommitResult, PartitionOffsets } from '../../consumer/ports.ts'
import { Intake } from './batches.ts'
import { Commits, type OffsetOf } from './commit.ts'
import { RejoinWanted } from './group.ts'
import { Liveness } from './liveness.ts'
import type { Sign } from './log.ts'
import { Membership } from './membership.ts'
import type { BrokerOffsets, OffsetsListener, TopicsKnown } from './offsets.ts'
import type { KafkaSourceOptions } from './options.ts'
import { byTopic, type Part, Partitions } from './partitions.ts'
import type { Run, RunEvents } from './run.ts'
import { within } from './time.ts'
import { missingText, type Voice } from './voice.ts'

/** A fetch that fails once or twice is a leader that moves. */
const FETCH_FAILURES_SAID = 3
/** Brokers that do not answer for so long are worth a word of their own. */
const UNANSWERED_MS_SAID = 15_000

export class Consuming {
  readonly voice: Voice
  readonly events: RunEvents
  readonly offsetsListener: OffsetsListener
  /** Set by whoever runs the poll. */
  askForOffsets: () => void = () => {}
  readonly #options: KafkaSourceOptions
  readonly #partitions = new Partitions()
  readonly #membership: Membership
  readonly #commits: Commits
  readonly #liveness: Liveness
  readonly #intake: Intake
  readonly #stopping = Promise.withResolvers<void>()
  #state: 'running' | 'failed' | 'stopped' = 'running'
  #run: Run | null = null
  #rejoinWanted: string | null = null
  /** One hand-over per join, however often kafkajs has to try it. */
  #isHandedOver = false
  #commitsBeforeAsking = 0
  #missing = new Set<string>()
  #unansweredSinceMs: number | null = null

  constructor(options: KafkaSourceOptions, voice: Voice) {
    this.#options = options
    this.voice = voice
    this.#membership = new Membership(options.groupId)
    this.#liveness = new Liveness(options.clock, options.rebalanceTimeoutMs + options.drainTimeoutMs)
    this.#intake = new Intake({ partitions: this.#partitions, voice, log: options.log })
    this.#commits = new Commits({
      clock: options.clock,
      partitions: this.#partitions,
      door: () => this.#membership.door(),
    })
    this.events = {
      beforeJoin: () => this.#beforeJoin(),
      coordinatorFound: coordinator => this.#membership.coordinatorFound(coordinator),
      joined: (memberId, assignment) => this.#joined(memberId, assignment),
      heartbeat: (memberId, generation) => {
        this.#membership.heartbeat(memberId, generation)
        voice.membershipConfirmed()
      },
      fetchStarting: () => this.#fetchStarting(),
      fetched: cost => {
        voice.waiting('fetch', null)
        voice.fetchDone(cost)
      },
      batch: payload => this.#batch(payload),
      skipped: batch => this.#guarded(() => this.#intake.skipped(batch)),
      sign: sign => this.#heard(sign),
    }
    this.offsetsListener = {
      asking: () => {
        this.#commitsBeforeAsking = this.#commits.answered
      },
      known: (topics, missing) => this.#offsetsKnown(topics, missing),
      unanswered: error => this.#unanswered(error),
    }
  }

  get hasJoined(): boolean {
    return this.#membership.isMember
  }

  get alive(): boolean {
    return this.#state === 'running' ? this.#liveness.alive : this.#state === 'stopped'
  }

  begins(run: Run): void {
    this.#run = run
    this.#membership.reset()
  }

  /** The consumer is gone, and everything with it. */
  async ended(why: string): Promise<void> {
    const run = this.#run
    this.#run = null
    this.#liveness.resting()
    this.#lose(why)
    this.#membership.reset()
    this.voice.waiting('fetch', null)
    await run?.close()
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.voice.silence()
    this.#stopping.resolve()
    await this.#run?.close()
  }

  fail(error: Error): void {
    if (this.#state !== 'running') return
    this.#state = 'failed'
    this.voice.failed(error)
  }

  commit(offsets: readonly OffsetOf[]): Promise<CommitResult> {
    return this.#commits.commit(offsets)
  }

  rejoin(why: string): void {
    this.#rejoinWanted = why
  }

  pause(assignments: readonly Assignment[]): void {
    this.#apply(this.#changed(assignments, true))
  }

  resume(assignments: readonly Assignment[]): void {
    this.#apply(this.#changed(assignments, false))
  }

  #changed(assignments: readonly Assignment[], paused: boolean): readonly Part[] {
    const changed: Part[] = []
    for (const assignment of assignments) {
      const part = this.#partitions.live(assignment)
      if (part === null || part.paused === paused) continue
      part.paused = paused
      changed.push(part)
    }
    return changed
  }

  /** kafkajs remembers pauses by partition, over joins and losses: what it believes is overwritten with what is so. */
  #apply(parts: readonly Part[]): void {
    const consumer = this.#run?.consumer
    if (consumer === undefined || parts.length === 0) return
    try {
      consumer.pause(byTopic(parts.filter(part => part.paused)))
      consumer.resume(byTopic(parts.filter(part => !part.paused)))
    } catch (error) {
      // It throws while it does not run; the next join applies everything again.
      this.#options.log.debug({ error: describe(error) }, 'kafkajs took no pause')
    }
  }

  /** While this is awaited the old generation still stands: the listener finishes what is in flight and commits. */
  async #beforeJoin(): Promise<void> {
    this.#liveness.joining()
    if (!this.#membership.isMember || this.#isHandedOver || this.#state !== 'running') return
    this.#isHandedOver = true
    const { clock, drainTimeoutMs, rebalanceTimeoutMs } = this.#options
    const handedOver = this.voice.joining().catch((error: unknown) => {
      this.#options.log.error({ error: describe(error) }, 'the hand-over before a join failed; joining all the same')
    })
    const waited = Promise.race([handedOver, this.#stopping.promise])
    await within(clock, Math.min(drainTimeoutMs, rebalanceTimeoutMs / 2), waited)
    this.voice.handedOver()
  }

  /** Synchronous: it is over before kafkajs fetches for the new generation. */
  #joined(memberId: string, assignment: Readonly<Record<string, readonly number[]>>): void {
    this.#liveness.fetching()
    this.#isHandedOver = false
    this.#rejoinWanted = null
    if (this.#membership.joined(memberId)) this.#lose('the coordinator had expelled this member')
    const kept = this.#partitions.join(assignment)
    for (const part of kept) {
      // kafkajs would begin at the committed offset again; the last batch's closure sets the new generation's position.
      if (part.position !== null) part.resolve?.(String(part.position - 1))
    }
    const { all } = this.#partitions
    this.#apply(all)
    this.#options.log.info({ partitions: all.length, kept: kept.length }, 'joined the group')
    this.voice.joined(this.#partitions.assignments)
    this.voice.membershipConfirmed()
    this.askForOffsets()
  }

  #lose(why: string): void {
    if (this.#partitions.all.length === 0 && !this.#membership.isMember) return
    this.#partitions.clear()
    this.voice.lost(why)
  }

  #fetchStarting(): void {
    this.#liveness.fetching()
    const why = this.#rejoinWanted
    if (why === null || !this.#membership.isMember) return
    this.#rejoinWanted = null
    throw new RejoinWanted(`rejoining: ${why}`)
  }

  #batch(payload: EachBatchPayload): void {
    this.#membership.closureFound(request => payload.commitOffsetsIfNecessary(request))
    // A member that was expelled fetches on until it has joined again; others have its partitions by now.
    if (this.#membership.isMember) this.#guarded(() => this.#intake.batch(payload))
  }

  /** kafkajs would take whatever is thrown here for a passing trouble, and fetch the same again for ever. */
  #guarded(take: () => void): void {
    if (this.#state !== 'running') return
    try {
      take()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Misconfigured(describe(error)))
    }
  }

  #heard(sign: Sign): void {
    switch (sign.kind) {
      case 'out-of-range': {
        const part = this.#partitions.at(sign.topic, sign.partition)
        if (part !== null)
          part.outOfRangeAt = part.position ?? this.#run?.committedSeen(sign.topic, sign.partition) ?? null
        break
      }
      case 'expelled':
        this.#lose('the coordinator has expelled this member')
        this.#membership.expelled()
        break
      case 'fetch-failed':
        if (sign.times >= FETCH_FAILURES_SAID) this.voice.waiting('fetch', `fetching fails: ${sign.error}`)
        break
      default:
        sign satisfies never
    }
  }

  #offsetsKnown(topics: TopicsKnown, missing: readonly string[]): void {
    this.#liveness.brokerAnswered()
    this.#unansweredSinceMs = null
    this.voice.waiting('broker', null)
    this.voice.waiting('topic', missing.length === 0 ? null : missingText(missing))
    this.#topicsMissing(missing)
    const isOlderThanACommit = this.#commits.answered !== this.#commitsBeforeAsking
    const offsets: PartitionOffsets[] = []
    for (const part of this.#partitions.all) {
      const { topic, partition } = part.assignment
      const known = topics.get(topic)?.get(partition)
      if (known === undefined) continue
      if (!isOlderThanACommit && hasVanished(part, known)) {
        this.#beginAgain(part, known.logStart)
        continue
      }
      if (!isOlderThanACommit || part.committed === null) part.committed = known.committed
      part.highWatermark = Math.max(part.highWatermark, known.highWatermark)
      const { assignment, committed, highWatermark } = part
      offsets.push({ assignment, committed, highWatermark, logStart: known.logStart })
    }
    if (offsets.length > 0) this.voice.offsetsKnown(offsets)
  }

  /** A topic that comes back under the same name is another log: nothing of the old one may be committed to it. */
  #topicsMissing(missing: readonly string[]): void {
    const isBack = [...this.#missing].some(topic => !missing.includes(topic))
    const before = this.#partitions.all.length
    for (const topic of missing) {
      this.#missing.add(topic)
      this.#partitions.drop(topic)
    }
    if (this.#partitions.all.length !== before) this.voice.joined(this.#partitions.assignments)
    if (!isBack) return
    this.#missing = new Set(missing)
    this.rejoin('a topic is there again')
  }

  /** Kafka forgets a group's offsets when it deletes a topic. Under the same name there is a new one, with other records. */
  #beginAgain(part: Part, logStart: number): void {
    if (this.voice.isHandingOver || part.resolve === null) return
    part.resolve(String(logStart - 1))
    this.#intake.anotherLog(part, logStart)
  }

  #unanswered(error: unknown): void {
    const { clock, brokers } = this.#options
    this.#unansweredSinceMs ??= clock.nowMs()
    if (clock.nowMs() - this.#unansweredSinceMs < UNANSWERED_MS_SAID) return
    this.voice.waiting('broker', `no broker answers at ${brokers.join(', ')} (${describe(error)})`)
  }
}

/** The group had a committed offset here; a reset of kafkajs' leaves a placeholder, only a deleted topic leaves nothing. */
function hasVanished(part: Part, known: BrokerOffsets): boolean {
  return known.committed === null && !known.isReset && part.committed !== null && part.outOfRangeAt === null
}
