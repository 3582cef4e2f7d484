/**
 * The coordinator of one group, as a broker has it: members with sessions, and rounds in which everybody joins (`preparing`), the
 * leader shares out (`completing`) and everybody fetches its share (`stable`). What a member may do hangs on its id and on its
 * generation alone: whose partition it is, the coordinator never asks. All of it runs on the broker's clock.
 */
import type { Clock } from '../../consumer/ports.ts'
import type { GroupMember } from '../../core/assignor.ts'
import type { Protocol } from '../../core/ownership.ts'
import { placeOf, type TopicPartition } from '../../core/record.ts'

/** `fenced`: no such member. `generation`: of another generation. `rebalance`: a round is under way. */
export type Refusal = 'fenced' | 'generation' | 'rebalance' | 'not coordinator'

/** Who asks, under which generation. */
export interface Identity {
  readonly memberId: string
  readonly generation: number
}

export interface JoinRequest extends GroupMember {
  /** The member made up this id for itself; otherwise the coordinator must know it. */
  readonly isNew: boolean
  readonly protocols: readonly Protocol[]
}

export interface JoinAnswer {
  readonly generation: number
  readonly protocol: Protocol
  /** Everybody, for the leader, who is to share out; null for the others. */
  readonly members: readonly GroupMember[] | null
}

export type Shares = ReadonlyMap<string, readonly TopicPartition[]>

export interface GroupDescription {
  readonly state: 'empty' | State
  readonly generation: number
  /** In the order in which they came. */
  readonly members: readonly { readonly id: string; readonly assigned: readonly TopicPartition[] }[]
}

type State = 'preparing' | 'completing' | 'stable'

export interface CoordinatorOptions {
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

interface Member {
  request: JoinRequest
  assigned: readonly TopicPartition[]
  expiresAtMs: number
  cancelWatch: () => void
  /** Its join waits for the round to be complete, or its sync for the leader's shares. */
  joining: ((answer: JoinAnswer | Refusal) => void) | null
  syncing: ((answer: readonly TopicPartition[] | Refusal) => void) | null
}

export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #members = new Map<string, Member>()
  #state: State = 'stable'
  #generation = 0
  #protocol: Protocol = 'cooperative'
  #leader: Member | null = null
  #isAway = false
  #cancelRound: () => void = () => {}

  constructor(options: CoordinatorOptions) {
    this.#options = options
  }

