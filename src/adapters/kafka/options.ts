/** What the Kafka adapters are told. `config.ts` has checked it. */
import type { Clock, Log } from '../../consumer/ports.ts'
import type { KafkaSecurity } from './security.ts'
import type { Skip } from './skips.ts'

/** The JoinGroup wait of everybody lasts until the slowest member's next heartbeat: this is the lever of a rebalance. */
export const HEARTBEAT_MS = 500

export interface KafkaConnection {
  /** `host:port`; any one of them leads to the others. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Null: in clear, and nobody logs in. */
  readonly security: KafkaSecurity | null
  readonly log: Log
  readonly clock: Clock
}

export interface KafkaSourceOptions extends KafkaConnection {
  readonly groupId: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** How long a hand-over may take; never more than half the rebalance timeout. */
  readonly drainTimeoutMs: number
  /** `latest` counts for topics of which the group has no committed offset at all; it is written as a commit before anything is read. */
  readonly startFrom: 'earliest' | 'latest'
  /** What nobody can read and is to be passed over. */
  readonly skips: readonly Skip[]
}

export interface KafkaDeadLettersOptions extends KafkaConnection {
  /** The source topics. */
  readonly topics: readonly string[]
  /** Where the dead letters of a source topic go. */
  topicFor(topic: string): string
  /** How long the inbox knows an event; topics that keep more are named at the start. Null: no inbox. */
  readonly inboxRetentionMs: number | null
  /** Whether missing dead letter topics are created. */
  readonly createTopics: boolean
  /** The consumer group, for the header and the letter's id. */
  readonly group: string
}
