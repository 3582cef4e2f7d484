/** The replicas, and what befalls them and the parts. */

import type { LinkFaults } from '../../../src/adapters/memory/broker-types.ts'
import { Unavailable } from '../../../src/consumer/errors.ts'
import { CLIENT_DIED, Replica, type World } from './replica.ts'
import type { Fault } from './vocabulary.ts'

export class Fleet {
  readonly #world: World
  /** By slot: the replica that is there now; those below `replicas` are there all the time, but for faults. */
  readonly #slots: (Replica | null)[]
  readonly #lives: number[]
  #isCalm = false
  /** Nobody comes back any more. */
  #isClosing = false
  /** How many faults of a kind last: one that ends does not end the others. */
  readonly #lasting = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
    const { replicas, guests } = world.scenario.setting
    this.#slots = Array.from({ length: replicas + guests }, () => null)
    this.#lives = this.#slots.map(() => 0)
  }

  get running(): readonly Replica[] {
    return this.#slots.filter(replica => replica !== null).filter(({ state }) => state !== 'over')
  }

  get isOver(): boolean {
    return this.running.length === 0
  }

  begin(): void {
    const { scenario, clock } = this.#world
    for (let slot = 0; slot < scenario.setting.replicas; slot++) clock.at(slot * 7, () => this.#start(slot))
    for (const fault of scenario.faults) clock.at(fault.atMs, () => this.#befall(fault))
  }

  calm(): void {
    const { broker, inbox, registry, letters, outside, scenario } = this.#world
    this.#isCalm = true
    this.#lasting.clear()
    broker.faults.down = false
    broker.faults.coordinatorMoving = false
    broker.faults.commits = null
    inbox.up()
    inbox.claimDurationMs = 0
    registry.up()
    letters.refuse(null)
    letters.release()
    outside.paymentsDown = false
    outside.tableMissing = false
    for (const { source, machine } of this.running) {
      Object.assign(source.faults, this.#noFaults)
      machine.thaw()
    }
    for (let slot = 0; slot < scenario.setting.replicas; slot++) this.#start(slot)
  }

  stopAll(): void {
    this.#isClosing = true
    for (const replica of this.running) void replica.stop()
  }

  #start(slot: number): void {
    const before = this.#slots[slot] ?? null
    if (this.#isClosing || (before !== null && before.state !== 'over')) return
    this.#lives[slot] = (this.#lives[slot] ?? 0) + 1
    const replica = new Replica(this.#world, `r${slot}.${this.#lives[slot]}`)
    this.#slots[slot] = replica
    replica.start()
  }

  #after(ms: number, callback: () => void): void {
    const { clock } = this.#world
    clock.at(clock.nowMs() + ms, callback)
  }

  /** Sets a fault and takes it back, unless another one of its kind lasts on. */
  #lasts(what: string, forMs: number, change: { readonly on: () => void; readonly off: () => void }): void {
    this.#lasting.set(what, (this.#lasting.get(what) ?? 0) + 1)
    change.on()
    this.#after(forMs, () => {
      const left = (this.#lasting.get(what) ?? 0) - 1
      this.#lasting.set(what, left)
      if (left !== 0 || this.#isCalm) return
      this.#world.checker.trace('', `${what}: over`)
      change.off()
    })
  }

  #befall(fault: Fault): void {
    const { checker } = this.#world
    checker.trace('', JSON.stringify({ ...fault, atMs: undefined }))
    if ('slot' in fault) this.#befallSlot(fault)
    else this.#befallParts(fault)
  }

  #befallSlot(fault: Extract<Fault, { slot: number }>): void {
    const { checker } = this.#world
    const { slot } = fault
    const replica = this.#slots[slot] ?? null
    if (fault.kind === 'join') {
      if (replica !== null && replica.state !== 'over') return
      this.#start(slot)
      return this.#after(fault.forMs, () => void this.#slots[slot]?.stop())
    }
    if (replica === null || replica.state === 'over') return
    switch (fault.kind) {
      case 'crash':
        checker.count('crashes')
        replica.crash(fault.noticedAfterMs)
        return this.#after(fault.backAfterMs, () => this.#start(slot))
      case 'freeze':
        if (replica.machine.state !== 'running') return
        checker.count('freezes')
        replica.freeze()
        return this.#after(fault.forMs, () => replica.machine.state === 'frozen' && replica.thaw())
      case 'stop':
        void replica.stop().then(() => this.#after(fault.backAfterMs, () => this.#start(slot)))
        return
      case 'expel':
        return replica.source.expel()
      case 'client starts over':
        return replica.machine.state === 'running' ? replica.source.crash() : undefined
      case 'client dies':
        if (replica.machine.state !== 'running') return
        replica.source.fail(new Unavailable('kafka', CLIENT_DIED))
        return this.#after(fault.backAfterMs, () => this.#start(slot))
      case 'rejoin':
        return replica.machine.state === 'running' ? replica.source.rejoin('somebody asks for it') : undefined
      case 'link down':
        return this.#linkFault(replica, fault.forMs, { down: true })
      case 'link slow':
        return this.#linkFault(replica, fault.forMs, { latencyMs: { min: 1, max: fault.latencyMsMax } })
      case 'commits hang':
        return this.#linkFault(replica, fault.forMs, { hangCommits: true })
      case 'commit answers lost':
        return this.#linkFault(replica, fault.forMs, { holdCommitAnswers: true })
      case 'heartbeats lost':
        return this.#linkFault(replica, fault.forMs, { loseHeartbeats: true })
      default:
        fault satisfies never
    }
  }

  #linkFault({ name, source }: Replica, forMs: number, faults: Partial<LinkFaults>): void {
    const [key = ''] = Object.keys(faults)
    this.#world.checker.count('outages')
    const off = Object.fromEntries(Object.entries(this.#noFaults).filter(([name]) => name === key))
    this.#lasts(`${name} ${key}`, forMs, {
      on: () => void Object.assign(source.faults, faults),
      off: () => void Object.assign(source.faults, off),
    })
  }

  /** What is as it was before any fault. */
  get #noFaults(): Omit<LinkFaults, 'answerOffsetsMax'> {
    const latencyMs = { min: 0.1, max: this.#world.scenario.setting.brokerLatencyMsMax }
    return {
      down: false,
      commits: null,
      hangCommits: false,
      holdCommitAnswers: false,
      loseHeartbeats: false,
      latencyMs,
    }
  }

  #befallParts(fault: Exclude<Fault, { slot: number }>): void {
    const { broker, inbox, registry, letters, outside, checker } = this.#world
    const lasts = (forMs: number, on: () => void, off: () => void): void => {
      checker.count('outages')
      this.#lasts(fault.kind, forMs, { on, off })
    }
    switch (fault.kind) {
      case 'broker down':
        return lasts(
          fault.forMs,
          () => (broker.faults.down = true),
          () => (broker.faults.down = false),
        )
      case 'coordinator moves':
        return lasts(
          fault.forMs,
          () => (broker.faults.coordinatorMoving = true),
          () => (broker.faults.coordinatorMoving = false),
        )
      case 'commits refused':
        return lasts(
          fault.forMs,
          () => (broker.faults.commits = fault.cause),
          () => (broker.faults.commits = null),
        )
      case 'database down':
        return lasts(
          fault.forMs,
          () => inbox.down(),
          () => inbox.up(),
        )
      case 'database hangs':
        return lasts(
          fault.forMs,
          () => inbox.hang(),
          () => inbox.up(),
        )
      case 'claims slow':
        return lasts(
          fault.forMs,
          () => (inbox.claimDurationMs = fault.claimMs),
          () => (inbox.claimDurationMs = 0),
        )
      case 'commit fates':
        for (const fate of fault.fates) inbox.nextCommit(fate)
        return
      case 'registry down':
        return lasts(
          fault.forMs,
          () => registry.down(fault.how),
          () => registry.up(),
        )
      case 'letters refused':
        return lasts(
          fault.forMs,
          () => letters.refuse(new Unavailable('kafka', 'not enough replicas')),
          () => letters.refuse(null),
        )
      case 'letters held':
        return lasts(
          fault.forMs,
          () => letters.hold(),
          () => letters.release(),
        )
      case 'letter answers lost':
        for (let each = 0; each < fault.count; each++) letters.loseAnswer()
        return
      case 'payments down':
        return lasts(
          fault.forMs,
          () => (outside.paymentsDown = true),
          () => (outside.paymentsDown = false),
        )
      case 'table missing':
        return lasts(
          fault.forMs,
          () => (outside.tableMissing = true),
          () => (outside.tableMissing = false),
        )
      case 'retention':
        return this.#retain(fault)
      default:
        fault satisfies never
    }
  }

  #retain({ topic, partition, share }: Extract<Fault, { kind: 'retention' }>): void {
    const { broker, checker } = this.#world
    const book = checker.bookOf({ topic, partition })
    const offset = book.start + Math.floor((book.end - book.start) * share)
    book.removeBefore(offset)
    broker.removeBefore(topic, partition, offset)
  }
}
