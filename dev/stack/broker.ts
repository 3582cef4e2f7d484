/** One Kafka node, broker and controller in one, from Maven's jars. */
import { Kafka, logLevel } from 'kafkajs'

import { patchKafkajs } from '../../src/adapters/kafka/insides.ts'

import { type JavaKafka, nodeSteps } from './java-kafka.ts'
import { keep } from './keep.ts'
import { KAFKA_VERSION } from './maven.ts'
import { freePort } from './ports.ts'
import { bringUp, type Part } from './ready.ts'
import { serverProperties } from './server-properties.ts'

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

export async function startBroker(kafka: JavaKafka): Promise<Part<string>> {
  return bringUp({ name: `Kafka ${KAFKA_VERSION}` }, async () => {
    const address = `127.0.0.1:${await freePort()}`
    const properties = serverProperties({
      listeners: { PLAINTEXT: { protocol: 'PLAINTEXT', bind: address, advertised: address } },
      interBroker: 'PLAINTEXT',
      controller: `127.0.0.1:${await freePort()}`,
      logDir: 'data',
    })
    const kept = await keep({ name: 'kafka', ...nodeSteps(kafka, { properties }) })
    return { address, kept, answers: () => brokerAnswers([address]) }
  })
}
