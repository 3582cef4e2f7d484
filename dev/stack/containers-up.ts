/** Brings the parts up in containers and writes their addresses; see engine.ts. */
import { KafkaContainer } from '@testcontainers/kafka'
import { PostgreSqlContainer } from '@testcontainers/postgresql'
import { Wait } from 'testcontainers'

import { labelled, PrivateContainer, publishPrivately, runContainers } from './engine.ts'
import { IMAGES } from './images.ts'
import type { Parts } from './parts.ts'
import { REGISTRY_PATH } from './registry.ts'
import { NODE_DEFAULTS } from './server-properties.ts'

/** Of the Kafka module: the port that it publishes. */
const KAFKA_PORT = 9093
const REGISTRY_PORT = 8080

/**
 * The module gives the broker a listener for itself, over which it verifies transactions: the address for clients leads nowhere from inside.
 * It tells clients its address when the port is published and known.
 */
class PrivateKafka extends KafkaContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    await super.beforeContainerCreated()
    await publishPrivately(this.hostConfig)
  }
}

class PrivatePostgres extends PostgreSqlContainer {
  protected override beforeContainerCreated(): Promise<void> {
    return publishPrivately(this.hostConfig)
  }
}

/** The image takes a broker's settings from variables. */
function variableOf(key: string): string {
  return `KAFKA_${key.toUpperCase().replaceAll('.', '_')}`
}

async function kafka(host: string): Promise<string> {
  const settings = Object.entries(NODE_DEFAULTS).map(([key, value]) => [variableOf(key), value])
  const container = await labelled(new PrivateKafka(IMAGES.kafka))
    .withEnvironment({ ...Object.fromEntries(settings), KAFKA_HEAP_OPTS: '-Xmx512m -Xms128m' })
    // Without it the module is content with a port that is published, on which nobody listens yet.
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  return `${host}:${container.getMappedPort(KAFKA_PORT)}`
}

async function registry(host: string): Promise<string> {
  const container = await labelled(new PrivateContainer(IMAGES.registry))
    .withExposedPorts(REGISTRY_PORT)
    .withWaitStrategy(Wait.forHttp(`${REGISTRY_PATH}/subjects`, REGISTRY_PORT))
    .start()
  return `http://${host}:${container.getMappedPort(REGISTRY_PORT)}${REGISTRY_PATH}`
}

async function postgres(): Promise<string> {
  const container = await labelled(new PrivatePostgres(IMAGES.postgres))
    .withDatabase('postgres')
    .withUsername('postgres')
    .withPassword(crypto.randomUUID())
    .withCommand(['postgres', '-c', 'max_connections=300'])
    .start()
  return container.getConnectionUri()
}

await runContainers(async host => {
  const starting = [kafka(host), registry(host), postgres()] as const
  await Promise.allSettled(starting)
  const [broker, registryUrl, databaseUrl] = await Promise.all(starting)
  return { brokers: [broker], registryUrl, databaseUrl } satisfies Parts
})
