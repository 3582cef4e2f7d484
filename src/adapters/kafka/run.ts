/** One life of a kafkajs consumer, from connecting to its end. What it meets is told as events; it decides nothing. */
import type { Broker, Cluster, Consumer, EachBatchPayload } from 'kafkajs'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Protocol } from '../../core/ownership.ts'
import type { TopicPartition } from '../../core/record.ts'
import { type Client, kafkaClient, RETRY_FOR_EVER } from './client.ts'
import { faultOf } from './faults.ts'
import { assigners, COOPERATIVE, JoinEnded } from './group.ts'
import { HiddenTopics } from './hidden-topics.ts'
import { withOwnDecoder } from './insides.ts'
import type { Sign } from './log.ts'
import { HEARTBEAT_MS, type KafkaSourceOptions } from './options.ts'
import { readingRefused } from './permissions.ts'
import { LATE, rest, within } from './time.ts'

const DISCONNECT_TIMEOUT_MS = 5_000
/** kafkajs sleeps this long when every partition is paused, and nothing wakes it on resume. */
const FETCH_WAIT_MS_MAX = 100
const FETCH_BYTES_MAX = 4 * 1024 * 1024
const PARTITION_FETCH_BYTES_MAX = 512 * 1024
/** New partitions and leaders that moved quietly are seen after this. */
const METADATA_AGE_MS_MAX = 30_000
/** eachBatch never waits, so this only has to be more than the partitions of one answer. */
const PARTITIONS_AT_ONCE = 256
const COORDINATOR_RETRY_MS = 500
/** As kafkajs names them. */
const JOINING_REQUESTS = new Set(['GroupCoordinator', 'Metadata', 'JoinGroup', 'SyncGroup'])
const FETCH_API_KEY = 1
/** Kafka 2.3: the first whose answers carry what kafkajs 2.2.4 and we read. */
const FETCH_VERSION_MIN = 11

export interface JoinedMember {
  readonly memberId: string
  readonly assignment: readonly TopicPartition[]
  /** Eager: a member offers kafkajs' round robin only. */
  readonly protocol: Protocol
  /** From the sending of the join's last request until its answer was read. */
  readonly tookMs: number
}

export interface RunEvents {
  beforeJoin(): Promise<void>
  coordinatorFound(coordinator: Broker): void
  joined(member: JoinedMember): void
  /** What the next join claims. */
  owned(): readonly TopicPartition[]
  /** `tookMs`: from its sending until its answer was read. */
  heartbeat(member: { memberId: string; generation: number; tookMs: number }): void
  /** The fetch loop has ended and a join is about to begin. */
  rebalancing(): void
  /** May throw to force a join. */
  fetchStarting(): void
  /** An answer that could be read. */
  fetched(): void
  /** One request's cost, whatever its answer was. */
  fetchAnswered(cost: { durationMs: number; bytes: number }): void
  batch(payload: EachBatchPayload): void
  /** We may not see these, and nothing of them is fetched. */
  topicsHidden(topics: readonly string[]): void
  /** A partition had nothing new, and no error. */
  idle(place: TopicPartition): void
  sign(sign: Sign): void
  /** Whether a join may be waiting for others: the coordinator then answers nothing else on the same connection. */
  isJoining(): boolean
}

export class Run {
  readonly consumer: Consumer
  /** Resolves with its error when the consumer has ended by itself. */
  readonly crashed: Promise<unknown>
  readonly #options: KafkaSourceOptions
  readonly #client: Client
  #cluster: Cluster | null = null
  #hidden: HiddenTopics | null = null
  #findCoordinator: (() => Promise<Broker>) | null = null
  readonly #events: RunEvents
  /** Each takes one listener back: a consumer that did not end in time is not heard any more. */
  readonly #deafen: readonly (() => void)[]
  readonly #closed = new AbortController()

  constructor(options: KafkaSourceOptions, events: RunEvents) {
    this.#options = options
    this.#events = events
    this.#client = kafkaClient(options, RETRY_FOR_EVER, sign => {
      if (!this.#closed.signal.aborted) events.sign(sign)
    })
    const partitionAssigners = assigners({
      clusterMade: (cluster, find) => {
        this.#cluster = cluster
        this.#hidden = new HiddenTopics(cluster, topics => {
          if (!this.#closed.signal.aborted) events.topicsHidden(topics)
        })
        this.#findCoordinator = find
      },
      beforeJoin: async () => {
        if (!this.#closed.signal.aborted) await events.beforeJoin()
        if (this.#closed.signal.aborted) throw new JoinEnded('the consumer is stopping')
      },
      coordinatorFound: coordinator => events.coordinatorFound(coordinator),
      coordinatorNotFound: async error => {
        if (this.#closed.signal.aborted || faultOf(error) !== 'unreachable') throw error
        await rest(options.clock, COORDINATOR_RETRY_MS, this.#closed.signal)
      },
      topicUnseen: (topic, error) =>
        options.log.error(
          { topic, error: describe(error) },
          'a member of the group reads a topic that we, who share out the partitions, cannot see: nobody gets it until it exists and we may describe it',
        ),
      owned: () => events.owned(),
    })
    this.consumer = this.#client.kafka.consumer({
      groupId: options.groupId,
      partitionAssigners,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: options.rebalanceTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS_MAX,
      maxBytes: FETCH_BYTES_MAX,
      maxBytesPerPartition: PARTITION_FETCH_BYTES_MAX,
      metadataMaxAge: METADATA_AGE_MS_MAX,
      allowAutoTopicCreation: false,
      // A crashed consumer is replaced by a new one, by us: it then waits for its topics and its brokers as at the start.
      retry: { ...RETRY_FOR_EVER, restartOnFailure: async () => false },
    })
    this.#deafen = this.#listen(this.consumer, events)
    this.crashed = new Promise(resolve => {
      this.consumer.on(this.consumer.events.CRASH, ({ payload }) => resolve(payload.error))
    })
  }