  describe(): GroupDescription {
    const members = [...this.#members].map(([id, { assigned }]) => ({ id, assigned }))
    return { state: members.length === 0 ? 'empty' : this.#state, generation: this.#generation, members }
  }

  // ── What a member asks ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Answered when the round is complete. Whoever joins a stable group and says nothing new is told what is, and no round begins. */
  join(request: JoinRequest): Promise<JoinAnswer | Refusal> {
    const known = this.#members.get(request.id)
    if (known === undefined && !request.isNew) return Promise.resolve('fenced')
    const member = known ?? this.#add(request)
    const saysNothingNew = known !== undefined && isSame(known.request, request)
    member.request = request
    this.#seen(member)
    const mustShareOut = this.#state === 'stable' && member === this.#leader
    if (saysNothingNew && this.#state !== 'preparing' && !mustShareOut) return Promise.resolve(this.#answerOf(member))
    if (this.#state !== 'preparing') this.#prepare()
    // An earlier join of this member has lost its asker.
    member.joining?.('rebalance')
    const { promise, resolve } = Promise.withResolvers<JoinAnswer | Refusal>()
    member.joining = resolve
    this.#completeOnceAllAreHere()
    return promise
  }

  /** The leader brings the shares; everybody else waits for its own. */
  sync(identity: Identity, shares: Shares | null): Promise<readonly TopicPartition[] | Refusal> {
    const member = this.#members.get(identity.memberId)
    if (member === undefined) return Promise.resolve('fenced')
    if (identity.generation !== this.#generation) return Promise.resolve('generation')
    this.#seen(member)
    if (this.#state === 'preparing') return Promise.resolve('rebalance')
    if (this.#state === 'stable') return Promise.resolve(member.assigned)
    const { promise, resolve } = Promise.withResolvers<readonly TopicPartition[] | Refusal>()
    member.syncing?.('rebalance')
    member.syncing = resolve
    if (shares !== null && member === this.#leader) this.#share(shares)
    return promise
  }

  heartbeat(identity: Identity): 'ok' | Refusal {
    const refusal = this.#refusalOf(identity)
    if (refusal !== null) return refusal
    return this.#state === 'preparing' ? 'rebalance' : 'ok'
  }

  /** Null: whatever it commits is stored. The generation that is about to end may commit until it has. */
  commitRefusal(identity: Identity): Refusal | null {
    const refusal = this.#refusalOf(identity)
    if (refusal !== null) return refusal
    return this.#state === 'completing' ? 'rebalance' : null
  }

  leave(memberId: string): void {
    const member = this.#members.get(memberId)
    if (member !== undefined) this.#remove(member)
  }

  // ── What befalls it ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nobody reaches it: who waited is told nothing, and a round that was under way begins anew when it is back. */
  away(): void {
    if (this.#isAway) return
    this.#isAway = true
    for (const member of this.#members.values()) {
      member.joining = null
      member.syncing = null
    }
    if (this.#state === 'completing') this.#prepare()
  }

  back(): void {
    if (!this.#isAway) return
    this.#isAway = false
    for (const member of this.#members.values()) this.#seen(member)
    if (this.#state === 'preparing') this.#prepare()
  }

  // ── Members ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #add(request: JoinRequest): Member {
    const member: Member = {
      request,
      assigned: [],
      expiresAtMs: 0,
      cancelWatch: () => {},
      joining: null,
      syncing: null,
    }
    this.#members.set(request.id, member)
    this.#seen(member)
    this.#watch(member)
    return member
  }

  #seen(member: Member): void {
    member.expiresAtMs = this.#options.clock.nowMs() + this.#options.sessionTimeoutMs
  }

  /** One timer a member, that is set again when it finds a sign of life: cheaper than one a heartbeat. */
  #watch(member: Member): void {
    const { clock, sessionTimeoutMs } = this.#options
    const atMs = Math.max(member.expiresAtMs, clock.nowMs() + 1)
    member.cancelWatch = clock.at(atMs, () => {
      // Who waits for the others needs no heartbeat.
      if (this.#isAway || member.joining !== null || member.syncing !== null)
        member.expiresAtMs = clock.nowMs() + sessionTimeoutMs
      if (clock.nowMs() >= member.expiresAtMs) this.#remove(member)
      else this.#watch(member)
    })
  }

  #remove(member: Member): void {
    member.cancelWatch()
    this.#members.delete(member.request.id)
    member.joining?.('fenced')
    member.syncing?.('fenced')
    if (this.#leader === member) this.#leader = null
    if (this.#state !== 'preparing') this.#prepare()
    this.#completeOnceAllAreHere()
  }

  #refusalOf({ memberId, generation }: Identity): Refusal | null {
    const member = this.#members.get(memberId)
    if (member === undefined) return 'fenced'
    if (generation !== this.#generation) return 'generation'
    this.#seen(member)
    return null
  }

  // ── Rounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everybody has to join again, within the rebalance timeout. */
  #prepare(): void {
    this.#state = 'preparing'
    for (const member of this.#members.values()) if (member.syncing !== null) this.#answerSync(member, 'rebalance')
    const { clock, rebalanceTimeoutMs } = this.#options
    this.#cancelRound()
    this.#cancelRound = clock.at(clock.nowMs() + rebalanceTimeoutMs, () => this.#endRound())
  }

  #endRound(): void {
    if (this.#isAway) return
    const absent = [...this.#members.values()].filter(({ joining }) => joining === null)
    for (const member of absent) this.#remove(member)
  }

  #completeOnceAllAreHere(): void {
    const members = [...this.#members.values()]
    if (this.#state !== 'preparing' || members.some(({ joining }) => joining === null)) return
    this.#cancelRound()
    this.#generation++
    this.#state = members.length === 0 ? 'stable' : 'completing'
    this.#leader ??= members[0] ?? null
    this.#protocol = members.every(({ request }) => request.protocols.includes('cooperative')) ? 'cooperative' : 'eager'
    for (const member of members) {
      const { joining } = member
      member.joining = null
      this.#seen(member)
      joining?.(this.#answerOf(member))
    }
  }

  #answerOf(member: Member): JoinAnswer {
    const isLeader = member === this.#leader
    const members = isLeader ? [...this.#members.values()].map(({ request }) => request) : null
    return { generation: this.#generation, protocol: this.#protocol, members }
  }

  #share(shares: Shares): void {
    this.#state = 'stable'
    for (const [id, member] of this.#members) {
      member.assigned = shares.get(id) ?? []
      if (member.syncing !== null) this.#answerSync(member, member.assigned)
    }
  }

  /** Who has waited for it has its whole session before it. */
  #answerSync(member: Member, answer: readonly TopicPartition[] | Refusal): void {
    const { syncing } = member
    member.syncing = null
    this.#seen(member)
    syncing?.(answer)
  }
}

function isSame(one: JoinRequest, other: JoinRequest): boolean {
  return JSON.stringify(said(one)) === JSON.stringify(said(other))
}

function said({ topics, owned, protocols }: JoinRequest): unknown {
  return [topics, owned?.map(placeOf).toSorted() ?? null, protocols]
}
