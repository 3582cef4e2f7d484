/** A test's own broker in a container. */
import { brokerAnswers } from '../../dev/stack/broker.ts'
import { CONTAINERS_UP_WITHIN_MS, keepContainers, whatIsUp } from '../../dev/stack/containers.ts'
import { engineClient } from '../../dev/stack/engine.ts'
import { bringUp } from '../../dev/stack/ready.ts'
import { CONTAINER_FILES, type OwnBroker, type OwnContainer, type OwnNodeMaker } from './own-broker-node.ts'
import { until } from './parts.ts'

const LOG_DIR = '/tmp/data'
/** As for a local one: a guess with room. */
const AGAIN_WITHIN_MS = 90_000

export async function ownBrokerInContainer(make: OwnNodeMaker): Promise<OwnBroker> {
  const { client, host } = await engineClient()
  const { address, kept } = await bringUp(
    { name: "the test's own broker", readyWithinMs: CONTAINERS_UP_WITHIN_MS },
    async () => {
      const node = await make({ bind: '0.0.0.0', host, logDir: LOG_DIR })
      const container: OwnContainer = { ports: node.ports, format: node.format, jvm: node.jvm, logDir: LOG_DIR }
      const kept = await keepContainers('own-broker', {
        program: new URL('own-broker-main.ts', import.meta.url),
        files: {
          [CONTAINER_FILES.container]: JSON.stringify(container),
          [CONTAINER_FILES.properties]: node.serverProperties,
        },
      })
      const address = { node, id: '' }
      const answers = async () => {
        // Boundary: own-broker-main.ts writes exactly this; both ends are of one checkout.
        address.id = ((await whatIsUp(kept)) as { id: string }).id
        await brokerAnswers([node.adminAddress])
      }
      return { address, kept, answers }
    },
  )
  const { adminAddress, addresses } = address.node
  const container = client.container.dockerode.getContainer(address.id)
  return {
    addresses,
    adminAddress,
    async kill() {
      await container.kill({ signal: 'SIGKILL' })
      await container.wait()
    },
    async startAgain() {
      await container.start()
      await until('the broker answers again', () => brokerAnswers([adminAddress]).then(() => true), {
        timeoutMs: AGAIN_WITHIN_MS,
      })
    },
    stop: kept.stop,
  }
}
