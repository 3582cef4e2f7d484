/** A look straight at the brokers: no service has to run, and none is disturbed. */

import { protocolErrorOf } from '../../adapters/kafka/faults.ts'
import type { SeenGroup } from '../../adapters/kafka/members.ts'
import { type Oldest, oldestOf } from '../../adapters/kafka/oldest.ts'
import { type LogEnds, Onlooker, type StoredCommit } from '../../adapters/kafka/onlooker.ts'
import type { KafkaConnection } from '../../adapters/kafka/options.ts'
import { LATE, within } from '../../adapters/kafka/time.ts'
import { describe, Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'
import { placeOf } from '../../core/record.ts'
import { groupLook, type PartitionSeen } from './group.ts'
import type { Look } from './look.ts'
import { type Standing, standingOf } from './partition.ts'

/** An operator's patience: what has not answered by then is said to be away. */
const LOOK_MS_MAX = 10_000
/** Of these, for finding the oldest records; a look that has the rest is better than none. */
const SEARCH_MS_MAX = 5_000
const SEARCHES_AT_ONCE = 8

export interface BrokersOptions {
  readonly connection: KafkaConnection
  readonly group: string
  /** Null: those of the group. */
  readonly topics: readonly string[] | null
  readonly startFrom: 'earliest' | 'latest'
}

interface TopicEnds {
  readonly ends: readonly LogEnds[]
  readonly problem: string | null
}

export class Brokers {
  readonly #options: BrokersOptions
  readonly #clock: Clock
  #onlooker: Onlooker | null = null
  /** What the last look found, by place and commit: while that is the same, so is the oldest record. */
  #found: ReadonlyMap<string, Oldest> = new Map()

  constructor(options: BrokersOptions) {
    this.#options = options
    this.#clock = options.connection.clock
  }

  /** Rejects with `Unavailable` where nobody answers in time, with `Misconfigured` where no waiting helps. The next look connects anew. */
  async look(): Promise<Look> {
    try {
      const look = await within(this.#clock, LOOK_MS_MAX, this.#look())
      if (look !== LATE) return look
      const addresses = this.#options.connection.brokers.join(', ')
      throw new Unavailable(`Kafka (${addresses})`, `no answer within ${LOOK_MS_MAX / 1_000} s`)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const onlooker = this.#onlooker
    this.#onlooker = null
    await onlooker?.close()
  }

  async #look(): Promise<Look> {
    const { connection, group, topics } = this.#options
    const lateAtMs = this.#clock.nowMs() + SEARCH_MS_MAX
    if (this.#onlooker === null) {
      this.#onlooker = new Onlooker(connection, group)
      await this.#onlooker.connect(topics ?? [])
    }
    const onlooker = this.#onlooker
    const seen = await onlooker.group()
    const commits = await onlooker.commits()
    if (seen.state === 'Dead' && commits.length === 0)
      throw new Misconfigured(
        `the brokers know no group ${group}: it has no members and no commits (KAFKA_GROUP_ID, or --group)`,
      )
    const ends = await this.#endsOf(onlooker, topics ?? topicsOf(seen, commits))
    const standings = this.#standings(
      ends.flatMap(each => each.ends),
      commits,
    )
    const oldest = await this.#oldest(onlooker, standings, () => this.#clock.nowMs() >= lateAtMs)
    this.#found = new Map(standings.map((standing, index) => [keyOf(standing), oldest[index] ?? NONE]))
    const wallMs = this.#clock.wallMs()
    const partitions = standings.map((standing, index): PartitionSeen => ({ standing, oldest: oldest[index] ?? NONE }))
    return groupLook({ group, seen, partitions, problems: ends.flatMap(({ problem }) => problem ?? []), wallMs })
  }

  /** One that the brokers have an error for keeps no other from being looked at. */
  async #endsOf(onlooker: Onlooker, topics: readonly string[]): Promise<readonly TopicEnds[]> {
    return await Promise.all(
      topics.toSorted().map(async topic => {
        try {
          return { ends: await onlooker.ends(topic), problem: null }
        } catch (error) {
          if (!(error instanceof Misconfigured) && protocolErrorOf(error) === null) throw error
          return { ends: [], problem: `topic ${topic} is left out: ${describe(error)}` }
        }
      }),
    )
  }

  #standings(ends: readonly LogEnds[], commits: readonly StoredCommit[]): readonly Standing[] {
    const { startFrom } = this.#options
    const byPlace = new Map(commits.map(commit => [placeOf(commit), commit]))
    // As the service has it: one commit, and the topic's other partitions were added later and are read from their start.
    const known = new Set(commits.filter(({ committed }) => committed !== null).map(({ topic }) => topic))
    return ends.map(each => {
      const commit = byPlace.get(placeOf(each)) ?? { committed: null, metadata: '' }
      return standingOf(each, commit, startFrom === 'latest' && !known.has(each.topic))
    })
  }

  /** In the order of the partitions. */
  async #oldest(onlooker: Onlooker, standings: readonly Standing[], isLate: () => boolean): Promise<readonly Oldest[]> {
    const oldest: Oldest[] = []
    const rest = standings.entries()
    const search = async (): Promise<void> => {
      // The iterator is shared: each searcher takes the next partition that nobody has taken.
      for (const [index, standing] of rest) oldest[index] = await this.#search(onlooker, standing, isLate)
    }
    await Promise.all(Array.from({ length: SEARCHES_AT_ONCE }, search))
    return oldest
  }

  async #search(onlooker: Onlooker, standing: Standing, isLate: () => boolean): Promise<Oldest> {
    const { ends, from, completions } = standing
    const known = this.#found.get(keyOf(standing))
    if (known?.kind === 'record' && known.offset >= ends.logStart) return known
    return await oldestOf({
      from,
      end: ends.end,
      fetch: (at, bytesMax) => onlooker.fetch(ends, at, bytesMax),
      isSettled: (offset, leaderEpoch) => completions?.has(offset, leaderEpoch) === true,
      isLate,
    })
  }
}

const NONE: Oldest = { kind: 'none' }

function keyOf({ ends, commit, from }: Standing): string {
  return `${placeOf(ends)} ${from} ${commit.committed} ${commit.metadata}`
}

/** Those with commits, and those that a member has or wants: a new topic has no commit yet. */
function topicsOf({ members }: SeenGroup, commits: readonly StoredCommit[]): readonly string[] {
  const wanted = members.flatMap(({ owned, topics }) => [...owned.map(({ topic }) => topic), ...topics])
  return [...new Set([...commits.map(({ topic }) => topic), ...wanted])]
}
