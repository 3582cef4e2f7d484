/** What kafkajs has no event for: the moment before a join, the coordinator, and a join at our own wish. */
import type { Broker, Cluster, PartitionAssigner } from 'kafkajs'
import kafkajs from 'kafkajs'

const { KafkaJSError, KafkaJSNonRetriableError, PartitionAssigners } = kafkajs

export interface GroupHooks {
  /** The consumer's cluster, as soon as there is one. `find` looks for the coordinator without being taken for a join. */
  clusterMade(cluster: Cluster, find: () => Promise<Broker>): void
  /** Awaited before every JoinGroup, the first included. Throwing ends the join. */
  beforeJoin(): Promise<void>
  coordinatorFound(coordinator: Broker): void
  /** The coordinator was not found. Resolves when it is worth another look; rejects to end the join. */
  coordinatorNotFound(error: unknown): Promise<void>
}

/**
 * kafkajs' round robin. Its factory is the one public place that is given the consumer's cluster, and the coordinator is
 * looked for exactly once before every JoinGroup: waiting there is waiting before the join, while the old generation's
 * commits are still accepted.
 */
export function hookedRoundRobin(hooks: GroupHooks): PartitionAssigner {
  return config => {
    const { cluster, groupId } = config
    const find = cluster.findGroupCoordinator.bind(cluster)
    hooks.clusterMade(cluster, () => find({ groupId }))
    keepNodes(cluster)
    cluster.findGroupCoordinator = async group => {
      if (group.groupId !== groupId) return await find(group)
      await hooks.beforeJoin()
      // kafkajs gives up for good where a broker fails to answer just this question, and its member with it.
      for (;;) {
        try {
          const coordinator = await find(group)
          hooks.coordinatorFound(coordinator)
          return coordinator
        } catch (error) {
          await hooks.coordinatorNotFound(error)
          await cluster.refreshMetadata()
        }
      }
    }
    return PartitionAssigners.roundRobin(config)
  }
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
