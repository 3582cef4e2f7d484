/** A member's side of the group: it joins, shares out when it leads, beats, and tells its source what came of it. */
import { assign } from '../../core/assignor.ts'
import type { Protocol } from '../../core/ownership.ts'
import type { TopicPartition } from '../../core/record.ts'
import type { Coordinator, Identity, JoinAnswer, Refusal } from './coordinator.ts'
import type { Line } from './line.ts'
import type { Timers } from './timers.ts'

export interface MembershipOptions {
  readonly coordinator: Coordinator
  readonly line: Line
  readonly timers: Timers
  readonly topics: readonly string[]
  readonly protocol: Protocol
  readonly rebalanceTimeoutMs: number
  /** Never the same twice. */
  readonly nextId: () => string
  readonly partitionsOf: (topic: string) => number
  readonly events: MembershipEvents
}

export interface MembershipEvents {
  /** What a join claims. */
  claims(): readonly TopicPartition[]
  /** In an eager group, before every join but the first. */
  handOverAll(): Promise<void>
  joined(assigned: readonly TopicPartition[], protocol: Protocol): void
  /** The coordinator took a heartbeat or a join. */
  confirmed(askedAtMs: number): void
  /** It does not know this member: all is lost, and the next join is a new member's. */
  fenced(): void
}

interface Generation {
  readonly number: number
  readonly protocol: Protocol
}

interface Share {
  readonly generation: Generation
  readonly assigned: readonly TopicPartition[]
  readonly askedAtMs: number
}

const HEARTBEAT_MS = 500
/** Of a request that is answered at once. As the Kafka source has it. */
export const REQUEST_TIMEOUT_MS = 5_000
/** Between two tries to join. */
export const RETRY_MS = 100