  #listen(consumer: Consumer, events: RunEvents): readonly (() => void)[] {
    const { events: names } = consumer
    let heartbeatMs = 0
    let syncMs = 0
    // Heard to the end, since the way out may lead through a silent broker too.
    consumer.on(names.REQUEST_TIMEOUT, ({ payload: { apiName, broker } }) => {
      if (events.isJoining() && !JOINING_REQUESTS.has(apiName)) return
      const broken = this.#client.sockets.breakSilent(broker)
      if (broken > 0)
        this.#options.log.warn({ broker, request: apiName }, 'a broker has been silent: connecting to it anew')
    })
    return [
      consumer.on(names.GROUP_JOIN, ({ payload: { memberId, memberAssignment, groupProtocol } }) =>
        events.joined({
          memberId,
          assignment: Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
            partitions.map(partition => ({ topic, partition })),
          ),
          protocol: groupProtocol === COOPERATIVE ? 'cooperative' : 'eager',
          tookMs: syncMs,
        }),
      ),
      consumer.on(names.HEARTBEAT, ({ payload: { memberId, groupGenerationId: generation } }) =>
        events.heartbeat({ memberId, generation, tookMs: heartbeatMs }),
      ),
      consumer.on(names.REBALANCING, () => events.rebalancing()),
      consumer.on(names.FETCH_START, () => events.fetchStarting()),
      consumer.on(names.FETCH, () => events.fetched()),
      consumer.on(names.REQUEST, ({ payload: { apiName, duration, size } }) => {
        // kafkajs takes the duration from the wall clock, which may have been set back meanwhile.
        const tookMs = Math.max(0, duration)
        if (apiName === 'Fetch') events.fetchAnswered({ durationMs: tookMs, bytes: size })
        // Told just before kafkajs says what came of it.
        if (apiName === 'Heartbeat') heartbeatMs = tookMs
        if (apiName === 'SyncGroup') syncMs = tookMs
      }),
    ]
  }

  async connect(): Promise<void> {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true })
    await this.#refuseOldBrokers()
  }

  /** Resolves when it is joined, or has crashed. */
  async consume(): Promise<void> {
    const run = () =>
      this.consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        // Async by its type only: it never waits, so the fetch loop and the heartbeats never wait for a handler.
        eachBatch: async payload => {
          if (!this.#closed.signal.aborted) this.#events.batch(payload)
        },
      })
    await withOwnDecoder(place => this.#events.idle(place), run)
  }

  /** Not taken for a join. */
  async coordinator(): Promise<Broker> {
    if (this.#findCoordinator === null) throw new Misconfigured('kafkajs made no cluster for the consumer')
    return await this.#findCoordinator()
  }

  /** Who leads which partition. Rejects where we may not know it of this topic. */
  async refreshMetadata(topic: string): Promise<void> {
    await this.#cluster?.refreshMetadata()
    if (this.#hidden?.has(topic) === true) throw new Misconfigured(readingRefused([topic]))
  }

  /** Leaves the group and disconnects; bounded. */
  async close(): Promise<void> {
    const { clock, log } = this.#options
    this.#closed.abort()
    for (const takeBack of this.#deafen) takeBack()
    this.#client.giveUp()
    const closed = this.consumer.disconnect().catch((error: unknown) => {
      log.debug(
        { error: String(error) },
        'the consumer did not disconnect properly; the session timeout will end its membership',
      )
    })
    if ((await within(clock, DISCONNECT_TIMEOUT_MS, closed)) === LATE)
      log.warn({}, 'the consumer did not disconnect in time; the session timeout will end its membership')
  }

  async #refuseOldBrokers(): Promise<void> {
    const cluster = this.#cluster
    const [nodeId] = cluster?.getNodeIds() ?? []
    if (cluster === null || nodeId === undefined) return
    const broker = await cluster.findBroker({ nodeId: String(nodeId) })
    const versions = await broker.apiVersions()
    const fetchVersion = versions[FETCH_API_KEY]?.maxVersion ?? 0
    if (fetchVersion < FETCH_VERSION_MIN)
      throw new BrokersTooOld(
        `the brokers are too old: they know Fetch up to version ${fetchVersion}, sluice needs ${FETCH_VERSION_MIN} (Kafka 2.3 or later)`,
      )
  }
}

/** Sorted with what Kafka itself says of versions: no waiting cures it. */
class BrokersTooOld extends Misconfigured {
  readonly type = 'UNSUPPORTED_VERSION'
}
