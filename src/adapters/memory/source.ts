/**
 * A broker in memory, and sources that read from it: what consumer and simulation tests run on. It behaves as the port says
 * and as a broker does, in the order that the clock gives and in no other: two runs of the same calls are the same.
 */
import { Misconfigured } from '../../consumer/errors.ts'
import type { Clock, RawRecord } from '../../consumer/ports.ts'
import {
  LATENCY_MS,
  type MemberSide,
  type MemoryBroker,
  type MemoryBrokerOptions,
  type MemoryFaults,
  type MemorySource,
  type MemorySourceOptions,
} from './broker-types.ts'
import { timePasses } from './clock.ts'
import { type Commit, Group } from './group.ts'
import { type NewRecord, PartitionLog } from './log.ts'
import { MemoryMember } from './member.ts'

export type { MemoryBroker, MemorySource }

export function memoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  return new Broker(options)
}

class Broker implements MemoryBroker, MemberSide {
  readonly clock: Clock
  readonly delivery: 'automatic' | 'on demand'
  readonly #topics = new Map<string, PartitionLog[]>()
  readonly #groups = new Map<string, Group>()
  readonly #members: MemoryMember[] = []
  readonly #listeners = new Set<() => void>()
  readonly faults: MemoryFaults
  #epochs = 0

  constructor({ clock, delivery = 'automatic' }: MemoryBrokerOptions) {
    this.clock = clock
    this.delivery = delivery
    this.faults = this.#watched({ down: false, commits: null, holdCommitAnswers: false })
  }

  topic(name: string, partitions: number): void {
    const logs = this.#topics.get(name) ?? []
    const isNew = !this.#topics.has(name)
    this.#topics.set(name, logs)
    while (logs.length < partitions) logs.push(new PartitionLog())
    if (!isNew) for (const group of this.#groups.values()) group.rebalance()
    this.#changed()
  }

  deleteTopic(name: string): void {
    this.#topics.delete(name)
    for (const group of this.#groups.values()) group.forget(name)
    this.#changed()
  }

  append(topic: string, partition: number, ...records: readonly NewRecord[]): number {
    const log = this.#existing(topic, partition)
    const first = log.end
    for (const record of records) log.append({ timestampMs: this.clock.wallMs(), ...record })
    this.#changed()
    return first
  }

  skip(topic: string, partition: number, count: number): void {
    this.#existing(topic, partition).skip(count)
    this.#changed()
  }

  removeBefore(topic: string, partition: number, offset: number): void {
    this.#existing(topic, partition).removeBefore(offset)
    this.#changed()
  }

  records(topic: string, partition: number): readonly RawRecord[] {
    return this.#existing(topic, partition).records
  }

  committed(group: string, topic: string, partition: number): Commit | null {
    return this.group(group).committed({ topic, partition })
  }

  source(options: MemorySourceOptions): MemorySource {
    const member = new MemoryMember(this, options, this.#members.length + 1)
    this.#members.push(member)
    return member
  }

  deliver(): boolean {
    let any = false
    for (const member of this.#members) any = member.deliver() || any
    return any
  }

  logOf(topic: string, partition: number): PartitionLog | null {
    return this.#topics.get(topic)?.[partition] ?? null
  }

  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0
  }

  group(name: string): Group {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new Group(
        topic => this.partitionsOf(topic),
        () => timePasses(this.clock, LATENCY_MS),
      )
      this.#groups.set(name, group)
    }
    return group
  }

  nextEpoch(): number {
    this.#epochs++
    return this.#epochs
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #existing(topic: string, partition: number): PartitionLog {
    const log = this.logOf(topic, partition)
    if (log === null) throw new Misconfigured(`the memory broker has no ${topic}/${partition}`)
    return log
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #watched(faults: MemoryFaults): MemoryFaults {
    return new Proxy(faults, {
      set: (target, name, value) => {
        const isSet = Reflect.set(target, name, value)
        this.#changed()
        return isSet
      },
    })
  }
}
