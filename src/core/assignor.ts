/**
 * Who reads which partition: as balanced as subscriptions allow, then with as few moves as balance allows, and nothing that
 * one member claims is given to another. The group's leader runs it at each join; it knows only what the members said.
 *
 * A claim is what a member says that it owns, partitions that it is still handing over included. What must move and is
 * claimed is *withheld*: given to nobody this round. Its claimant misses it in its assignment, hands it over and asks for
 * the next round, where nobody claims it. Two claims on one partition (a frozen member came back) withhold it from both. A
 * claim holds though its member reads the topic no more: the records in flight do not care. One on a partition that does
 * not exist is void.
 *
 * The plan is the best one, not only a good one, and that is why two rounds are always enough: what the first one gives out
 * is part of a best plan, so the second completes it without a move, and a third changes nothing.
 */

import { balance, NOWHERE, type Slot, type Topic } from './balance.ts'
import { placeOf, type TopicPartition } from './record.ts'

export interface GroupMember {
  readonly id: string
  /** What it reads. */
  readonly topics: readonly string[]
  /** What it claims. Null: it said nothing that can be read, and counts as claiming nothing. */
  readonly owned: readonly TopicPartition[] | null
}

export interface ToAssign {
  readonly members: readonly GroupMember[]
  /** Empty for a topic that does not exist. */
  readonly partitionsOf: (topic: string) => readonly number[]
}

/** An entry for every member, each by topic and partition; the same whatever the order of what is given. */
export function assign({ members, partitionsOf }: ToAssign): Map<string, TopicPartition[]> {
  const sorted = members.toSorted((one, other) => compare(one.id, other.id))
  const slots = slotsOf(sorted, partitionsOf)
  balance(slots, sorted.length)
  return new Map(
    sorted.map(({ id }, member) => [
      id,
      slots
        .filter(({ at, claimants }) => at === member && claimants.every(claimant => claimant === member))
        .map(({ topic, partition }) => ({ topic: topic.name, partition })),
    ]),
  )
}

// ── What there is to assign ─────────────────────────────────────────────────────────────────────────────────────────────

interface ClaimedSlot extends Slot {
  readonly claimants: readonly number[]
}

function slotsOf(members: readonly GroupMember[], partitionsOf: ToAssign['partitionsOf']): ClaimedSlot[] {
  const readers = membersBy(members, ({ topics }) => topics)
  const claimants = membersBy(members, ({ owned }) => (owned ?? []).map(placeOf))
  const topics = [...readers].map(([name, readers]): Topic => ({ name, readers }))
  return topics
    .toSorted((one, other) => compare(one.name, other.name))
    .flatMap(topic =>
      [...new Set(partitionsOf(topic.name))]
        .toSorted((one, other) => one - other)
        .map(partition => slotOf(topic, partition, claimants.get(placeOf({ topic: topic.name, partition })) ?? [])),
    )
}

/** Its home is the one claimant, if that still reads the topic. */
function slotOf(topic: Topic, partition: number, claimants: readonly number[]): ClaimedSlot {
  const [first = NOWHERE, second] = claimants
  const home = second === undefined && topic.readers.includes(first) ? first : NOWHERE
  return { topic, partition, claimants, home, at: NOWHERE }
}

/** For each key the members that name it, each once, rising. */
function membersBy(
  members: readonly GroupMember[],
  keysOf: (member: GroupMember) => readonly string[],
): Map<string, number[]> {
  const named = members.flatMap((member, index) => [...new Set(keysOf(member))].map(key => ({ key, index })))
  return new Map([...Map.groupBy(named, ({ key }) => key)].map(([key, by]) => [key, by.map(({ index }) => index)]))
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

// ── What a member says that it owns ─────────────────────────────────────────────────────────────────────────────────────

/** Whoever changes the shape still reads this one, and still writes it while old members may lead: an unread claim protects nothing. */
const VERSION = 1

/** A text for `decodeOwned`. Pairs and no object, since `__proto__` is a legal name of a topic. */
export function encodeOwned(owned: readonly TopicPartition[]): string {
  const shares = [...Map.groupBy(owned, ({ topic }) => topic)]
  return JSON.stringify({
    version: VERSION,
    owned: shares.map(([topic, places]) => [topic, places.map(({ partition }) => partition)]),
  })
}

/** Null for what `encodeOwned` does not write. Never throws. */
export function decodeOwned(text: string): TopicPartition[] | null {
  const said = parsed(text)
  if (typeof said !== 'object' || said === null || !('version' in said && 'owned' in said)) return null
  const { version, owned } = said
  if (version !== VERSION || !Array.isArray(owned) || !owned.every(isShare)) return null
  return owned.flatMap(([topic, partitions]) => partitions.map(partition => ({ topic, partition })))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isShare(value: unknown): value is [topic: string, partitions: number[]] {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [topic, partitions]: unknown[] = value
  return typeof topic === 'string' && Array.isArray(partitions) && partitions.every(isPartition)
}

/** An int32 for the broker. */
function isPartition(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff
}
