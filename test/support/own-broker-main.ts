/** A test's own broker in a container, run behind a keeper: see dev/stack/engine.ts. The files of its folder say what it is to be. */
import { readFile } from 'node:fs/promises'
import { Wait } from 'testcontainers'
import { labelled, PrivateContainer, runContainers } from '../../dev/stack/engine.ts'
import { IMAGES } from '../../dev/stack/images.ts'
import { formatArguments } from '../../dev/stack/server-properties.ts'
import { CONTAINER_FILES, type OwnContainer } from './own-broker-node.ts'

const PROPERTIES = '/tmp/server.properties'
/** Formats the storage at its first start only: it is started again on the same log. */
const FORMAT_AND_RUN = `[ -e "$0/meta.properties" ] || kafka-storage "$@" && exec kafka-server-start ${PROPERTIES}`

// Boundary: own-broker-container.ts writes exactly this type; both ends are of one checkout.
const { ports, format, jvm, logDir } = JSON.parse(await readFile(CONTAINER_FILES.container, 'utf8')) as OwnContainer
const properties = await readFile(CONTAINER_FILES.properties, 'utf8')

await runContainers(async () => {
  const started = await labelled(new PrivateContainer(IMAGES.kafka))
    .withExposedPorts(...ports.map(port => ({ container: port, host: port })))
    .withCopyContentToContainer([{ content: properties, target: PROPERTIES, mode: 0o644 }])
    .withEnvironment({ KAFKA_HEAP_OPTS: '-Xmx512m -Xms128m', KAFKA_OPTS: jvm.join(' '), LOG_DIR: '/tmp/logs' })
    .withEntrypoint(['sh', '-c', FORMAT_AND_RUN, logDir])
    .withCommand(formatArguments(PROPERTIES, { more: format }))
    // Whether it answers is asked by whoever wants it, over its plaintext listener.
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  return { id: started.getId() }
})
