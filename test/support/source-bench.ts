/** Sources in memory and listeners that hold them to their contract, on one broker, in time that passes only when a test says so. */
import type { MemoryBrokerOptions, MemorySourceOptions, Stored } from '../../src/adapters/memory/broker-types.ts'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemoryBroker, type MemorySource, memoryBroker } from '../../src/adapters/memory/source.ts'
import { Listening } from '../contracts/listening.ts'
import { bytes } from './bytes.ts'
import { range } from './floor.ts'
import { pass, until } from './memory-time.ts'

export interface Reader {
  readonly source: MemorySource
  readonly listening: Listening
}

export const GROUP = 'group'
export const TOPIC = 'topic'

export class SourceBench {
  readonly clock: MemoryClock = memoryClock()
  readonly broker: MemoryBroker
  readonly readers: Reader[] = []
  /** Every offset that was stored, in that order. */
  readonly stored: Stored[] = []

  constructor(partitions: number, differs: Partial<MemoryBrokerOptions> = {}) {
    this.broker = memoryBroker({ clock: this.clock, onStored: stored => void this.stored.push(stored), ...differs })
    if (partitions > 0) this.broker.topic(TOPIC, partitions)
  }

  /** Has begun to start; it has not joined. */
  begin(differs: Partial<MemorySourceOptions> = {}): Reader {
    const reader = {
      source: this.broker.source({ group: GROUP, topics: [TOPIC], ...differs }),
      listening: new Listening(),
    }
    this.readers.push(reader)
    void reader.source.start(reader.listening)
    return reader
  }

  /** Is a member. */
  async joined(differs: Partial<MemorySourceOptions> = {}): Promise<Reader> {
    const reader = this.begin(differs)
    await this.until('it has joined', () => reader.listening.joins.length > 0)
    return reader
  }

  append(partition: number, count: number, prefix = 'v'): void {
    this.broker.append(TOPIC, partition, ...range(count).map(number => ({ value: bytes(`${prefix}${number}`) })))
  }

  committed(partition = 0): number | null {
    return this.broker.committed(GROUP, TOPIC, partition)?.nextOffset ?? null
  }

  get violations(): readonly string[] {
    return this.readers.flatMap(({ listening }) => listening.violations)
  }

  pass(ms: number): Promise<void> {
    return pass(this.clock, ms)
  }

  /** Time passes until it is answered. */
  async outcome<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    void promise.finally(() => (isSettled = true))
    await this.until('it is answered', () => isSettled)
    return await promise
  }

  until(what: string, holds: () => boolean): Promise<void> {
    return until(this.clock, what, holds)
  }
}
