/**
 * Brings the parts up in containers, writes their addresses to parts.json in its working folder, and removes the containers at
 * SIGTERM. Run behind a keeper (containers.ts), so that it is told to stop however its starter ends; where testcontainers' own
 * reaper can be had, that one looks after this process too.
 */
import { rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { GenericContainer, getContainerRuntimeClient, getReaper, Wait } from 'testcontainers'

import type { Parts } from './parts.ts'
import { freePort } from './ports.ts'
import { REGISTRY_PATH } from './registry.ts'

const IMAGES = {
  kafka: 'apache/kafka:4.2.0',
  registry: 'apicurio/apicurio-registry-mem:2.6.13.Final',
  postgres: 'postgres:17-bookworm',
}

const LABEL = 'sluice.run'
/** The images are fetched before this runs; a guess with room. */
const STARTUP_WITHIN_MS = 120_000
const REMOVAL_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 300
const QUIET_LOOKS_MIN = 5

/** Publishes its ports where the engine is this machine on 127.0.0.1 only, not on every address of the machine. */
class PrivateContainer extends GenericContainer {
  protected override async beforeContainerCreated(): Promise<void> {
    if (host !== '127.0.0.1') return
    // dockerode has no types for the bindings; they are what withExposedPorts has put there.
    for (const binding of Object.values<{ HostIp?: string }[]>(this.hostConfig.PortBindings ?? {}).flat())
      binding.HostIp = host
  }
}

const run = crypto.randomUUID()
const labelled = (image: string) =>
  new PrivateContainer(image).withLabels({ [LABEL]: run }).withStartupTimeout(STARTUP_WITHIN_MS)

async function kafka(host: string): Promise<string> {
  // The broker tells its clients where it is, so the port must be known before it starts.
  const port = await freePort()
  await labelled(IMAGES.kafka)
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      // A listener for itself: it verifies transactions over it, and the address for clients leads nowhere from inside.
      KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${host}:${port},INTERNAL://localhost:9094`,
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_LOG_DIRS: '/tmp/kraft-combined-logs',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '3000',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '4',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS: '4',
      KAFKA_HEAP_OPTS: '-Xmx512m -Xms128m',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  return `${host}:${port}`
}

async function registry(host: string): Promise<string> {
  const container = await labelled(IMAGES.registry)
    .withExposedPorts(8080)
    .withWaitStrategy(Wait.forHttp(`${REGISTRY_PATH}/subjects`, 8080))
    .start()
  return `http://${host}:${container.getMappedPort(8080)}${REGISTRY_PATH}`
}

async function postgres(host: string): Promise<string> {
  const password = crypto.randomUUID()
  const container = await labelled(IMAGES.postgres)
    .withExposedPorts(5432)
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withCommand(['postgres', '-c', 'max_connections=300'])
    // The first time is the server that only sets the cluster up.
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start()
  return `postgres://postgres:${password}@${host}:${container.getMappedPort(5432)}/postgres`
}

const client = await getContainerRuntimeClient().catch((error: unknown) => {
  console.error(`no container engine answers: ${error instanceof Error ? error.message : String(error)}`)
  return process.exit(1)
})
const { host: found } = client.info.containerRuntime
// The name may mean ::1, where published ports need not listen.
const host = found === 'localhost' ? '127.0.0.1' : found

// The reaper removes the containers should this process be killed outright. Where its image cannot be had, the keeper remains.
await getReaper(client).catch((error: unknown) => {
  console.error(`without a reaper: ${error instanceof Error ? error.message : String(error)}`)
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
})

async function removeContainers(): Promise<number> {
  const { dockerode } = client.container
  const containers = await dockerode.listContainers({ all: true, filters: { label: [`${LABEL}=${run}`] } })
  await Promise.all(
    containers.map(({ Id }) =>
      dockerode
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch((error: unknown) => console.error(String(error))),
    ),
  )
  return containers.length
}

let stopping = false
let starting: Promise<unknown> = Promise.resolve()

/**
 * A container may be on its way while the others are removed: looks again until nothing is being started any more, or none has
 * turned up for a while (an image that is still being fetched has no container, and gets none once we are gone).
 */
async function stop(code: number): Promise<never> {
  stopping = true
  const deadline = performance.now() + REMOVAL_WITHIN_MS
  for (let quiet = 0; quiet < QUIET_LOOKS_MIN && performance.now() < deadline; ) {
    quiet = (await removeContainers()) === 0 ? quiet + 1 : 0
    if ((await Promise.race([starting.then(() => true), sleep(LOOK_EVERY_MS, false)])) && quiet > 0) break
  }
  return process.exit(code)
}
process.once('SIGTERM', () => void stop(0))

/** A container that was created after the removal began is still removed, since `stop` waits for all of them. */
const all = [kafka(host), registry(host), postgres(host)] as const
starting = Promise.allSettled(all)
try {
  const [broker, registryUrl, databaseUrl] = await Promise.all(all)
  const parts: Parts = { brokers: [broker], registryUrl, databaseUrl }
  await writeFile('parts.json.part', JSON.stringify(parts))
  await rename('parts.json.part', 'parts.json')
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  if (!stopping) await stop(1)
}
// Nothing else keeps this process alive until it is told to stop.
setInterval(() => undefined, 60_000)
