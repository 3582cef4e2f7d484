/** A consumer group as tests of the assignor see it: members, what they claim, and places spelled `topic/partition`. */
import { assign, type GroupMember } from '../../src/core/assignor.ts'
import { placeOf, type TopicPartition } from '../../src/core/record.ts'

export const TOPICS = ['a', 'b', 'c', 'd']

export interface Group {
  readonly members: readonly GroupMember[]
  /** How many each topic has. */
  readonly partitions: Readonly<Record<string, number>>
}

/** Places by member. */
export type Shares = Record<string, string[]>

export function partitionsOf(partitions: Group['partitions']): (topic: string) => number[] {
  return topic => [...Array(partitions[topic] ?? 0).keys()]
}

export function sharesOf({ members, partitions }: Group): Shares {
  const assigned = assign({ members, partitionsOf: partitionsOf(partitions) })
  return Object.fromEntries([...assigned].map(([id, places]) => [id, places.map(placeOf)]))
}

export function splitPlace(place: string): TopicPartition {
  const [topic = '', partition] = place.split('/')
  return { topic, partition: Number(partition) }
}

/** The next round: everybody has dropped what it lost, and claims what it was given. */
export function settled({ members, partitions }: Group, shares: Shares): Group {
  return {
    partitions,
    members: members.map(member => ({ ...member, owned: (shares[member.id] ?? []).map(splitPlace) })),
  }
}

export function reads(member: GroupMember | undefined, place: string): boolean {
  return member?.topics.includes(splitPlace(place).topic) ?? false
}

/** Everything that some member reads. */
export function readPlaces({ members, partitions }: Group): string[] {
  return Object.entries(partitions).flatMap(([topic, count]) =>
    members.some(({ topics }) => topics.includes(topic))
      ? Array.from({ length: count }, (_, partition) => placeOf({ topic, partition }))
      : [],
  )
}
