/** How the group shares out its partitions, and what kafkajs has no event for: the moment before a join, the coordinator, a join at our own wish. */
import type { Broker, Cluster, GroupMember, GroupMemberAssignment, PartitionAssigner } from 'kafkajs'
import kafkajs from 'kafkajs'
import { assign, decodeOwned, encodeOwned } from '../../core/assignor.ts'
import type { TopicPartition } from '../../core/record.ts'
import { faultOf } from './faults.ts'

const { AssignerProtocol, KafkaJSError, KafkaJSNonRetriableError, PartitionAssigners } = kafkajs

/** A group is on this protocol once every member offers it. */
export const COOPERATIVE = 'sluice-cooperative-sticky'
const VERSION = 1

export interface GroupHooks {
  /** The consumer's cluster, as soon as there is one. `find` looks for the coordinator without being taken for a join. */
  clusterMade(cluster: Cluster, find: () => Promise<Broker>): void
  /** Awaited before every JoinGroup, the first included. Throwing ends the join. */
  beforeJoin(): Promise<void>
  coordinatorFound(coordinator: Broker): void
  /** The coordinator was not found. Resolves when it is worth another look; rejects to end the join. */
  coordinatorNotFound(error: unknown): Promise<void>
  /** We lead the group, and can not share out a topic that a member wants. */
  topicUnseen(topic: string, error: unknown): void
  /** What a join claims: all that is ours, what is leaving included. */
  owned(): readonly TopicPartition[]
}

/**
 * Ours first, then kafkajs' round robin: a group in which a member offers nothing else stays on that one, and moves on by itself
 * when the last such member has left.
 */
export function assigners(hooks: GroupHooks): PartitionAssigner[] {
  return [cooperative(hooks), PartitionAssigners.roundRobin]
}

/**
 * The factory is the one public place that is given the consumer's cluster, and the coordinator is looked for exactly once before every
 * JoinGroup: waiting there is waiting before the join, while the old generation's commits are still accepted.
 */
function cooperative(hooks: GroupHooks): PartitionAssigner {
  return ({ cluster, groupId }) => {
    hook(cluster, groupId, hooks)
    return {
      name: COOPERATIVE,
      version: VERSION,
      protocol: ({ topics }) => ({ name: COOPERATIVE, metadata: metadataOf(topics, hooks.owned()) }),
      assign: async ({ members }) => await shareOut(cluster, members, hooks),
    }
  }
}

function hook(cluster: Cluster, groupId: string, hooks: GroupHooks): void {
  const search = cluster.findGroupCoordinator.bind(cluster)
  const find = async () => {
    try {
      return await search({ groupId })
    } catch (error) {
      throw await whyNotFound(cluster, groupId, error)
    }
  }
  hooks.clusterMade(cluster, find)
  keepNodes(cluster)
  cluster.findGroupCoordinator = async group => {
    if (group.groupId !== groupId) return await search(group)
    await hooks.beforeJoin()
    // kafkajs gives up for good where a broker fails to answer just this question, and its member with it.
    for (;;) {
      try {
        const coordinator = await find()
        hooks.coordinatorFound(coordinator)
        return coordinator
      } catch (error) {
        await hooks.coordinatorNotFound(error)
        await cluster.refreshMetadata()
      }
    }
  }
}

/** A method of kafkajs' Broker that its types leave out; `group.test.ts` holds that it is there. */
interface AskedBroker extends Broker {
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<unknown>
}

/** kafkajs drops the error of a broker that refuses, so that a missing permission looks like a coordinator that is away: then one is asked without kafkajs between. */
async function whyNotFound(cluster: Cluster, groupId: string, error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || error.name !== 'KafkaJSGroupCoordinatorNotFound') return error
  try {
    // Boundary: see AskedBroker.
    const broker = (await anyBroker(cluster)) as AskedBroker
    await broker.findGroupCoordinator({ groupId, coordinatorType: 0 })
    return error
  } catch (refusal) {
    return faultOf(refusal) === 'permission' ? refusal : error
  }
}

async function anyBroker(cluster: Cluster): Promise<Broker> {
  const [nodeId] = cluster.getNodeIds()
  return await cluster.findBroker({ nodeId: String(nodeId) })
}

function metadataOf(topics: readonly string[], owned: readonly TopicPartition[]): Buffer {
  const userData = Buffer.from(encodeOwned(owned))
  return AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics: [...topics], userData })
}

/** As the leader. Members may read other topics than we do (a version that reads one more is being rolled out): nobody else shares those out. */
async function shareOut(
  cluster: Cluster,
  joined: readonly GroupMember[],
  hooks: GroupHooks,
): Promise<GroupMemberAssignment[]> {
  const members = joined.map(({ memberId, memberMetadata }) => {
    const { topics, userData } = AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {
      topics: [],
      userData: null,
    }
    return { id: memberId, topics, owned: userData === null ? null : decodeOwned(userData.toString()) }
  })
  const partitions = await partitionsOf(cluster, new Set(members.flatMap(({ topics }) => topics)), hooks)
  const shares = assign({ members, partitionsOf: topic => partitions.get(topic) ?? [] })
  return joined.map(({ memberId }) => {
    const assignment: Record<string, number[]> = {}
    for (const { topic, partition } of shares.get(memberId) ?? []) (assignment[topic] ??= []).push(partition)
    const memberAssignment = AssignerProtocol.MemberAssignment.encode({
      version: VERSION,
      assignment,
      userData: Buffer.alloc(0),
    })
    return { memberId, memberAssignment }
  })
}

/** One topic at a time: one that is missing, or hidden from us, must not keep the others from being shared out. */
async function partitionsOf(
  cluster: Cluster,
  topics: ReadonlySet<string>,
  hooks: GroupHooks,
): Promise<ReadonlyMap<string, number[]>> {
  const known = new Map<string, number[]>()
  for (const topic of topics) {
    try {
      known.set(topic, await askForPartitions(cluster, topic))
    } catch (error) {
      const fault = faultOf(error)
      if (fault !== 'missing-topic' && fault !== 'permission') throw error
      hooks.topicUnseen(topic, error)
    }
  }
  return known
}

/** Not through kafkajs' own metadata: it would ask for this topic ever after, and stumble when it is deleted. */
async function askForPartitions(cluster: Cluster, topic: string): Promise<number[]> {
  const { topicMetadata } = await (await anyBroker(cluster)).metadata([topic])
  return topicMetadata.flatMap(({ partitionMetadata }) => partitionMetadata.map(({ partitionId }) => partitionId))
}

/**
 * A broker that closes its connection is taken out of kafkajs' pool, and with the last one gone the consumer gives up for good
 * before it has asked anybody. With the nodes of before it tries to fetch from them, and that looks for brokers for ever.
 */
function keepNodes(cluster: Cluster): void {
  const nodeIds = cluster.getNodeIds.bind(cluster)
  let known: number[] = []
  cluster.getNodeIds = () => {
    const now = nodeIds()
    if (now.length > 0) known = now
    return known
  }
}

/** Thrown into kafkajs' fetch loop, which takes it for the coordinator's word and joins again as the same member. */
export class RejoinWanted extends KafkaJSError {
  readonly type = 'REBALANCE_IN_PROGRESS'
}

/** Ends a join that nobody wants any more; not retriable, or kafkajs would try again. */
export class JoinEnded extends KafkaJSNonRetriableError {}
