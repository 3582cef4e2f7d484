import { afterAll } from 'vitest'
import { kafkaSource } from '../../src/adapters/kafka/source.ts'
import { recordSourceContract, type SourceHarness } from '../contracts/record-source.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, parts, until } from '../support/parts.ts'

let world: KafkaWorld | null = null

function kafkaHarness(): SourceHarness {
  world ??= new KafkaWorld(parts().brokers)
  const kafka = world
  return {
    freshName: () => freshName('source'),
    createTopic: (topic, partitions) => kafka.createTopic(topic, partitions),
    deleteTopic: async topic => (await kafka.admin()).deleteTopics({ topics: [topic] }),
    append: (topic, partition, records) => kafka.append(topic, partition, records),
    appendAborted: (topic, partition, count) => kafka.appendAborted(topic, partition, count),
    removeBefore: (topic, partition, offset) => kafka.removeBefore(topic, partition, offset),
    committed: (group, topic, partition) => kafka.committed(group, topic, partition),
    source: ({ group, topics, startFrom = 'earliest' }) =>
      kafkaSource(kafka.sourceOptions({ groupId: group, topics, startFrom })),
    expelAll: group => kafka.expelAll(group),
    until: async (what, holds) => void (await until(what, holds)),
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
  }
}

recordSourceContract('Kafka', kafkaHarness)

afterAll(() => world?.close())
