/** Two Kafka nodes of one cluster, for what only happens between two: the first is controller too, the second a broker only. */
import { brokerAnswers } from '../dev/stack/broker.ts'
import { type JavaKafka, javaKafka, nodeSteps } from '../dev/stack/java-kafka.ts'
import { type Kept, keep } from '../dev/stack/keep.ts'
import { freePort } from '../dev/stack/ports.ts'
import { clusterId, serverProperties } from '../dev/stack/server-properties.ts'
import { until } from '../test/support/parts.ts'

export interface TwoBrokers {
  readonly brokers: readonly [first: string, second: string]
  readonly stop: () => Promise<void>
}

interface Node {
  readonly id: 1 | 2
  readonly address: string
  readonly controller: string
  readonly cluster: string
}

export async function startTwoBrokers(): Promise<TwoBrokers> {
  const kafka = await javaKafka(line => console.error(line))
  const brokers = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`] as const
  const shared = { controller: `127.0.0.1:${await freePort()}`, cluster: clusterId() }
  const kept: Kept[] = []
  const stop = async (): Promise<void> => {
    for (const node of kept.splice(0).toReversed()) await node.stop()
  }
  try {
    kept.push(await start({ id: 1, address: brokers[0], ...shared }, kafka))
    kept.push(await start({ id: 2, address: brokers[1], ...shared }, kafka))
    for (const broker of brokers)
      await until(`${broker} answers`, () => brokerAnswers([broker]).then(() => true), { timeoutMs: 60_000 })
    return { brokers, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function start({ id, address, controller, cluster }: Node, kafka: JavaKafka): Promise<Kept> {
  const properties = serverProperties({
    id,
    listeners: { PLAINTEXT: { protocol: 'PLAINTEXT', bind: address, advertised: address } },
    interBroker: 'PLAINTEXT',
    controller,
    isController: id === 1,
    logDir: 'data',
  })
  return keep({ name: `kafka-${id}`, ...nodeSteps(kafka, { properties, cluster, isFirst: id === 1 }) })
}
