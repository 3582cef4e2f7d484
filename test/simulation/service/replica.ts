/** One replica: a consumer as it ships, on a machine that can stand still or vanish, with the checker at its ports. */
import type { MemoryBroker, MemorySource } from '../../../src/adapters/memory/broker-types.ts'
import type { MemoryClock } from '../../../src/adapters/memory/clock.ts'
import { type DeadLetterTopic, memoryDeadLetters } from '../../../src/adapters/memory/dead-letters.ts'
import { type MemoryRegistry, memoryDecoder } from '../../../src/adapters/memory/decoder.ts'
import type { MemoryInbox } from '../../../src/adapters/memory/inbox.ts'
import { type MemoryUnitOfWork, memoryUnitOfWork } from '../../../src/adapters/memory/unit-of-work.ts'
import { Consumer, type ConsumerOptions, type ConsumerPorts, type Drained } from '../../../src/consumer/consumer.ts'
import { Routes } from '../../../src/consumer/routes.ts'
import type { Checker } from './checker.ts'
import { handlersOf, type Outside } from './handlers.ts'
import { Machine } from './machine.ts'
import { drained as watchDrained } from './offsets.ts'
import { watchDeadLetters, watchSource, watchTelemetry, watchUnitOfWork } from './ports.ts'
import { Chance } from './random.ts'
import type { Scenario } from './scenario.ts'
import { Observed } from './tenure.ts'

const GROUP = 'group'

export type ConsumerFactory = (options: ConsumerOptions, ports: ConsumerPorts) => Consumer

/** What all replicas share. */
export interface World {
  readonly scenario: Scenario
  readonly clock: MemoryClock
  readonly broker: MemoryBroker
  readonly inbox: MemoryInbox
  readonly registry: MemoryRegistry
  readonly letters: DeadLetterTopic
  readonly outside: Outside
  readonly checker: Checker
  readonly consumerFactory: ConsumerFactory
}

/** As the service has it: the rest is for leaving and closing. */
const DRAIN_SHARE = 0.85

/** For the one last commit that is awaited when the time is up: a source bounds it. */
const LAST_COMMIT_MS = 10_000

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

export class Replica {
  readonly name: string
  readonly machine: Machine
  readonly observed: Observed
  readonly consumer: Consumer
  readonly source: MemorySource
  readonly #world: World
  readonly #database: MemoryUnitOfWork
  readonly #over = Promise.withResolvers<void>()
  /** running → stopping → over. */
  state: 'running' | 'stopping' | 'over' = 'running'
  drained: Drained | null = null

