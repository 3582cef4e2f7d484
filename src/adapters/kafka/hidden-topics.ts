/**
 * kafkajs asks for all its topics in one question, and one that we may not see fails the answer: as soon as its metadata are half a
 * minute old nothing would be read of any topic, and the consumer would end. So such a topic is left out of the question. For kafkajs
 * it then has no partitions, and the others go on. Each refresh that somebody asks for begins with all of them again.
 */
import type { Broker, Cluster } from 'kafkajs'
import { protocolErrorOf } from './faults.ts'

/** Fields of kafkajs' Cluster that its types leave out; `hidden-topics.test.ts` holds that they are there. */
interface Asking extends Cluster {
  /** Replaced by another one now and then. */
  readonly targetTopics: Set<string>
  readonly brokerPool: { findConnectedBroker(): Promise<Broker> }
}

const FORBIDDEN = 'TOPIC_AUTHORIZATION_FAILED'

export class HiddenTopics {
  readonly #cluster: Asking
  readonly #ask: () => Promise<void>
  readonly #found: (topics: readonly string[]) => void
  readonly #hidden = new Set<string>()
  #sorting: Promise<void> | null = null

  /** From here on. `found` is told of what is hidden, again with every refresh that finds it so. */
  constructor(cluster: Cluster, found: (topics: readonly string[]) => void) {
    // Boundary: see Asking.
    this.#cluster = cluster as Asking
    this.#found = found
    const ask = cluster.refreshMetadata.bind(cluster)
    const askIfNecessary = cluster.refreshMetadataIfNecessary.bind(cluster)
    this.#ask = ask
    cluster.refreshMetadata = async () => {
      for (const topic of this.#hidden) this.#cluster.targetTopics.add(topic)
      this.#hidden.clear()
      await this.#passOver(ask)
    }
    cluster.refreshMetadataIfNecessary = async () => await this.#passOver(askIfNecessary)
  }

  has(topic: string): boolean {
    return this.#hidden.has(topic)
  }

  async #passOver(ask: () => Promise<void>): Promise<void> {
    try {
      await ask()
    } catch (error) {
      if (protocolErrorOf(error) !== FORBIDDEN) throw error
      // Several may ask at once: who is forbidden is found out for all of them.
      this.#sorting ??= this.#sortOut().finally(() => {
        this.#sorting = null
      })
      await this.#sorting
    }
  }

  async #sortOut(): Promise<void> {
    // Not through the cluster: it would refresh its metadata to find a broker, and wait for us.
    const broker = await this.#cluster.brokerPool.findConnectedBroker()
    const forbidden: string[] = []
    // A copy: others may add topics while the broker is asked.
    const topics = [...this.#cluster.targetTopics]
    for (const topic of topics) if (await isForbidden(broker, topic)) forbidden.push(topic)
    for (const topic of forbidden) {
      this.#cluster.targetTopics.delete(topic)
      this.#hidden.add(topic)
    }
    if (forbidden.length > 0) this.#found(forbidden)
    try {
      await this.#ask()
    } catch (error) {
      if (forbidden.length === 0 || protocolErrorOf(error) !== FORBIDDEN) throw error
      // kafkajs shares a question that is under way: somebody else has begun it while they were sorted out, with all of them in it.
      await this.#ask()
    }
  }
}

async function isForbidden(broker: Broker, topic: string): Promise<boolean> {
  try {
    await broker.metadata([topic])
    return false
  } catch (error) {
    // Whatever else is wrong with it is said when all are asked for again.
    return protocolErrorOf(error) === FORBIDDEN
  }
}
