/** Everything that stands in a topic, read with a plain consumer; headers in their order, as the log has them. */
import type { KafkaMessage } from 'kafkajs'
import type { KafkaWorld } from './kafka-world.ts'

export interface ReadMessage {
  readonly partition: number
  readonly message: KafkaMessage
}

/** By partition, each in its order. */
export async function readTopic(world: KafkaWorld, topic: string): Promise<readonly ReadMessage[]> {
  const admin = world.kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  const total = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  if (total === 0) return []
  const read: ReadMessage[] = []
  const consumer = world.kafka.consumer({ groupId: `read-${crypto.randomUUID()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const { promise, resolve } = Promise.withResolvers<void>()
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      read.push({ partition, message })
      if (read.length === total) resolve()
    },
  })
  await promise
  await consumer.disconnect()
  return read.toSorted(
    (one, other) => one.partition - other.partition || Number(one.message.offset) - Number(other.message.offset),
  )
}
