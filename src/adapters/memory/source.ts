/**
 * A broker in memory, and sources that read from it: what consumer and simulation tests run on. It behaves as the port says
 * and as a broker does, in the order that the clock gives and in no other: two runs of the same calls are the same.
 */
import { Misconfigured } from '../../consumer/errors.ts'
import type { Clock, Random, RawRecord } from '../../consumer/ports.ts'
import type { TopicPartition } from '../../core/record.ts'
import type {
  BrokerFaults,
  LinkFaults,
  MemberSide,
  MemoryBroker,
  MemoryBrokerOptions,
  MemorySource,
  MemorySourceOptions,
} from './broker-types.ts'
import { Coordinator, type GroupDescription } from './coordinator.ts'
import { type Commit, Group } from './group.ts'
import { type NewRecord, PartitionLog } from './log.ts'
import { MemoryMember } from './member.ts'

export type { MemoryBroker, MemorySource }

/** As the Kafka source's defaults, made short: what a test waits for is the same, and sooner. */
const SESSION_TIMEOUT_MS = 10_000
const REBALANCE_TIMEOUT_MS = 10_000
const METADATA_CHARACTERS_MAX = 4_096

export function memoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  return new Broker(options)
}

class Broker implements MemoryBroker, MemberSide {
  readonly clock: Clock
  readonly random: Random
  readonly faults: BrokerFaults
  readonly #options: MemoryBrokerOptions
  readonly #topics = new Map<string, PartitionLog[]>()
  readonly #groups = new Map<string, Group>()
  readonly #listeners = new Set<() => void>()
  #epochs = 0
  #memberIds = 0

  constructor(options: MemoryBrokerOptions) {
    this.clock = options.clock
    this.random = options.random ?? (() => 0.5)
    this.#options = options
    this.faults = this.#watched({ ...noFaults(), coordinatorMoving: false })
  }

  topic(name: string, partitions: number): void {
    const logs = this.#topics.get(name) ?? []
    this.#topics.set(name, logs)
    while (logs.length < partitions) logs.push(new PartitionLog())
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

  truncate(topic: string, partition: number, offset: number): void {
    this.#existing(topic, partition).truncate(offset)
    this.#changed()
  }

  records(topic: string, partition: number): readonly RawRecord[] {
    return this.#existing(topic, partition).records
  }

  committed(group: string, topic: string, partition: number): Commit | null {
    return this.group(group).committed({ topic, partition })
  }

  store(group: string, place: TopicPartition, commit: Commit): void {
    this.group(group).store(place, commit, null)
  }

  describe(group: string): GroupDescription {
    return this.group(group).coordinator.describe()
  }

  source(options: MemorySourceOptions): MemorySource {
    return new MemoryMember(this, {
      ...options,
      faults: this.#watched(noFaults()),
      rebalanceTimeoutMs: this.#options.rebalanceTimeoutMs ?? REBALANCE_TIMEOUT_MS,
      nextMemberId: () => {
        this.#memberIds++
        return `member-${String(this.#memberIds).padStart(4, '0')}`
      },
    })
  }

  logOf(topic: string, partition: number): PartitionLog | null {
    return this.#topics.get(topic)?.[partition] ?? null
  }

  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0
  }

  group(name: string): Group {
    const group = this.#groups.get(name) ?? this.#newGroup(name)
    this.#groups.set(name, group)
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

  #newGroup(name: string): Group {
    const {
      sessionTimeoutMs = SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs = REBALANCE_TIMEOUT_MS,
      metadataCharactersMax = METADATA_CHARACTERS_MAX,
      onStored = () => undefined,
    } = this.#options
    return new Group({
      coordinator: new Coordinator({ clock: this.clock, sessionTimeoutMs, rebalanceTimeoutMs }),
      metadataCharactersMax,
      onStored: (place, commit, memberId) => onStored({ group: name, ...place, ...commit, memberId }),
    })
  }

  #existing(topic: string, partition: number): PartitionLog {
    const log = this.logOf(topic, partition)
    if (log === null) throw new Misconfigured(`the memory broker has no ${topic}/${partition}`)
    return log
  }

  #changed(): void {
    const isAway = this.faults.down || this.faults.coordinatorMoving
    for (const { coordinator } of this.#groups.values()) {
      if (isAway) coordinator.away()
      else coordinator.back()
    }
    for (const listener of this.#listeners) listener()
  }

  /** Whoever waits hears of a fault that is set or taken back. */
  #watched<Faults extends LinkFaults>(faults: Faults): Faults {
    return new Proxy(faults, {
      set: (target, name, value) => {
        const isSet = Reflect.set(target, name, value)
        this.#changed()
        return isSet
      },
    })
  }
}

function noFaults(): LinkFaults {
  return {
    down: false,
    commits: null,
    hangCommits: false,
    holdCommitAnswers: false,
    loseHeartbeats: false,
    latencyMs: null,
    answerOffsetsMax: null,
  }
}
