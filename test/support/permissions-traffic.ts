/** Single records of the sample streams, to topics of a test's own: those whose name begins with `orders` take orders. */
import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { registerSchemas } from '../../dev/send.ts'
import type { Encoders } from '../../dev/traffic.ts'

export interface Sender {
  readonly encode: Encoders
  /** Under one key: an event of its own, or bytes that are no record. */
  send(topic: string, ...what: readonly ('good' | 'bad')[]): Promise<void>
  close(): Promise<void>
}

export async function senderTo(kafka: Kafka, registryUrl: string): Promise<Sender> {
  const encode = await registerSchemas(registryUrl)
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  return {
    encode,
    async send(topic, ...what) {
      const userId = randomUUID()
      const valueOf = () => (topic.startsWith('orders') ? orderOf(userId, encode) : loginOf(userId, encode))
      const messages = what.map(each => ({ key: userId, value: each === 'bad' ? Buffer.from('no record') : valueOf() }))
      await producer.send({ topic, messages })
    },
    close: () => producer.disconnect(),
  }
}

function loginOf(userId: string, encode: Encoders): Buffer {
  return encode.activity({ eventId: randomUUID(), userId, type: 'LOGIN', occurredAt: Date.now(), ip: null })
}

function orderOf(orderId: string, encode: Encoders): Buffer {
  const [eventId, occurredAt] = [randomUUID(), Date.now()]
  return encode.order({ eventId, orderId, customerId: 'customer', type: 'PLACED', totalCents: 1, occurredAt })
}
