/** The adapters, each made from what the configuration says of it, with credentials that are read again for each connection. */
import { kafkaDeadLetters } from './adapters/kafka/dead-letters.ts'
import { kafkaSource } from './adapters/kafka/source.ts'
import { postgresUnitOfWork } from './adapters/postgres/unit-of-work.ts'
import { registryDecoder } from './adapters/registry/decoder.ts'
import { type Config, deadLetterTopicOf, definition } from './config.ts'
import { type Connecting, kafkaConnectionOf, perChange } from './connection.ts'
import type { DeadLetters, Decoder, RecordSource, UnitOfWork } from './consumer/ports.ts'
import type { Routes } from './consumer/routes.ts'

/** Everything outside the process that the consumer works with. */
export interface Outside {
  readonly source: RecordSource
  readonly decoder: Decoder
  readonly deadLetters: DeadLetters
  readonly unitOfWork: UnitOfWork | null
}

interface Making extends Connecting {
  readonly routes: Routes
  readonly migrations: URL | undefined
}

export function outsideOf(config: Config, { routes, migrations, ...connecting }: Making): Outside {
  const { log, clock } = connecting
  const { topics } = routes
  const group = config.kafkaGroupId
  const connection = kafkaConnectionOf(config, connecting)
  return {
    source: kafkaSource({
      ...connection,
      groupId: group,
      topics,
      sessionTimeoutMs: config.kafkaSessionTimeoutMs,
      rebalanceTimeoutMs: config.kafkaRebalanceTimeoutMs,
      drainTimeoutMs: config.drainTimeoutMs,
      startFrom: config.startFrom,
      skips: config.kafkaSkipOffsets ?? [],
    }),
    deadLetters: kafkaDeadLetters({
      ...connection,
      topics,
      group,
      topicFor: topic => deadLetterTopicOf(config.deadLetterTopic, { topic, group }),
      createTopics: config.deadLetterCreate,
      inboxRetentionMs: config.databaseUrl === null ? null : config.inboxRetention,
    }),
    decoder: registryDecoder({
      url: config.schemaRegistryUrl,
      credentials: perChange(definition.rotating('SCHEMA_REGISTRY_', config, connecting), now => ({
        username: now.schemaRegistryUsername,
        password: now.schemaRegistryPassword,
        ca: now.schemaRegistryTlsCa,
        cert: now.schemaRegistryTlsCert,
        key: now.schemaRegistryTlsKey,
      })),
      timeoutMs: config.schemaRegistryTimeoutMs,
      readers: routes.readers,
      log,
      clock,
    }),
    unitOfWork:
      config.databaseUrl === null
        ? null
        : postgresUnitOfWork({
            access: perChange(definition.rotating('DATABASE_', config, connecting), now => ({
              url: now.databaseUrl ?? '',
              ca: now.databaseTlsCa,
              cert: now.databaseTlsCert,
              key: now.databaseTlsKey,
            })),
            poolMax: config.databasePoolMax,
            applicationName: config.kafkaClientId,
            migrate: config.migrate,
            migrations: migrations ?? null,
            inboxRetentionMs: config.inboxRetention,
            log,
            clock,
          }),
  }
}
