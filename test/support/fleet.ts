/**
 * A fleet: replicas of a service, each a process of its own, that come and go, are killed and frozen while a steady load runs.
 * What their handlers do is read from their journals, what they committed from the broker.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import type { Parts } from '../../dev/stack/parts.ts'
import { Journals, nowMs } from './fleet-journal.ts'
import { type Load, startLoad } from './fleet-load.ts'
import { KafkaWorld } from './kafka-world.ts'
import { freshName, until } from './parts.ts'
import { type Replica, startReplica } from './replica.ts'
import { activityStream, type Stream } from './stream.ts'

const MAIN = fileURLToPath(new URL('fleet-main.ts', import.meta.url))

export interface Member extends Replica {
  readonly name: string
}

export interface FleetOptions {
  readonly parts: Parts
  /** Partitions of each topic. */
  readonly topics: readonly number[]
  /** For every member; a join may differ. */
  readonly env?: Readonly<Record<string, string>>
}

/** Who owns which partition, by `topic-partition`. */
export type Owners = ReadonlyMap<string, string>

export class Fleet {
  readonly world: KafkaWorld
  readonly group = freshName('fleet')
  readonly topics: readonly string[]
  readonly journals = new Journals()
  /** Those that run and are not frozen. */
  readonly members = new Set<Member>()
  readonly #started: Member[] = []
  #named = 0
  readonly #partitions: readonly number[]
  readonly #env: Readonly<Record<string, string>>
  readonly #stream: Stream
  readonly #producer: Producer
  readonly #folder: string
  readonly #loads: Load[] = []

