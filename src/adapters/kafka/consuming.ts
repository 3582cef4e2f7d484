/** What happens while a consumer lives: kafkajs' events become the listener's facts, the listener's wishes kafkajs' calls. */
import type { EachBatchPayload } from 'kafkajs'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Assignment, CommitResult } from '../../consumer/ports.ts'
import { BrokerWatch } from './broker-watch.ts'
import { Commits, type OffsetOf } from './commit.ts'
import { RejoinWanted } from './group.ts'
import { Intake } from './intake.ts'
import { Liveness } from './liveness.ts'
import type { Sign } from './log.ts'
import { Membership } from './membership.ts'
import type { OffsetsListener } from './offsets.ts'
import type { KafkaSourceOptions } from './options.ts'
import { byTopic, type Part, Partitions } from './partitions.ts'
import type { Run, RunEvents } from './run.ts'
import { within } from './time.ts'
import type { Voice } from './voice.ts'

/** A fetch that fails once or twice is a leader that moves. */
const FETCH_FAILURES_SAID = 3

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
  /** No fetch runs beside the join: when one starts all the same, the join has failed. (A moved leader has kafkajs join beside fetches.) */
  #isJoiningAlone = false

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
      rebalancing: () => {
        this.#isJoiningAlone = true
      },
      fetchStarting: () => this.#fetchStarting(),
      fetched: () => voice.waiting('fetch', null),
      fetchAnswered: cost => voice.fetchDone(cost),
      batch: payload => this.#batch(payload),
      skipped: batch => this.#guarded(() => this.#intake.skipped(batch)),
      sign: sign => this.#heard(sign),
      isJoining: () => this.#liveness.isJoining,
    }
    this.offsetsListener = new BrokerWatch({
      options,
      voice,
      partitions: this.#partitions,
      commits: this.#commits,
      intake: this.#intake,
      liveness: this.#liveness,
      rejoin: why => this.rejoin(why),
    })
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
    this.#isHandedOver = false
    this.#isJoiningAlone = false
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
    this.#isJoiningAlone = false
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
    if (!this.#membership.isMember) return
    // kafkajs goes on in the old generation after a join that failed; the listener has handed over and waits for a new one.
    const why = this.#isHandedOver && this.#isJoiningAlone ? 'the last join failed' : this.#rejoinWanted
    if (why === null) return
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
        this.#isJoiningAlone ||= this.#isHandedOver
        if (sign.times >= FETCH_FAILURES_SAID) this.voice.waiting('fetch', `fetching fails: ${sign.error}`)
        break
      default:
        sign satisfies never
    }
  }
}
