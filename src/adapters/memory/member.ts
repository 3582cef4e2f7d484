/** One source on the memory broker: a member of its group that answers, beats and hands over as the clock says. */
import { Unavailable } from '../../consumer/errors.ts'
import type { Assignment, CommitResult, SourceListener } from '../../consumer/ports.ts'
import type { TopicPartition } from '../../core/record.ts'
import { LATENCY_MS, type MemberSide, type MemorySource, type MemorySourceOptions } from './broker-types.ts'
import { timePasses } from './clock.ts'
import type { Group, GroupMember } from './group.ts'
import { Holdings } from './holdings.ts'
import { MemberCommits, type OffsetToStore } from './member-commits.ts'

/** In heartbeats: every five seconds, as the Kafka source asks. */
const OFFSETS_EVERY = 10
const HEARTBEAT_MS = 500
/** How long a join waits for a member's hand-over. */
const HAND_OVER_MS_MAX = 3_000

export class MemoryMember implements MemorySource, GroupMember {
  readonly topics: readonly string[]
  readonly #broker: MemberSide
  readonly #group: Group
  readonly #holdings: Holdings
  readonly #commits: MemberCommits
  readonly #startFrom: 'earliest' | 'latest'
  readonly #number: number
  #lives = 1
  #listener: SourceListener | null = null
  /** idle → waiting for its topics → running → stopped or failed. */
  #state: 'idle' | 'waiting' | 'running' | 'stopped' | 'failed' = 'idle'
  /** apart: not (any more) a member. joining and handing over: no answers come. */
  #phase: 'apart' | 'joining' | 'handing over' | 'stable' = 'apart'
  #isDeliverySet = false
  #beats = 0
  #waitingFor: string | null = null
  /** Topics that were deleted: their partitions are shared out anew when they are back. */
  readonly #lostTopics = new Set<string>()
  readonly #started = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  #stopped: Promise<void> | null = null
  #forgetChanges: () => void = () => {}

  constructor(broker: MemberSide, { group, topics, startFrom = 'earliest' }: MemorySourceOptions, number: number) {
    this.#broker = broker
    this.#group = broker.group(group)
    this.#holdings = new Holdings(broker, this.#group)
    this.#commits = new MemberCommits({ broker, group: this.#group, member: this })
    this.topics = topics
    this.#startFrom = startFrom
    this.#number = number
  }

  get id(): string {
    return `member-${String(this.#number).padStart(4, '0')}-${this.#lives}`
  }

  get alive(): boolean {
    return this.#state !== 'failed'
  }

  start(listener: SourceListener): Promise<void> {
    if (this.#state !== 'idle') return Promise.reject(stoppedError())
    this.#listener = listener
    this.#state = 'waiting'
    this.#forgetChanges = this.#broker.onChange(() => this.#changed())
    this.#after(LATENCY_MS, () => this.#changed())
    return this.#started.promise
  }

  pause(assignments: readonly Assignment[]): void {
    this.#holdings.setPaused(assignments, true)
  }

  resume(assignments: readonly Assignment[]): void {
    this.#holdings.setPaused(assignments, false)
    this.#schedule()
  }

  commit(offsets: readonly OffsetToStore[]): Promise<CommitResult> {
    return this.#commits.commit(() => offsets.filter(({ assignment }) => this.#holdings.isLive(assignment)))
  }

  rejoin(): void {
    this.#after(LATENCY_MS, () => {
      if (this.#phase === 'stable') this.#group.rebalance()
    })
  }

