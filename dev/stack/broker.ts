/** One Kafka node, broker and controller in one, from Maven's jars. */
import { Kafka, logLevel } from 'kafkajs'

import { patchKafkajs } from '../../src/adapters/kafka/insides.ts'

import { keep } from './keep.ts'
import { KAFKA_VERSION } from './maven.ts'
import { freePort } from './ports.ts'
import { bringUp, type Part } from './ready.ts'

/** Relative paths: the broker runs in a folder that its keeper makes and removes. */
function serverProperties(port: number, controllerPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
`
}

/** A random UUID as Kafka writes them. Kafka's command line takes one that begins with a dash for an option. */
function clusterId(): string {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url')
  return id.startsWith('-') ? clusterId() : id
}

export async function brokerAnswers(brokers: string[]): Promise<void> {
  patchKafkajs()
  const admin = new Kafka({
    brokers,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: 2_000,
  }).admin()
  try {
    await admin.connect()
    await admin.describeCluster()
  } finally {
    await admin.disconnect()
  }
}

export async function startBroker(java: string, jars: string): Promise<Part<string>> {
  const jvm = [
    '-XX:+UseSerialGC',
    // Without these two the JVM leaves folders in the machine's temporary folder.
    '-XX:-UsePerfData',
    '-Djava.io.tmpdir=.',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-cp',
    `${jars}/*`,
  ]
  return bringUp({ name: `Kafka ${KAFKA_VERSION}` }, async () => {
    const port = await freePort()
    const address = `127.0.0.1:${port}`
    const kept = await keep({
      name: 'kafka',
      files: { 'server.properties': serverProperties(port, await freePort()) },
      before: [
        {
          command: java,
          args: [
            '-Xmx128m',
            '-XX:TieredStopAtLevel=1',
            ...jvm,
            'kafka.tools.StorageTool',
            'format',
            '--standalone',
            '-t',
            clusterId(),
            '-c',
            'server.properties',
          ],
        },
      ],
      main: { command: java, args: ['-Xmx512m', '-Xms128m', ...jvm, 'kafka.Kafka', 'server.properties'] },
    })
    return { address, kept, answers: () => brokerAnswers([address]) }
  })
}