export class Membership {
  readonly #options: MembershipOptions
  /** apart: not begun, or no member any more. joining: nothing to beat for. */
  #phase: 'apart' | 'joining' | 'stable' | 'ended' = 'apart'
  #id: string
  /** The coordinator may not know this id yet. */
  #isNew = true
  /** Whose partitions we have; null before the first. */
  #generation: Generation | null = null
  /** Counts what was begun: what was begun before the last one is over. */
  #turn = 0
  /** What the join under way claims is no more what we own. */
  #again = false
  /** What the leader shared out: topics, and how many partitions each had; null for others. */
  #shared: ReadonlyMap<string, number> | null = null

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#id = options.nextId()
  }

  get id(): string {
    return this.#id
  }

  /** Under which generation we commit; null before the first. While a new one begins the old one is named: what it held may be another's. */
  get identity(): Identity | null {
    return this.#generation === null ? null : { memberId: this.#id, generation: this.#generation.number }
  }

  begin(): void {
    void this.#join()
    this.#beatLater()
  }

  rejoin(): void {
    if (this.#phase === 'stable') void this.#join()
  }

  /** What we own has changed: the group has to know. */
  claimAnew(): void {
    if (this.#phase === 'joining') this.#again = true
    this.rejoin()
  }

  /** The leader alone sees to it that all partitions are somebody's. */
  look(): void {
    if (this.#shared === null || this.#phase !== 'stable') return
    for (const [topic, count] of this.#shared) if (this.#options.partitionsOf(topic) !== count) return this.rejoin()
  }

  /** As a new member, with nothing. */
  beginAnew(): void {
    this.#id = this.#options.nextId()
    this.#isNew = true
    this.#generation = null
    this.#shared = null
    this.#phase = 'apart'
    void this.#join()
  }

  /** Told to the coordinator, unless nothing gets there. */
  leave(): void {
    const { coordinator, line } = this.#options
    const id = this.#id
    line.tell(() => coordinator.leave(id))
  }

  /** Nothing happens any more. */
  end(): void {
    this.#turn++
    this.#phase = 'ended'
  }

  async #join(): Promise<void> {
    const { events, timers } = this.#options
    const turn = ++this.#turn
    const isOver = (): boolean => turn !== this.#turn
    this.#phase = 'joining'
    if (this.#generation?.protocol === 'eager') await events.handOverAll()
    while (!isOver()) {
      this.#again = false
      const answer = await this.#share(isOver)
      if (isOver()) return
      if (answer === 'fenced') return events.fenced()
      if (answer === null || answer === 'not coordinator') await timers.pass(RETRY_MS)
      else if (typeof answer === 'object') return this.#joined(answer)
    }
  }

  /** Our share of a new generation. Null: nobody answered. */
  async #share(isOver: () => boolean): Promise<Share | Refusal | null> {
    const { coordinator, topics, protocol, rebalanceTimeoutMs, events } = this.#options
    const protocols: readonly Protocol[] = protocol === 'cooperative' ? ['cooperative', 'eager'] : ['eager']
    const request = { id: this.#id, isNew: this.#isNew, topics, owned: events.claims(), protocols }
    const joined = await this.#ask(() => coordinator.join(request), rebalanceTimeoutMs + REQUEST_TIMEOUT_MS)
    if (joined === null || typeof joined === 'string') return joined
    if (isOver()) return null
    this.#isNew = false
    const identity = { memberId: this.#id, generation: joined.generation }
    const shares = this.#shareOut(joined)
    const askedAtMs = this.#options.timers.nowMs
    const assigned = await this.#ask(() => coordinator.sync(identity, shares), REQUEST_TIMEOUT_MS)
    if (assigned === null || typeof assigned === 'string') return assigned
    return { generation: { number: joined.generation, protocol: joined.protocol }, assigned, askedAtMs }
  }

  /** Null: somebody else leads. */
  #shareOut({ members, protocol }: JoinAnswer): Map<string, TopicPartition[]> | null {
    const { partitionsOf } = this.#options
    this.#shared = null
    if (members === null) return null
    this.#shared = new Map(members.flatMap(({ topics }) => topics.map(topic => [topic, partitionsOf(topic)])))
    // Where everything was handed over before the join, nobody claims anything.
    const claiming = protocol === 'cooperative' ? members : members.map(member => ({ ...member, owned: null }))
    return assign({ members: claiming, partitionsOf: topic => [...Array(partitionsOf(topic)).keys()] })
  }

  #joined({ generation, assigned, askedAtMs }: Share): void {
    const { events } = this.#options
    const turn = this.#turn
    this.#phase = 'stable'
    this.#generation = generation
    events.joined(assigned, generation.protocol)
    // Whoever was told may have stopped us.
    if (turn !== this.#turn) return
    events.confirmed(askedAtMs)
    if (this.#again) this.rejoin()
  }

  #beatLater(): void {
    if (this.#phase !== 'ended') this.#options.timers.after(HEARTBEAT_MS, () => void this.#beat())
  }

  async #beat(): Promise<void> {
    if (this.#phase === 'stable') await this.#heartbeat()
    this.#beatLater()
  }

  async #heartbeat(): Promise<void> {
    const { coordinator, events, line } = this.#options
    const { turn, identity } = { turn: this.#turn, identity: this.identity }
    if (identity === null) return
    const beat = (): 'ok' | Refusal | null => (line.faults.loseHeartbeats ? null : coordinator.heartbeat(identity))
    const askedAtMs = this.#options.timers.nowMs
    const answer = await this.#ask(beat, REQUEST_TIMEOUT_MS)
    if (turn !== this.#turn) return
    switch (answer) {
      case 'ok':
        return events.confirmed(askedAtMs)
      case 'rebalance':
      case 'generation':
      case 'not coordinator':
        return this.rejoin()
      case 'fenced':
        return events.fenced()
      case null:
        return
      default:
        answer satisfies never
    }
  }

  #ask<Answer>(serve: () => Answer | Promise<Answer>, timeoutMs: number): Promise<Answer | 'not coordinator' | null> {
    const { line } = this.#options
    const asked = (): Answer | Promise<Answer> | 'not coordinator' =>
      line.faults.coordinatorMoving ? 'not coordinator' : serve()
    return line.ask<Answer | 'not coordinator'>(asked, { timeoutMs })
  }
}
