/** A client beside the group: it asks what the brokers know of it and reads single records. It never joins and never commits. */
import type { Broker, Cluster, Consumer, EachBatchPayload } from 'kafkajs'
import kafkajs from 'kafkajs'
import { Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { TopicPartition } from '../../core/record.ts'
import { type Client, kafkaClient } from './client.ts'
import { faultOf, ourErrorOf, protocolErrorOf } from './faults.ts'
import { takePartition, withOwnDecoder } from './insides.ts'
import { type SeenGroup, seenGroupOf } from './members.ts'
import { safeOffset } from './offset.ts'
import type { KafkaConnection } from './options.ts'
import { rest, within } from './time.ts'
import type { WirePartition } from './wire/answer.ts'

/** A group's commit for one partition; `metadata` is whatever was stored beside it. */
export interface StoredCommit extends TopicPartition {
  /** Null where a client has put a placeholder in its place. */
  readonly committed: number | null
  readonly metadata: string
}

/** Where a partition's log begins and ends. */
export interface LogEnds extends TopicPartition {
  readonly logStart: number
  /** The last stable offset: what a reader of committed records can reach, as everywhere in this program. */
  readonly end: number
  /** The high watermark: above `end` while transactions are open. */
  readonly written: number
}

/** Brokers that refuse are tried this often; with blackholes (3 s each) it still ends within the ten seconds that an operator waits. */
const CONNECT_TRIES_MAX = 3
/** A leader or a coordinator that moves is at its new place in a moment. */
const TRIES_MAX = 3
const RETRY_MS = 300
const DISCONNECT_TIMEOUT_MS = 1_000
/** The answer to `minBytes: 0` comes at once; kafkajs takes this for the request's deadline. */
const FETCH_WAIT_MS = 5_000
const FETCH_API_KEY = 1
/** Kafka 2.3: see run.ts. */
const FETCH_VERSION_MIN = 11
const [EARLIEST, LATEST] = ['-2', '-1']
const [UNCOMMITTED, COMMITTED] = [0, 1]

/** Methods of kafkajs' Broker that its types leave out. `onlooker.test.ts` holds that they are there. */
interface AskedBroker extends Broker {
  findGroupCoordinator(request: {
    groupId: string
    coordinatorType: number
  }): Promise<{ coordinator: { nodeId: number } }>
  listOffsets(request: {
    isolationLevel: number
    topics: { topic: string; partitions: { partition: number; timestamp: string }[] }[]
  }): Promise<{ responses: { partitions: { partition: number; offset: string }[] }[] }>
}

export class Onlooker {
  readonly #connection: KafkaConnection
  readonly #groupId: string
  readonly #client: Client
  readonly #consumer: Consumer
  readonly #cluster: Cluster
  readonly #closed = new AbortController()
  /** By topic, then partition: who leads it, as a node. */
  readonly #leaders = new Map<string, ReadonlyMap<number, string>>()

  constructor(connection: KafkaConnection, groupId: string) {
    this.#connection = connection
    this.#groupId = groupId
    const tries = Math.min(Math.max(connection.brokers.length, 2), CONNECT_TRIES_MAX)
    this.#client = kafkaClient(connection, { retries: tries - 1, initialRetryTime: 100, maxRetryTime: 300 })
    let made: Cluster | null = null
    // As in group.ts: the one public place that is given a cluster. A consumer that is never run joins nothing.
    this.#consumer = this.#client.kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        config => {
          made = config.cluster
          return kafkajs.PartitionAssigners.roundRobin(config)
        },
      ],
    })
    if (made === null) throw new Misconfigured('kafkajs made no cluster for the consumer')
    this.#cluster = made
  }

  /** With topics, the brokers are asked about those alone: of all of them, one without a leader would fail the answer. */
  async connect(topics: readonly string[]): Promise<void> {
    await this.#asks('connecting', 'DESCRIBE on the cluster', () => this.#consumer.connect())
    for (const topic of topics) await this.#askingTopic(topic, () => this.#cluster.addTargetTopic(topic))
    if (topics.length === 0) await this.#findBrokers()
    const versions = await this.#asks('connecting', 'DESCRIBE on the cluster', async () =>
      (await this.#anyBroker()).apiVersions(),
    )
    const fetchVersion = versions[FETCH_API_KEY]?.maxVersion ?? 0
    if (fetchVersion < FETCH_VERSION_MIN)
      throw new Misconfigured(
        `the brokers are too old: they know Fetch up to version ${fetchVersion}, sluice needs ${FETCH_VERSION_MIN} (Kafka 2.3 or later)`,
      )
  }

  async #findBrokers(): Promise<void> {
    try {
      await this.#asks('listing topics', 'DESCRIBE on the cluster', () => this.#cluster.refreshMetadata())
    } catch (error) {
      if (protocolErrorOf(error) !== 'LEADER_NOT_AVAILABLE') throw error
      throw new Unavailable(
        'Kafka',
        'some topic has a partition without a leader, and the client takes no answer then: name topics with --topic',
      )
    }
  }

  /** State `Dead` is what the brokers say of a group that they do not know. */
  async group(): Promise<SeenGroup> {
    return await this.#askingGroup('describing', async coordinator => {
      const groupIds = [this.#groupId]
      return seenGroupOf(await coordinator.describeGroups({ groupIds }))
    })
  }

  /** Of every topic for which the group has any. */
  async commits(): Promise<readonly StoredCommit[]> {
    return await this.#askingGroup('reading the commits of', async coordinator => {
      // No topics stand for all of them.
      const { responses } = await coordinator.offsetFetch({ groupId: this.#groupId, topics: [] })
      return responses.flatMap(({ topic, partitions }) =>
        partitions.map(row => {
          const offset = safeOffset(row.offset)
          // Boundary: kafkajs' types leave the metadata out, which may be null.
          const metadata = (row as { metadata?: string | null }).metadata ?? ''
          return { topic, partition: row.partition, ...(offset < 0 ? NOTHING : { committed: offset, metadata }) }
        }),
      )
    })
  }

  /** Of every partition, in their order. */
  async ends(topic: string): Promise<readonly LogEnds[]> {
    return await this.#askingTopic(topic, async () => {
      const leaders = await this.#findLeaders(topic)
      const ends = await Promise.all(
        [...Map.groupBy([...leaders], ([, nodeId]) => nodeId)].map(async ([nodeId, led]) => {
          const broker = await this.#broker(nodeId)
          return await endsAt(
            broker,
            topic,
            led.map(([partition]) => partition),
          )
        }),
      )
      return ends.flat().toSorted((one, other) => one.partition - other.partition)
    })
  }

  /**
   * What the partition's leader has from offset `from` on: at least one whole batch, or null where there is nothing. Only of topics that
   * `ends` has been asked about. An error of the partition is in the answer, as the protocol's code.
   */
  async fetch({ topic, partition }: TopicPartition, from: number, bytesMax: number): Promise<WirePartition | null> {
    return await this.#askingTopic(topic, async () => {
      const broker = await this.#broker(this.#leaders.get(topic)?.get(partition) ?? '')
      const partitions = [{ partition, fetchOffset: String(from), maxBytes: bytesMax }]
      const request = { maxWaitTime: FETCH_WAIT_MS, minBytes: 0, maxBytes: bytesMax, topics: [{ topic, partitions }] }
      const answer = await withOwnDecoder(
        () => {},
        () => broker.fetch(request),
      )
      const batch = answer.responses[0]?.partitions[0] ?? { messages: [] }
      // Boundary: what `takePartition` reads of a batch are its messages, which insides.ts has made.
      return takePartition({ batch } as EachBatchPayload)
    })
  }

  /** Bounded; safe at any time. */
  async close(): Promise<void> {
    this.#closed.abort()
    this.#client.giveUp()
    const closed = this.#consumer.disconnect().catch(() => {
      // Nothing is lost with a connection that cannot be closed properly.
    })
    await within(this.#connection.clock, DISCONNECT_TIMEOUT_MS, closed)
  }

  /** Not through kafkajs' own search: it drops the error of a broker that refuses, so a missing permission would look like a coordinator that is away. */
  async #askingGroup<T>(doing: string, question: (coordinator: Broker) => Promise<T>): Promise<T> {
    return await this.#asks(`${doing} group ${this.#groupId}`, `DESCRIBE on group ${this.#groupId}`, async () => {
      const request = { groupId: this.#groupId, coordinatorType: 0 }
      const { coordinator } = await (await this.#anyBroker()).findGroupCoordinator(request)
      return await question(await this.#broker(String(coordinator.nodeId)))
    })
  }

  async #askingTopic<T>(topic: string, question: () => Promise<T>): Promise<T> {
    try {
      return await this.#asks(`describing topic ${topic}`, `DESCRIBE on topic ${topic}`, question)
    } catch (error) {
      if (faultOf(error) === 'missing-topic') throw new Misconfigured(`topic ${topic} does not exist`, { cause: error })
      throw error
    }
  }

  /** `acl` is what a refusal means. What passes by itself is asked again, a few times. */
  async #asks<T>(doing: string, acl: string, question: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await question()
      } catch (error) {
        const passes = PASSING.has(protocolErrorOf(error)) && tries < TRIES_MAX && !this.#closed.signal.aborted
        if (!passes) throw this.#named(error, doing, acl)
        await rest(this.#connection.clock, RETRY_MS, this.#closed.signal)
      }
    }
  }

  #named(error: unknown, doing: string, acl: string): unknown {
    const fault = faultOf(error)
    if (fault === 'missing-topic') return error
    if (fault === 'permission')
      return new Misconfigured(`Kafka does not permit ${doing}: this user lacks the ACL ${acl}`, { cause: error })
    // What else there is, credentials and certificates above all, is said as the service says it.
    const named = ourErrorOf(error, doing)
    if (!(named instanceof Unavailable)) return named
    return new Unavailable(`Kafka (${this.#connection.brokers.join(', ')})`, isMute(error) ? MUTE : error)
  }

  async #anyBroker(): Promise<AskedBroker> {
    let last: unknown = 'the brokers name no broker'
    for (const nodeId of this.#cluster.getNodeIds()) {
      try {
        return await this.#broker(String(nodeId))
      } catch (error) {
        last = error
      }
    }
    throw new Unavailable('kafka', last)
  }

  async #broker(nodeId: string): Promise<AskedBroker> {
    // Boundary: see AskedBroker.
    return (await this.#cluster.findBroker({ nodeId })) as AskedBroker
  }

  async #findLeaders(topic: string): Promise<ReadonlyMap<number, string>> {
    const { topicMetadata } = await (await this.#anyBroker()).metadata([topic])
    const leaders = new Map(
      topicMetadata.flatMap(({ partitionMetadata }) =>
        partitionMetadata.map(({ partitionId, leader }) => [partitionId, String(leader)] as const),
      ),
    )
    this.#leaders.set(topic, leaders)
    return leaders
  }
}

