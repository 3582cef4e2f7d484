/** One source on the memory broker: it reads, commits, beats and hands over as the clock of its process says. */
import { Unavailable } from '../../consumer/errors.ts'
import type { Assignment, CommitResult, SourceListener } from '../../consumer/ports.ts'
import type { Protocol } from '../../core/ownership.ts'
import type { TopicPartition } from '../../core/record.ts'
import {
  LATENCY_MS,
  type LinkFaults,
  type MemberSide,
  type MemorySource,
  type MemorySourceOptions,
} from './broker-types.ts'
import { timePasses } from './clock.ts'
import { Delivery } from './delivery.ts'
import type { Group } from './group.ts'
import { assignmentsOf, HandOvers } from './hand-overs.ts'
import { Holdings } from './holdings.ts'
import { Line, LineFaults } from './line.ts'
import { MemberCommits, type OffsetToStore } from './member-commits.ts'
import { Membership } from './membership.ts'
import { Questions } from './questions.ts'
import { Timers } from './timers.ts'

const HAND_OVER_TIMEOUT_MS = 3_000

export interface MemberOptions extends MemorySourceOptions {
  readonly faults: LinkFaults
  readonly rebalanceTimeoutMs: number
  readonly nextMemberId: () => string
}

export class MemoryMember implements MemorySource {
  readonly faults: LinkFaults
  readonly #options: MemberOptions
  readonly #broker: MemberSide
  readonly #group: Group
  readonly #timers: Timers
  readonly #line: Line
  readonly #holdings: Holdings
  readonly #membership: Membership
  readonly #handOvers: HandOvers
  /** For the join that follows: nothing of before is relied upon. */
  #isHandedOver = false
  readonly #questions: Questions
  readonly #commits: MemberCommits
  readonly #delivery: Delivery
  #listener: SourceListener | null = null
  /** idle → waiting for its topics → running → stopped, failed or killed. */
  #state: 'idle' | 'waiting' | 'running' | 'stopped' | 'failed' | 'killed' = 'idle'
  #isLookSet = false
  /** An outage began since the last look: its end may have come before that. */
  #wasCutOff = false
  #waitingFor: string | null = null
  readonly #started = Promise.withResolvers<void>()
  #stopped: Promise<void> | null = null
  #forgetChanges: () => void = () => {}

