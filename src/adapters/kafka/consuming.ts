/** What happens while a consumer lives: kafkajs' events become the listener's facts, the listener's wishes kafkajs' calls. */
import type { EachBatchPayload } from 'kafkajs'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Assignment, CommitResult, OffsetToCommit } from '../../consumer/ports.ts'
import { Ownership } from '../../core/ownership.ts'
import { placeOf } from '../../core/record.ts'
import type { Questions } from './admin.ts'
import { BrokerWatch } from './broker-watch.ts'
import { Commits } from './commit.ts'
import { Fetching } from './fetching.ts'
import { Forbidden } from './forbidden.ts'
import { RejoinWanted } from './group.ts'
import { HandOvers } from './hand-overs.ts'
import { Intake } from './intake.ts'
import { Joins } from './joins.ts'
import { Liveness } from './liveness.ts'
import type { Sign } from './log.ts'
import { Membership } from './membership.ts'
import { OffsetsPoll } from './offsets.ts'
import type { KafkaSourceOptions } from './options.ts'
import { assignmentsOf, isOf, newPart, type Part, type Parts } from './partitions.ts'
import { reposition } from './reposition.ts'
import { Restorer } from './restore.ts'
import type { JoinedMember, Run, RunEvents } from './run.ts'
import { Troubles } from './troubles.ts'
import type { Voice } from './voice.ts'

/** A fetch that fails once or twice is a leader that moves. */
const FETCH_FAILURES_SAID = 3

export interface ConsumingOptions {
  readonly options: KafkaSourceOptions
  readonly questions: Questions
  readonly voice: Voice
}

export class Consuming {
  readonly voice: Voice
  readonly events: RunEvents = this.#runEvents()
  readonly #options: KafkaSourceOptions
  readonly #parts: Parts = new Ownership(newPart)
  readonly #membership: Membership
  readonly #commits: Commits
  readonly #liveness: Liveness
  readonly #intake: Intake
  readonly #troubles: Troubles
  readonly #restorer: Restorer
  readonly #fetching: Fetching
  readonly #handOvers: HandOvers
  readonly #poll: OffsetsPoll
  readonly #stopping = new AbortController()
  #state: 'running' | 'failed' | 'stopped' = 'running'
  #run: Run | null = null
  /** What the join under way, or the last one, has said is ours: it is given to nobody else. */
  #claimed: readonly Part[] = []
  #joins = new Joins()

