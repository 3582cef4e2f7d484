/** Who is in a group, as its coordinator describes it. */
import type { GroupDescriptions, MemberDescription } from 'kafkajs'
import kafkajs from 'kafkajs'
import { Misconfigured } from '../../consumer/errors.ts'
import type { TopicPartition } from '../../core/record.ts'

export interface SeenMember {
  readonly clientId: string
  /** Where its connection comes from. */
  readonly host: string
  /** What the coordinator has given it; empty while the group rebalances. */
  readonly owned: readonly TopicPartition[]
  /** What it wants to read. */
  readonly topics: readonly string[]
}

export interface SeenGroup {
  /** The coordinator's word: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead (it knows no such group). */
  readonly state: string
  /** How partitions are shared out; empty where nobody is there. */
  readonly protocol: string
  readonly members: readonly SeenMember[]
}

export function seenGroupOf({ groups }: GroupDescriptions): SeenGroup {
  const [group] = groups
  if (group === undefined) throw new Misconfigured('the coordinator does not describe the group')
  const { state, protocol, members } = group
  return { state, protocol, members: members.map(seenMemberOf) }
}

function seenMemberOf({ clientId, clientHost, memberAssignment, memberMetadata }: MemberDescription): SeenMember {
  const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol
  const assignment = readable(() => MemberAssignment.decode(memberAssignment)?.assignment) ?? {}
  const owned = Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map(partition => ({ topic, partition })),
  )
  const topics = readable(() => MemberMetadata.decode(memberMetadata)?.topics) ?? []
  return { clientId, host: clientHost.replace(/^\//, ''), owned, topics }
}

/** The bytes are other programs' own: what is not Kafka's consumer protocol says nothing to us. */
function readable<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
