/** Two Kafka nodes of one cluster, for what only happens between two: the first is controller too, the second a broker only. */
import { join } from 'node:path'
import { brokerAnswers } from '../dev/stack/broker.ts'
import { type Kept, keep } from '../dev/stack/keep.ts'
import { kafkaJars } from '../dev/stack/maven.ts'
import { freePort } from '../dev/stack/ports.ts'
import { until } from '../test/support/parts.ts'

export interface TwoBrokers {
  readonly brokers: readonly [first: string, second: string]
  readonly stop: () => Promise<void>
}

interface Node {
  readonly id: 1 | 2
  readonly port: number
  readonly controllerPort: number
  readonly clusterId: string
}

const JVM = ['-XX:+UseSerialGC', '-XX:-UsePerfData', '-XX:TieredStopAtLevel=1', '-Djava.io.tmpdir=.']

export async function startTwoBrokers(): Promise<TwoBrokers> {
  const home = process.env['JAVA_HOME']
  const java = home ? join(home, 'bin', 'java') : 'java'
  const jars = await kafkaJars(line => console.error(line))
  const [first, second, controllerPort] = [await freePort(), await freePort(), await freePort()]
  const clusterId = Buffer.from(crypto.getRandomValues(new Uint8Array(16)))
    .toString('base64url')
    .replace(/^-/, 'A')
  const kept: Kept[] = []
  const stop = async (): Promise<void> => {
    for (const node of kept.splice(0).toReversed()) await node.stop()
  }
  try {
    kept.push(await start({ id: 1, port: first, controllerPort, clusterId }, { java, jars }))
    kept.push(await start({ id: 2, port: second, controllerPort, clusterId }, { java, jars }))
    const brokers = [`127.0.0.1:${first}`, `127.0.0.1:${second}`] as const
    for (const broker of brokers)
      await until(`${broker} answers`, () => brokerAnswers([broker]).then(() => true), { timeoutMs: 60_000 })
    return { brokers, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function start(node: Node, { java, jars }: { java: string; jars: string }): Promise<Kept> {
  const classes = ['-cp', `${jars}/*`]
  const voters = node.id === 1 ? '--standalone' : '--no-initial-controllers'
  const format = ['kafka.tools.StorageTool', 'format', voters, '-t', node.clusterId, '-c', 'server.properties']
  return keep({
    name: `kafka-${node.id}`,
    files: { 'server.properties': propertiesOf(node) },
    before: [{ command: java, args: ['-Xmx128m', ...JVM, ...classes, ...format] }],
    main: { command: java, args: ['-Xmx384m', ...JVM, ...classes, 'kafka.Kafka', 'server.properties'] },
  })
}

function propertiesOf({ id, port, controllerPort }: Node): string {
  const controller = `CONTROLLER://127.0.0.1:${controllerPort}`
  const listener = `PLAINTEXT://127.0.0.1:${port}`
  return `process.roles=${id === 1 ? 'broker,controller' : 'broker'}
node.id=${id}
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=${id === 1 ? `${listener},${controller}` : listener}
advertised.listeners=${id === 1 ? `${listener},${controller}` : listener}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
`
}