  private constructor(made: {
    options: FleetOptions
    world: KafkaWorld
    topics: readonly string[]
    stream: Stream
    producer: Producer
    folder: string
  }) {
    const { parts, env = {}, topics } = made.options
    this.world = made.world
    this.topics = made.topics
    this.#partitions = topics
    this.#stream = made.stream
    this.#producer = made.producer
    this.#folder = made.folder
    this.#env = {
      KAFKA_BROKERS: parts.brokers.join(','),
      KAFKA_GROUP_ID: this.group,
      SCHEMA_REGISTRY_URL: parts.registryUrl,
      DEAD_LETTER_CREATE: 'true',
      TEST_TOPICS: made.topics.join(','),
      ...env,
    }
  }

  /** Makes the topics; no member yet. */
  static async of(options: FleetOptions): Promise<Fleet> {
    const { brokers, registryUrl } = options.parts
    const world = new KafkaWorld(brokers)
    const topics = options.topics.map(() => freshName('activity'))
    for (const [index, topic] of topics.entries()) await world.createTopic(topic, options.topics[index] ?? 1)
    const stream = await activityStream({ brokers, registryUrl, topic: topics[0] ?? '' })
    const producer = await steadfastProducer(brokers)
    const folder = await mkdtemp(join(tmpdir(), 'sluice-fleet-'))
    return new Fleet({ options, world, topics, stream, producer, folder })
  }

  /** Of those that run; throws where there is none. */
  get oldest(): Member {
    for (const member of this.members) return member
    throw new Error('the fleet has no member left')
  }

  /** Resolves when the new member serves HTTP; it joins after that. */
  async join(env: Readonly<Record<string, string>> = {}): Promise<Member> {
    const name = `m${++this.#named}`
    const path = join(this.#folder, name)
    this.journals.add(name, path)
    const replica = await startReplica({ ...this.#env, TEST_JOURNAL: path, ...env }, MAIN)
    const member = { ...replica, name }
    this.#started.push(member)
    this.members.add(member)
    return member
  }

  /** Asks it to stop as an orchestrator does; throws when that was no clean end. */
  async leave(member: Member): Promise<void> {
    this.members.delete(member)
    member.kill('SIGTERM')
    const code = await member.exited
    const last = member.lines.find(line => line.msg === 'stopped')
    if (code !== 0) throw new Error(`${member.name} ended with ${code}: ${JSON.stringify(last ?? member.lines.at(-1))}`)
  }

  async kill(member: Member): Promise<void> {
    this.members.delete(member)
    member.kill('SIGKILL')
    await member.exited
  }

  freeze(member: Member): void {
    this.members.delete(member)
    member.kill('SIGSTOP')
  }

  revive(member: Member): void {
    member.kill('SIGCONT')
    this.members.add(member)
  }

  /** From here on, until `stop` or the end of the fleet. */
  load(perSecond: number, topic = this.topics[0] ?? ''): Load {
    const load = startLoad({
      topic,
      partitions: this.#partitions[this.topics.indexOf(topic)] ?? 1,
      perSecond,
      encode: event => this.#stream.encode(event),
      send: (to, messages) => this.send(to, messages),
    })
    this.#loads.push(load)
    return load
  }

  async send(topic: string, messages: readonly Message[]): Promise<void> {
    await this.#producer.send({ topic, acks: -1, messages: [...messages] })
  }

  /** One record: what is not said of it is the same for all. */
  async message(key: string, partition: number): Promise<Message> {
    const event = {
      eventId: crypto.randomUUID(),
      userId: key,
      type: 'LOGIN',
      occurredAt: new Date(),
      ip: null,
    } as const
    return { key, partition, value: await this.#stream.encode(event) }
  }

  /** Who says to own what; null while two say it of the same one or somebody does not answer. */
  async owners(): Promise<Owners | null> {
    const owners = new Map<string, string>()
    for (const member of this.members) {
      const status = await member.status()
      if (status?.joined !== true) return null
      for (const { topic, partition } of status.partitions) {
        if (owners.has(`${topic}-${partition}`)) return null
        owners.set(`${topic}-${partition}`, member.name)
      }
    }
    return owners
  }

  /** Resolves when every partition has one owner and nobody has more than one more than another. */
  async settled(timeoutMs = 60_000): Promise<Owners> {
    const all = sum(this.#partitions)
    const answer: { owners: Owners } = { owners: new Map() }
    const shared = async () => {
      const owners = await this.owners()
      if (owners?.size !== all) return false
      answer.owners = owners
      const counts = [...this.members].map(({ name }) => [...owners.values()].filter(owner => owner === name).length)
      return Math.max(...counts) - Math.min(...counts) <= 1
    }
    await until(`${this.members.size} members share ${all} partitions`, shared, { timeoutMs })
    return answer.owners
  }

  /** How many partitions had a record started since then. */
  movingSince(sinceMs: number): number {
    const since = this.journals.deliveries.filter(({ startedMs }) => startedMs >= sinceMs)
    return new Set(since.map(({ topic, partition }) => `${topic}-${partition}`)).size
  }

  /** Resolves when every partition had a record started from now on: none is unread. All of them must be under load. */
  async moves(timeoutMs = 60_000): Promise<void> {
    const sinceMs = nowMs()
    const all = sum(this.#partitions)
    await until(`all of ${all} partitions move`, () => this.movingSince(sinceMs) === all, { timeoutMs })
  }

  /** The ends of the logs: how many records there are. */
  async logged(): Promise<number> {
    const admin = await this.world.admin()
    const ends = await Promise.all(this.topics.map(topic => admin.fetchTopicOffsets(topic)))
    return ends.flat().reduce((sum, { high }) => sum + Number(high), 0)
  }

  /** The group's committed offsets of all topics and partitions, in their order; null where there is none. */
  async committed(): Promise<(number | null)[]> {
    return (await Promise.all(this.topics.map(topic => this.world.allCommitted(this.group, topic)))).flat()
  }

  /** The protocol by which the group shares its partitions now, as the broker has it. */
  async protocol(): Promise<string> {
    const admin = await this.world.admin()
    const { groups } = await admin.describeGroups([this.group])
    return groups[0]?.protocol ?? ''
  }

  /** Ends what still runs. */
  async end(): Promise<void> {
    await this.#producer.disconnect()
    await Promise.allSettled(this.#loads.map(load => load.stop()))
    for (const member of this.#started) {
      member.kill('SIGKILL')
      await member.exited
    }
    await Promise.all([this.#stream.close(), this.world.close()])
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** One that waits for its broker however long it is away. */
async function steadfastProducer(brokers: string[]): Promise<Producer> {
  const retry = { retries: 1e6, initialRetryTime: 100, maxRetryTime: 500 }
  const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING, retry })
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false, retry })
  await producer.connect()
  return producer
}

export function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((so, count) => so + (count ?? 0), 0)
}
