/**
 * A broker that a test starts for itself, beside the run's own: with listeners and settings as the test wants them, and to be
 * killed without harm to others. A local Java runs it, or a container.
 */
import { engineInSight } from '../../dev/stack/containers.ts'
import { missingForLocal } from '../../dev/stack/local.ts'
import { ownBrokerInContainer } from './own-broker-container.ts'
import { ownBrokerOfJava } from './own-broker-java.ts'
import { nodeOf, type OwnBroker, type OwnBrokerOptions, type OwnNodeMaker } from './own-broker-node.ts'

export type { OwnBroker, OwnBrokerOptions, OwnListener } from './own-broker-node.ts'

/** Of Java and container engine, in words, when neither is there; otherwise undefined. */
export async function missingForOwnBroker(): Promise<string | undefined> {
  const way = await findWay()
  return typeof way === 'string' ? undefined : way.missing
}

export async function startOwnBroker(options: OwnBrokerOptions): Promise<OwnBroker> {
  const make: OwnNodeMaker = where => nodeOf(options, where)
  const way = await findWay()
  switch (way) {
    case 'containers':
      return ownBrokerInContainer(make)
    case 'local':
      return ownBrokerOfJava(make)
    default:
      throw new Error(`a broker of its own can not be started: ${way.missing}.
Install a container engine (Docker), or Java 17 and Maven (Debian: apt install openjdk-17-jre-headless maven)`)
  }
}

async function findWay(): Promise<'containers' | 'local' | { readonly missing: string }> {
  if (process.env['STACK'] === 'containers') return 'containers'
  const missing = await missingForLocal()
  if (missing === undefined) return 'local'
  return (await engineInSight()) ? 'containers' : { missing: `${missing}, and no container engine` }
}