  constructor(broker: MemberSide, options: MemberOptions) {
    const { clock = broker.clock, handOverTimeoutMs: timeoutMs = HAND_OVER_TIMEOUT_MS } = options
    this.faults = options.faults
    this.#options = options
    this.#broker = broker
    this.#group = broker.group(options.group)
    const timers = new Timers(clock)
    const line = new Line({ world: broker.clock, clock, faults: new LineFaults(broker, options.faults), timers })
    const toAll = { group: this.#group, timers, line, listener: () => this.#listener }
    this.#holdings = new Holdings({ ...toAll, broker, restore: part => void this.#questions.restore([part]) })
    const holdings = this.#holdings
    this.#questions = new Questions({ ...toAll, holdings, onRestored: () => this.#delivery.soon() })
    this.#handOvers = new HandOvers({ ...toAll, holdings, timeoutMs, letGo: () => this.#membership.claimAnew() })
    this.#delivery = new Delivery({ ...toAll, holdings, faults: line.faults })
    this.#membership = this.#newMembership(line, timers)
    this.#commits = new MemberCommits({ ...toAll, identity: () => this.#membership.identity })
    this.#timers = timers
    this.#line = line
  }

  #newMembership(line: Line, timers: Timers): Membership {
    const { topics, protocol = 'cooperative', rebalanceTimeoutMs, nextMemberId: nextId } = this.#options
    return new Membership({
      coordinator: this.#group.coordinator,
      line,
      timers,
      topics,
      protocol,
      rebalanceTimeoutMs,
      nextId,
      partitionsOf: topic => this.#broker.partitionsOf(topic),
      events: {
        claims: () => assignmentsOf(this.#holdings.owned.owned),
        handOverAll: () => this.#handOverAll(),
        joined: (assigned, agreed) => this.#joined(assigned, agreed),
        confirmed: askedAtMs => this.#listener?.membershipConfirmed(askedAtMs),
        fenced: () => this.#startOver('the coordinator had expelled this member'),
      },
    })
  }

  get memberId(): string {
    return this.#membership.id
  }

  get alive(): boolean {
    return this.#state !== 'failed'
  }

  // ── The port ────────────────────────────────────────────────────────────────────────────────────────────────────────

  start(listener: SourceListener): Promise<void> {
    if (this.#state !== 'idle') return Promise.reject(stoppedError())
    this.#listener = listener
    this.#state = 'waiting'
    this.#forgetChanges = this.#broker.onChange(() => this.#changed())
    this.#lookSoon()
    return this.#started.promise
  }

  pause(assignments: readonly Assignment[]): void {
    this.#holdings.setPaused(assignments, true)
  }

  resume(assignments: readonly Assignment[]): void {
    this.#holdings.setPaused(assignments, false)
    this.#delivery.soon()
  }

  commit(offsets: readonly OffsetToStore[]): Promise<CommitResult> {
    return this.#commits.commit(() => offsets.filter(({ assignment }) => this.#holdings.owned.of(assignment) !== null))
  }

  rejoin(): void {
    this.#timers.after(0, () => this.#membership.rejoin())
  }

  stop(): Promise<void> {
    if (this.#stopped !== null) return this.#stopped
    if (this.#state === 'waiting') this.#started.reject(stoppedError())
    this.#leave('stopped')
    const { clock = this.#broker.clock } = this.#options
    this.#stopped = timePasses(clock, LATENCY_MS)
    return this.#stopped
  }

  // ── What befalls it ─────────────────────────────────────────────────────────────────────────────────────────────────

  expel(): void {
    this.#group.coordinator.leave(this.memberId)
  }

  crash(): void {
    this.#membership.leave()
    this.#startOver('the client started over')
  }

  fail(error: Error): void {
    const listener = this.#listener
    this.#leave('failed')
    listener?.failed(error)
  }

  kill(): void {
    this.#end('killed')
  }

  #leave(state: 'stopped' | 'failed'): void {
    const wasRunning = this.#state === 'running'
    this.#end(state)
    if (wasRunning) this.#membership.leave()
    this.#line.close()
  }

  #end(state: 'stopped' | 'failed' | 'killed'): void {
    if (this.#state === 'stopped') return
    this.#state = state
    this.#listener = null
    this.#holdings.owned.clear()
    this.#membership.end()
    this.#forgetChanges()
    this.#timers.cancelAll()
    this.#handOvers.end()
  }

  #startOver(why: string): void {
    if (this.#state !== 'running') return
    this.#isHandedOver = false
    this.#delivery.isStopped = false
    this.#holdings.owned.clear()
    this.#listener?.lost(why)
    if (this.#isRunning()) this.#membership.beginAnew()
  }

  // ── Joins ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #joined(assigned: readonly TopicPartition[], protocol: Protocol): void {
    const { owned } = this.#holdings
    const before = owned.owned
    const { kept, gained, leaving } = owned.join(assigned, this.#isHandedOver ? 'eager' : protocol)
    this.#isHandedOver = false
    this.#delivery.isStopped = false
    for (const part of kept) part.handOver = null
    const lost = before.filter(({ assignment }) => owned.of(assignment) === null)
    if (lost.length > 0) this.#listener?.revoked(assignmentsOf(lost))
    if (leaving.length > 0) void this.#handOvers.begin(leaving)
    this.#listener?.joined(assignmentsOf(owned.staying))
    void this.#questions.restore(gained)
    void this.#questions.offsets()
    this.#lookSoon()
    this.#delivery.soon()
  }

  async #handOverAll(): Promise<void> {
    this.#delivery.isStopped = true
    this.#isHandedOver = true
    await this.#handOvers.everything(this.#holdings.owned.owned)
  }

  // ── Looking around ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something happened out there. A process notices by its own clock. */
  #changed(): void {
    this.#commits.faultsChanged()
    if (this.#isCutOff) this.#wasCutOff = true
    this.#lookSoon()
  }

  #lookSoon(): void {
    if (this.#isLookSet) return
    this.#isLookSet = true
    this.#timers.after(LATENCY_MS, () => {
      this.#isLookSet = false
      this.#look()
    })
  }

  #look(): void {
    if (this.#wasCutOff) this.#line.breakOff()
    this.#wasCutOff = this.#isCutOff
    const missing = this.#options.topics.filter(topic => this.#broker.partitionsOf(topic) === 0)
    const missingText = missing.length === 0 ? null : `topic ${missing.join(', ')} does not exist; it is waited for`
    this.#sayWaiting(this.#line.faults.down ? 'no broker answers' : missingText)
    if (this.#state === 'waiting' && this.#waitingFor === null) this.#run()
    if (this.#state !== 'running' || this.#line.faults.down) return
    this.#dropTopics(missing)
    this.#membership.look()
    this.#delivery.soon()
  }

  get #isCutOff(): boolean {
    return this.#line.faults.down || this.#line.faults.coordinatorMoving
  }

  #run(): void {
    this.#state = 'running'
    if (this.#options.startFrom === 'latest') for (const topic of this.#options.topics) this.#startAtTheEnd(topic)
    this.#started.resolve()
    this.#membership.begin()
    this.#questions.offsetsFromTimeToTime()
  }

  #startAtTheEnd(topic: string): void {
    if (this.#group.knowsTopic(topic)) return
    for (let partition = 0; partition < this.#broker.partitionsOf(topic); partition++) {
      const nextOffset = this.#broker.logOf(topic, partition)?.end ?? 0
      this.#group.store({ topic, partition }, { nextOffset, metadata: '' }, null)
    }
  }

  #dropTopics(missing: readonly string[]): void {
    const { owned } = this.#holdings
    const gone = owned.owned.filter(({ assignment }) => missing.includes(assignment.topic))
    if (gone.length === 0) return
    owned.drop(gone)
    this.#listener?.revoked(assignmentsOf(gone))
    this.#membership.claimAnew()
  }

  #sayWaiting(why: string | null): void {
    if (why === this.#waitingFor) return
    this.#waitingFor = why
    this.#listener?.waiting(why)
  }

  #isRunning(): boolean {
    return this.#state === 'running'
  }
}

function stoppedError(): Unavailable {
  return new Unavailable('kafka', 'the source was stopped')
}
