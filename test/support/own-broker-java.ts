/** A test's own broker as a local Java. */
import { brokerAnswers } from '../../dev/stack/broker.ts'
import { javaKafka, nodeSteps } from '../../dev/stack/java-kafka.ts'
import { type Kept, keep } from '../../dev/stack/keep.ts'
import { bringUp } from '../../dev/stack/ready.ts'
import type { OwnBroker, OwnNodeMaker } from './own-broker-node.ts'

/** Nobody wants anything of it any more. */
const END_AT_ONCE = { graceMs: 0, orphanGraceMs: 0 }

export async function ownBrokerOfJava(make: OwnNodeMaker): Promise<OwnBroker> {
  const kafka = await javaKafka(line => process.stderr.write(`${line}\n`))
  const { address, kept: first } = await bringUp({ name: "the test's own broker" }, async () => {
    const node = await make({ bind: '127.0.0.1', host: '127.0.0.1', logDir: 'data' })
    const steps = nodeSteps(kafka, { properties: node.serverProperties, jvm: node.jvm, more: node.format })
    const kept = await keep({ name: 'own-broker', ...steps, ...END_AT_ONCE })
    return { address: { node, steps }, kept, answers: () => brokerAnswers([node.adminAddress]) }
  })
  const { node, steps } = address
  const lives: [Kept, ...Kept[]] = [first]
  return {
    addresses: node.addresses,
    adminAddress: node.adminAddress,
    async kill() {
      const running = lives.at(-1) ?? first
      running.signal('SIGKILL')
      await running.ended
    },
    async startAgain() {
      const { kept } = await bringUp({ name: "the test's own broker, again" }, async () => {
        const kept = await keep({ name: 'own-broker', folder: first.folder, main: steps.main, ...END_AT_ONCE })
        return { address: node.adminAddress, kept, answers: () => brokerAnswers([node.adminAddress]) }
      })
      lives.push(kept)
    },
    // The first one's keeper has the folder.
    async stop() {
      for (const life of lives.toReversed()) await life.stop()
    },
  }
}