  constructor({ options, questions, voice }: ConsumingOptions) {
    const { clock, log, groupId, skips } = options
    this.#options = options
    this.voice = voice
    this.#membership = new Membership(groupId)
    this.#liveness = new Liveness(clock, options.rebalanceTimeoutMs + options.drainTimeoutMs)
    const parts = this.#parts
    const signal = this.#stopping.signal
    const isStaying = (part: Part) => parts.isStaying(part)
    // What is leaving may be given back: it is restored and cured meanwhile.
    const isLive = ({ assignment }: Part) => parts.of(assignment) !== null
    this.#fetching = new Fetching(parts, log)
    this.#handOvers = new HandOvers({ options, voice, signal })
    const apply = (changed: readonly Part[]) => this.#fetching.apply(changed)
    const guarded = (take: () => void) => this.#guarded(take)
    const forbidden = new Forbidden(voice)
    const beginAgain = (part: Part, at: number) => this.#intake.beginAgain(part, at)
    this.#troubles = new Troubles({
      clock,
      log,
      voice,
      forbidden,
      signal,
      apply,
      isLive,
      refreshMetadata: async topic => await this.#run?.refreshMetadata(topic),
      reposition: part => reposition(part, { questions, voice, log, isLive: isStaying, beginAgain }),
    })
    this.#intake = new Intake({ parts, voice, troubles: this.#troubles, skips, log, apply, guarded })
    this.#restorer = new Restorer({ groupId, clock, log, questions, voice, signal, isLive, apply })
    const [door, member] = [() => this.#membership.door(), () => this.#membership.memberId]
    this.#commits = new Commits({ clock, log, parts, door, member })
    const watch = new BrokerWatch({
      options,
      voice,
      parts,
      commits: this.#commits,
      intake: this.#intake,
      liveness: this.#liveness,
      forbidden,
      troubles: this.#troubles,
      giveUp: gone => this.#giveUp(gone),
      rejoin: why => this.rejoin(why),
    })
    this.#poll = new OffsetsPoll({ options, questions, listener: watch })
  }

  #runEvents(): RunEvents {
    return {
      beforeJoin: () => this.#beforeJoin(),
      coordinatorFound: coordinator => this.#membership.coordinatorFound(coordinator),
      joined: member => this.#joined(member),
      owned: () => {
        this.#claimed = this.#parts.owned
        return assignmentsOf(this.#claimed)
      },
      heartbeat: ({ memberId, generation, tookMs }) => {
        this.#membership.heartbeat(memberId, generation)
        this.voice.membershipConfirmed(this.#options.clock.nowMs() - tookMs)
      },
      rebalancing: () => this.#joins.fetchingEnded(),
      fetchStarting: () => this.#fetchStarting(),
      fetched: () => this.voice.waiting('fetch', null),
      fetchAnswered: cost => this.voice.fetchDone(cost),
      batch: payload => this.#batch(payload),
      topicsHidden: topics => this.#troubles.hidden(this.#parts.owned.filter(isOf(topics))),
      idle: place => this.#troubles.idle(this.#parts.at(place)),
      sign: sign => this.#heard(sign),
      isJoining: () => this.#liveness.isJoining,
    }
  }

  get hasJoined(): boolean {
    return this.#membership.isMember
  }

  get alive(): boolean {
    return this.#state === 'running' ? this.#liveness.alive : this.#state === 'stopped'
  }

  /** Asks the broker for offsets until `stop`; never rejects. */
  async watchOffsets(): Promise<void> {
    await this.#poll.run(this.#stopping.signal)
  }

  begins(run: Run): void {
    this.#run = run
    this.#fetching.of(run.consumer)
    this.#membership.reset()
    this.#claimed = []
    this.#joins = new Joins()
  }

  /** The consumer is gone, and everything with it. */
  async ended(why: string): Promise<void> {
    const run = this.#run
    this.#run = null
    this.#fetching.of(null)
    this.#liveness.resting()
    this.#lose(why)
    this.#membership.reset()
    this.voice.waiting('fetch', null)
    await run?.close()
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.voice.silence()
    this.#stopping.abort()
    await this.#run?.close()
  }

  fail(error: Error): void {
    if (this.#state !== 'running') return
    this.#state = 'failed'
    this.voice.failed(error)
  }

  commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult> {
    return this.#commits.commit(offsets)
  }

  rejoin(why: string): void {
    this.#joins.want(why)
  }

  pause(assignments: readonly Assignment[]): void {
    this.#fetching.set(assignments, true)
  }

  resume(assignments: readonly Assignment[]): void {
    for (const part of this.#fetching.set(assignments, false)) this.#intake.goOn(part)
  }

  // ── Joins ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** While this is awaited the old generation still stands. In an eager group all that we have may be another's with the next one. */
  async #beforeJoin(): Promise<void> {
    this.#liveness.joining()
    if (!this.#membership.isMember || this.#state !== 'running' || !this.#joins.handsOver()) return
    await this.#handOvers.of(this.#parts.owned)
  }

  /** Synchronous: it is over before kafkajs fetches for the new generation. */
  #joined({ memberId, assignment, protocol, tookMs }: JoinedMember): void {
    this.#liveness.fetching()
    const wasHandedOver = this.#joins.joined(protocol)
    if (this.#membership.joined(memberId)) this.#lose('the coordinator had expelled this member')
    const before = this.#parts.owned
    const { kept, gained, leaving } = this.#parts.join(assignment, wasHandedOver ? 'eager' : protocol)
    // kafkajs would begin at the committed offset again; the last batch's closure sets the new generation's position.
    for (const part of kept) if (part.fetched !== null) part.resolve?.(String(part.fetched - 1))
    this.#fetching.apply(this.#parts.staying)
    if (leaving.length > 0) void this.#letGo(leaving)
    this.#tellGone(before)
    if (protocol === 'cooperative') this.#freeClaims()
    this.#options.log.info(
      { protocol, partitions: this.#parts.staying.length, gained: gained.length, leaving: leaving.length },
      'joined the group',
    )
    this.voice.joined(assignmentsOf(this.#parts.staying))
    this.voice.membershipConfirmed(this.#options.clock.nowMs() - tookMs)
    void this.#restorer.restore(gained)
    this.#poll.soon()
  }

  #tellGone(before: readonly Part[]): void {
    const gone = before.filter(part => this.#parts.of(part.assignment) === null)
    this.#troubles.forget(gone)
    this.voice.revoked(assignmentsOf(gone))
  }

  /** Nobody has these until we have let go of them and asked for the next round. */
  async #letGo(leaving: readonly Part[]): Promise<void> {
    for (const part of leaving) {
      part.pending = []
      part.fetched = part.position
    }
    const handedOver = await this.#handOvers.of(leaving, () => this.#liveness.isJoining)
    const gone = handedOver.filter(part => this.#parts.leaving.includes(part))
    if (gone.length === 0 || this.#state !== 'running') return
    this.#giveUp(gone)
    this.rejoin(`handed over: ${assignmentsOf(gone).map(placeOf).join(', ')}`)
  }

  #giveUp(gone: readonly Part[]): void {
    this.#parts.drop(gone)
    this.#tellGone(gone)
  }

  /** What this join still claimed, and we have no more, was given to nobody: the next round gives it out. */
  #freeClaims(): void {
    const freed = this.#claimed.filter(({ assignment }) => this.#parts.at(assignment) === null)
    if (freed.length > 0) this.rejoin(`given up during a join: ${assignmentsOf(freed).map(placeOf).join(', ')}`)
  }

  #lose(why: string): void {
    if (this.#parts.owned.length === 0 && !this.#membership.isMember) return
    this.#troubles.forget(this.#parts.owned)
    this.#parts.clear()
    this.voice.lost(why)
  }

  #fetchStarting(): void {
    this.#liveness.fetching()
    if (!this.#membership.isMember) return
    const { wanted } = this.#joins
    if (wanted !== null) throw new RejoinWanted(`rejoining: ${wanted}`)
  }

  // ── Records and signs ───────────────────────────────────────────────────────────────────────────────────────────────

  #batch(payload: EachBatchPayload): void {
    this.#membership.closureFound(request => payload.commitOffsetsIfNecessary(request))
    // A member that was expelled fetches on until it has joined again; others have its partitions by now.
    if (this.#membership.isMember) this.#guarded(() => this.#intake.accept(payload))
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
      case 'expelled':
        this.#lose('the coordinator has expelled this member')
        this.#membership.expelled()
        break
      case 'fetch-failed':
        this.#joins.fetchFailed()
        if (sign.times >= FETCH_FAILURES_SAID) this.voice.waiting('fetch', `fetching fails: ${sign.error}`)
        break
      default:
        sign satisfies never
    }
  }
}