  stop(): Promise<void> {
    if (this.#stopped !== null) return this.#stopped
    if (this.#state === 'waiting') this.#started.reject(stoppedError())
    this.#end('stopped')
    this.#stopped = timePasses(this.#broker.clock, LATENCY_MS)
    return this.#stopped
  }

  deliver(): boolean {
    if (!this.#mayDeliver || this.#listener === null) return false
    const bytes = this.#holdings.deliver(this.#listener)
    if (bytes === null) return false
    // The listener may have stopped us in the middle of it.
    this.#listener?.fetchDone({ durationMs: 1, bytes })
    return true
  }

  expel(): void {
    this.#group.leave(this)
  }

  crash(): void {
    this.#group.leave(this)
    this.#startOver('the client started over')
  }

  fail(error: Error): void {
    const listener = this.#listener
    this.#end('failed')
    listener?.failed(error)
  }

  async handOver(): Promise<void> {
    // Once per join: when somebody comes or goes meanwhile, it is still handed over.
    if (this.#phase !== 'stable' || this.#listener === null) return
    this.#phase = 'handing over'
    const { clock } = this.#broker
    const late = Promise.withResolvers<void>()
    const cancel = clock.at(clock.nowMs() + HAND_OVER_MS_MAX, () => late.resolve())
    await Promise.race([this.#listener.joining(), late.promise, this.#ended.promise])
    cancel()
    if (this.#isHandingOver()) this.#phase = 'joining'
  }

  assigned(partitions: readonly TopicPartition[]): void {
    if (this.#state !== 'running') return
    this.#phase = 'stable'
    this.#holdings.join(partitions)
    this.#listener?.joined(this.#holdings.assignments)
    this.#listener?.membershipConfirmed()
    this.#sayOffsets()
    this.#changed()
  }

  #isHandingOver(): boolean {
    return this.#phase === 'handing over'
  }

  get #mayDeliver(): boolean {
    return this.#state === 'running' && this.#phase === 'stable' && !this.#broker.faults.down
  }

  #changed(): void {
    const { faults } = this.#broker
    if (!faults.holdCommitAnswers) this.#commits.release()
    if ((this.#state !== 'waiting' && this.#state !== 'running') || this.#isHandingOver()) return
    const missing = this.topics.filter(topic => this.#broker.partitionsOf(topic) === 0)
    const missingText = missing.length === 0 ? null : `topic ${missing.join(', ')} does not exist; it is waited for`
    this.#sayWaiting(faults.down ? 'no broker answers' : missingText)
    if (this.#state === 'running') {
      this.#followTopics(missing)
      this.#schedule()
    } else if (this.#waitingFor === null) this.#run()
  }

  #run(): void {
    this.#state = 'running'
    if (this.#startFrom === 'latest') for (const topic of this.topics) this.#startAtTheEnd(topic)
    this.#started.resolve()
    this.#phase = 'joining'
    this.#group.join(this)
    this.#beat()
  }

  #startAtTheEnd(topic: string): void {
    if (this.#group.knowsTopic(topic)) return
    for (let partition = 0; partition < this.#broker.partitionsOf(topic); partition++) {
      const nextOffset = this.#broker.logOf(topic, partition)?.end ?? 0
      this.#group.store({ topic, partition }, { nextOffset, metadata: '' })
    }
  }

  #followTopics(missing: readonly string[]): void {
    if (this.#holdings.drop(missing) && this.#phase === 'stable') this.#listener?.joined(this.#holdings.assignments)
    const back = [...this.#lostTopics].filter(topic => !missing.includes(topic))
    for (const topic of missing) this.#lostTopics.add(topic)
    for (const topic of back) this.#lostTopics.delete(topic)
    if (back.length > 0) this.#group.rebalance()
  }

  #beat(): void {
    this.#after(HEARTBEAT_MS, () => {
      if (this.#state !== 'running') return
      this.#beats++
      this.#heartbeat()
      this.#beat()
    })
  }

  #heartbeat(): void {
    if (this.#broker.faults.down || this.#phase === 'apart' || this.#isHandingOver()) return
    if (!this.#group.has(this)) this.#startOver('the coordinator had expelled this member')
    else if (this.#phase === 'stable') {
      this.#listener?.membershipConfirmed()
      if (this.#beats % OFFSETS_EVERY === 0) this.#sayOffsets()
    }
  }

  #startOver(why: string): void {
    if (this.#state !== 'running') return
    this.#phase = 'apart'
    this.#holdings.clear()
    this.#lives++
    this.#listener?.lost(why)
    this.#after(LATENCY_MS, () => {
      if (this.#state !== 'running') return
      this.#phase = 'joining'
      this.#group.join(this)
    })
  }

  #end(state: 'stopped' | 'failed'): void {
    if (this.#state === 'stopped') return
    this.#state = state
    this.#phase = 'apart'
    this.#listener = null
    this.#holdings.clear()
    this.#forgetChanges()
    this.#ended.resolve()
    this.#group.leave(this)
  }

  #sayWaiting(why: string | null): void {
    if (why === this.#waitingFor) return
    this.#waitingFor = why
    this.#listener?.waiting(why)
  }

  #sayOffsets(): void {
    const { offsets } = this.#holdings
    if (offsets.length > 0) this.#listener?.offsetsKnown(offsets)
  }

  #schedule(): void {
    if (this.#isDeliverySet || this.#broker.delivery !== 'automatic') return
    if (!this.#mayDeliver || !this.#holdings.hasWork) return
    this.#isDeliverySet = true
    this.#after(LATENCY_MS, () => {
      this.#isDeliverySet = false
      this.deliver()
      this.#schedule()
    })
  }

  #after(ms: number, callback: () => void): void {
    const { clock } = this.#broker
    clock.at(clock.nowMs() + ms, callback)
  }
}

function stoppedError(): Unavailable {
  return new Unavailable('kafka', 'the source was stopped')
}