  constructor(world: World, name: string) {
    const { scenario, clock: everybodys, broker, inbox, registry, letters, checker, outside } = world
    const { setting, seed } = scenario
    this.name = name
    this.#world = world
    this.machine = new Machine(everybodys)
    this.observed = new Observed(name)
    const { clock } = this.machine
    const chance = new Chance(seed, name)
    const network = { clock, world: everybodys, latencyMs: () => chance.mostlyLow(0.05, setting.latencyMsMax) }
    const unmatched = Object.fromEntries(setting.topics.map(topic => [topic.name, { unmatched: topic.unmatched }]))
    const handlers = handlersOf({ setting, checker, observed: this.observed, clock, outside })
    const routes = new Routes(handlers, unmatched)
    const { handOverTimeoutMs, protocol, poolMax, missingAfterMs } = setting
    this.source = broker.source({ group: GROUP, topics: routes.topics, clock, handOverTimeoutMs, protocol })
    this.source.faults.answerOffsetsMax = setting.answerOffsetsMax
    this.source.faults.latencyMs = { min: 0.1, max: setting.brokerLatencyMsMax }
    this.#database = memoryUnitOfWork({ clock, inbox, network, poolMax })
    const watch = { checker, observed: this.observed, setting }
    this.consumer = world.consumerFactory(
      {
        routes,
        inFlightMax: setting.inFlightMax,
        budget: { recordsMax: setting.recordsMax, bytesMax: 64 * 1024 * 1024 },
        windowMax: setting.windowMax,
        commitIntervalMs: setting.commitIntervalMs,
        sessionTimeoutMs: setting.sessionTimeoutMs,
      },
      {
        source: watchSource(this.source, watch),
        decoder: memoryDecoder({ readers: routes.readers, clock, registry, network, missingAfterMs }),
        deadLetters: watchDeadLetters(memoryDeadLetters({ topic: letters, network }), checker, this.observed),
        unitOfWork: watchUnitOfWork(this.#database, checker, this.observed),
        clock,
        random: new Chance(seed, `${name} jitter`).next,
        telemetry: watchTelemetry(watch),
        log: SILENT,
      },
    )
    void this.consumer.failed.then(why => this.#failed(why))
  }

  start(): void {
    this.#world.checker.trace(this.name, 'starts')
    this.consumer.start().catch((error: unknown) => this.#failed(String(error)))
  }

  /** As a service does on SIGTERM, which a process that stands still gets when it goes on. Resolves when it is over, however it ended. */
  stop(): Promise<void> {
    const { clock } = this.machine
    clock.at(clock.nowMs(), () => void this.#stop())
    return this.#over.promise
  }

  async #stop(): Promise<void> {
    if (this.state !== 'running') return
    const { checker, scenario } = this.#world
    const { drainTimeoutMs } = scenario.setting
    this.state = 'stopping'
    checker.trace(this.name, 'is asked to stop')
    const { clock } = this.machine
    const deadlineMs = clock.nowMs() + drainTimeoutMs * DRAIN_SHARE
    this.#watchDrain(deadlineMs)
    const drained = await this.consumer.drain(deadlineMs)
    // What died meanwhile says nothing of a stop.
    if (this.#hasEnded) return
    this.drained = drained
    watchDrained(checker, this.observed, { ...drained, wasInTime: clock.nowMs() < deadlineMs })
    await this.source.stop()
    await this.#database.stop()
    this.machine.vanish()
    this.#end('is stopped')
  }

  /** Time in which it stood still is not its fault. */
  #watchDrain(deadlineMs: number): void {
    const { clock, checker } = this.#world
    const limitMs = Math.max(deadlineMs, this.machine.thawedAtMs) + LAST_COMMIT_MS
    clock.at(limitMs, () => {
      if (this.drained !== null || this.state === 'over') return
      const stoodStill = this.machine.state === 'frozen' || this.machine.thawedAtMs + LAST_COMMIT_MS > clock.nowMs()
      if (stoodStill) return this.#watchDrain(clock.nowMs())
      checker.broken('a-stop-ends-in-time', `${this.name} has not drained ${LAST_COMMIT_MS} ms after its time was up`)
    })
  }

  /** As SIGKILL does: the parts find out by themselves. */
  crash(noticedAfterMs: number): void {
    if (this.state === 'over') return
    const { clock } = this.#world
    this.machine.vanish()
    this.source.kill()
    clock.at(clock.nowMs() + noticedAfterMs, () => this.#database.vanish())
    this.#end('is gone')
  }

  freeze(): void {
    this.machine.freeze()
    this.#world.checker.trace(this.name, 'stands still')
  }

  thaw(): void {
    this.#world.checker.trace(this.name, 'goes on')
    this.machine.thaw()
  }

  get #hasEnded(): boolean {
    return this.state === 'over'
  }

  #failed(why: string): void {
    if (this.state === 'over') return
    const isOurs = !why.includes(CLIENT_DIED)
    if (isOurs) this.#world.checker.broken('no-assertion-fails', `${this.name} can not go on: ${why}`)
    this.crash(0)
  }

  #end(how: string): void {
    this.state = 'over'
    this.#over.resolve()
    this.observed.tenures.clear()
    this.#world.checker.trace(this.name, how)
  }
}

export const CLIENT_DIED = 'the client died, as planned'
