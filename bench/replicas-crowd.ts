/** Replicas of the sample service, each a process, that share a topic which never runs dry; and how fast they settle its records. */
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseExposition, sumOf } from '../dev/exposition.ts'
import type { Parts } from '../dev/stack/parts.ts'
import { nowMs } from '../test/support/fleet-journal.ts'
import { KafkaWorld } from '../test/support/kafka-world.ts'
import { freshName, until } from '../test/support/parts.ts'
import { type Replica, startReplica } from '../test/support/replica.ts'
import { activityStream, logins, type Stream } from '../test/support/stream.ts'

/** Far more than are in handlers at once, so that the order within a key holds nobody back. */
const USERS = 4_000
/** Sent and not settled, at least: seconds of work for the fastest crowd, and buffers are never empty. */
const BACKLOG_RECORDS = 8_000
const PORTION_RECORDS = 2_000
const LOOK_EVERY_MS = 500

export interface Pace {
  readonly replicas: number
  readonly perSecond: number
  /** Processor time of all replicas over time: 1 is a whole core. */
  readonly coresOfReplicas: number
  /** Of all cores, whoever used them. */
  readonly machineBusy: number
  /** How many partitions each replica owns, rising. */
  readonly shares: readonly number[]
}

export interface CrowdOptions {
  readonly parts: Parts
  readonly partitions: number
  readonly env: Readonly<Record<string, string>>
}

interface Look {
  readonly atMs: number
  readonly settled: number
  readonly cpuSeconds: number
  readonly machine: { readonly busyMs: number; readonly allMs: number }
}

export class Crowd {
  readonly #world: KafkaWorld
  readonly #stream: Stream
  readonly #partitions: number
  readonly #env: Readonly<Record<string, string>>
  readonly #replicas: Replica[] = []
  #sent = 0
  #feeding: Promise<void> | null = null
  #ended = false

  private constructor(made: { world: KafkaWorld; stream: Stream; partitions: number; env: Record<string, string> }) {
    this.#world = made.world
    this.#stream = made.stream
    this.#partitions = made.partitions
    this.#env = made.env
  }

  static async of({ parts, partitions, env }: CrowdOptions): Promise<Crowd> {
    const { brokers, registryUrl } = parts
    const world = new KafkaWorld(brokers)
    const topic = freshName('activity')
    await world.createTopic(topic, partitions)
    const stream = await activityStream({ brokers, registryUrl, topic })
    const named = {
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_GROUP_ID: freshName('crowd'),
      SCHEMA_REGISTRY_URL: registryUrl,
      DATABASE_URL: parts.databaseUrl,
      DEAD_LETTER_CREATE: 'true',
      TEST_TOPIC: topic,
    }
    return new Crowd({ world, stream, partitions, env: { ...named, ...env } })
  }

  /** Resolves when so many replicas share the partitions as evenly as they go, and there is work for all of them. */
  async growTo(replicas: number): Promise<void> {
    const missing = replicas - this.#replicas.length
    this.#replicas.push(...(await Promise.all(Array.from({ length: missing }, () => startReplica(this.#env)))))
    await until(`${replicas} replicas share ${this.#partitions} partitions`, () => this.#isShared(), {
      timeoutMs: 60_000,
    })
    this.#feeding ??= this.#feed()
  }

  async pace({ warmUpMs, windowMs }: { warmUpMs: number; windowMs: number }): Promise<Pace> {
    await sleep(warmUpMs)
    const from = await this.#look()
    await sleep(windowMs)
    const to = await this.#look()
    if (this.#sent - to.settled < PORTION_RECORDS / 2) throw new Error('the load was slower than the replicas')
    const seconds = (to.atMs - from.atMs) / 1_000
    return {
      replicas: this.#replicas.length,
      perSecond: (to.settled - from.settled) / seconds,
      coresOfReplicas: (to.cpuSeconds - from.cpuSeconds) / seconds,
      machineBusy: (to.machine.busyMs - from.machine.busyMs) / (to.machine.allMs - from.machine.allMs),
      shares: (await this.#shares()).toSorted((one, other) => one - other),
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    for (const replica of this.#replicas) replica.kill('SIGKILL')
    await Promise.all(this.#replicas.map(({ exited }) => exited))
    await Promise.allSettled([this.#feeding])
    await Promise.all([this.#stream.close(), this.#world.close()])
  }

  async #isShared(): Promise<boolean> {
    const shares = await this.#shares()
    const all = shares.reduce((sum, share) => sum + share, 0)
    return all === this.#partitions && Math.max(...shares) - Math.min(...shares) <= 1
  }

  async #shares(): Promise<number[]> {
    return Promise.all(this.#replicas.map(async replica => (await replica.status())?.partitions.length ?? Number.NaN))
  }

  async #feed(): Promise<void> {
    while (!this.#ended) {
      const { settled } = await this.#look().catch(() => ({ settled: Number.POSITIVE_INFINITY }))
      while (!this.#ended && this.#sent - settled < BACKLOG_RECORDS) {
        await this.#stream.send(logins(PORTION_RECORDS, USERS))
        this.#sent += PORTION_RECORDS
      }
      await sleep(LOOK_EVERY_MS)
    }
  }

  async #look(): Promise<Look> {
    const samples = (await Promise.all(this.#replicas.map(replica => replica.text('/metrics')))).map(parseExposition)
    const sum = (name: string) => samples.reduce((so, each) => so + sumOf(each, name), 0)
    return {
      atMs: nowMs(),
      settled: sum('sluice_records_total'),
      cpuSeconds: sum('process_cpu_seconds_total'),
      machine: machineTimes(),
    }
  }
}

function machineTimes(): Look['machine'] {
  const sums = { busyMs: 0, allMs: 0 }
  for (const { times } of cpus()) {
    const allMs = Object.values(times).reduce((sum, ms) => sum + ms, 0)
    sums.allMs += allMs
    sums.busyMs += allMs - times.idle
  }
  return sums
}