const NOTHING = { committed: null, metadata: '' } as const

const MUTE =
  'connections are taken, and nothing is answered: is that a listener for Kafka, and KAFKA_TLS as it wants it?'

/** kafkajs counts a broker that has never answered as connected at the second try, and then stumbles over not knowing what it can do. */
function isMute(error: unknown): boolean {
  return error instanceof Error && error.message === 'Broker not connected'
}

/** The broker says that somebody else leads or coordinates, or will in a moment. */
const PASSING: ReadonlySet<string | null> = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
])

async function endsAt(broker: AskedBroker, topic: string, partitions: readonly number[]): Promise<LogEnds[]> {
  const ask = async (timestamp: string, isolationLevel: number): Promise<ReadonlyMap<number, number>> => {
    const places = partitions.map(partition => ({ partition, timestamp }))
    const { responses } = await broker.listOffsets({ isolationLevel, topics: [{ topic, partitions: places }] })
    const rows = responses.flatMap(response => response.partitions)
    return new Map(rows.map(({ partition, offset }) => [partition, safeOffset(offset)]))
  }
  // In this order: the log only grows, so no end is below what was said before it.
  const starts = await ask(EARLIEST, COMMITTED)
  const ends = await ask(LATEST, COMMITTED)
  const written = await ask(LATEST, UNCOMMITTED)
  return partitions.map(partition => ({
    topic,
    partition,
    logStart: starts.get(partition) ?? 0,
    end: ends.get(partition) ?? 0,
    written: written.get(partition) ?? 0,
  }))
}
