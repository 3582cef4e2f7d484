/** Whole consumers on parts in memory: one broker, one registry, one database, and time that passes only when a test says so. */
import { LATENCY_MS } from '../../src/adapters/memory/broker-types.ts'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemoryDeadLetters, memoryDeadLetters } from '../../src/adapters/memory/dead-letters.ts'
import { type MemoryDecoder, memoryDecoder } from '../../src/adapters/memory/decoder.ts'
import type { NewRecord } from '../../src/adapters/memory/log.ts'
import { type MemoryBroker, type MemorySource, memoryBroker } from '../../src/adapters/memory/source.ts'
import { type MemoryUnitOfWork, memoryUnitOfWork } from '../../src/adapters/memory/unit-of-work.ts'
import { Consumer, type ConsumerOptions, type ConsumerPorts } from '../../src/consumer/consumer.ts'
import type { Handler } from '../../src/consumer/handler.ts'
import { Routes, type TopicOptions } from '../../src/consumer/routes.ts'
import type { Outcome } from '../../src/core/facts.ts'
import type { PartitionStatus } from '../../src/core/status.ts'
import { type Heard, listeningLog, listeningTelemetry, THING_ID, thingHandler } from './floor.ts'
import { pass, until } from './memory-time.ts'

export const GROUP = 'group'

export interface BenchOptions {
  readonly handlers?: readonly Handler[]
  readonly topics?: Readonly<Record<string, TopicOptions>>
  /** Of topic `things`; 0: there is no such topic. */
  readonly partitions?: number
  /** What differs from the usual limits. */
  readonly limits?: Partial<ConsumerOptions>
}

export interface Member {
  readonly consumer: Consumer
  readonly source: MemorySource
  readonly telemetry: Heard
  readonly log: ReturnType<typeof listeningLog>
}

/** The coordinator's patience and the consumer's: one does not outlast the other. */
const SESSION_TIMEOUT_MS = 30_000

export class Bench {
  readonly clock: MemoryClock = memoryClock()
  readonly broker: MemoryBroker = memoryBroker({ clock: this.clock, sessionTimeoutMs: SESSION_TIMEOUT_MS })
  readonly database: MemoryUnitOfWork = memoryUnitOfWork({ clock: this.clock })
  readonly letters: MemoryDeadLetters = memoryDeadLetters({ group: GROUP })
  readonly decoder: MemoryDecoder
  readonly routes: Routes
  readonly members: Member[] = []
  readonly #limits: Partial<ConsumerOptions>

  constructor({ handlers = [thingHandler()], topics = {}, partitions = 1, limits = {} }: BenchOptions = {}) {
    this.routes = new Routes(handlers, topics)
    this.#limits = limits
    const schemas = new Map([[THING_ID, { name: 'test.Thing' }]])
    this.decoder = memoryDecoder({ readers: this.routes.readers, clock: this.clock, schemas })
    if (partitions > 0) this.broker.topic('things', partitions)
  }

  /** Another consumer of the group; it is not started. */
  member(differs: Partial<ConsumerPorts> = {}): Member {
    const { clock, decoder, routes } = this
    const source = this.broker.source({ group: GROUP, topics: routes.topics })
    const log = listeningLog()
    const telemetry = listeningTelemetry()
    const consumer = new Consumer(
      {
        routes,
        inFlightMax: 100,
        budget: { recordsMax: 100_000, bytesMax: 64 * 1024 * 1024 },
        windowMax: 10_000,
        commitIntervalMs: 1_000,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        ...this.#limits,
      },
      {
        source,
        decoder,
        deadLetters: this.letters,
        unitOfWork: this.database,
        clock,
        random: () => 0.5,
        telemetry,
        log,
        ...differs,
      },
    )
    const member = { consumer, source, log, telemetry }
    this.members.push(member)
    return member
  }

  /** A member that has joined. */
  async joined(differs: Partial<ConsumerPorts> = {}): Promise<Member> {
    const member = this.member(differs)
    void member.consumer.start()
    await this.until('it has joined', () => member.consumer.status().joined)
    return member
  }

  append(partition: number, ...records: readonly NewRecord[]): void {
    this.broker.append('things', partition, ...records)
  }

  committed(partition = 0, topic = 'things'): number | null {
    return this.broker.committed(GROUP, topic, partition)?.nextOffset ?? null
  }

  /** Time passes, and everything that is due happens, in order. */
  async pass(ms: number): Promise<void> {
    await pass(this.clock, ms)
  }

  /** Time passes until it holds; throws when it never does. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await until(this.clock, what, holds)
  }

  /** Committed in the database, in that order. */
  get effects(): string[] {
    return this.database.effects.map(String)
  }

  /** Until so much of a partition is committed, and its member has been told. */
  async untilCommitted(nextOffset: number, partition = 0): Promise<void> {
    await this.until(`${nextOffset} is committed`, () => (this.committed(partition) ?? 0) >= nextOffset)
    await this.pass(LATENCY_MS)
  }
}

/** How often each outcome was reached. */
export function outcomesOf(...members: readonly Member[]): Partial<Record<Outcome, number>> {
  const counts: Partial<Record<Outcome, number>> = {}
  const count = (outcome: Outcome, times: number): void => {
    counts[outcome] = (counts[outcome] ?? 0) + times
  }
  for (const { telemetry } of members) {
    for (const fact of telemetry.facts) {
      if (fact.type === 'settled') count(fact.outcome, 1)
      if (fact.type === 'deadLettered') count('dead_lettered', fact.sentences.length)
    }
  }
  return counts
}

/** The highest attempt that any record was given. */
export function attemptsMax({ telemetry }: Member): number {
  const tasks = telemetry.facts.flatMap(fact => (fact.type === 'failed' || fact.type === 'settled' ? [fact.task] : []))
  return Math.max(0, ...tasks.map(({ attempt }) => attempt))
}

export function partitionOf({ consumer }: Member, partition = 0, topic = 'things'): PartitionStatus | undefined {
  return consumer.status().partitions.find(status => status.topic === topic && status.partition === partition)
}
