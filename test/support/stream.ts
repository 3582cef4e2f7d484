/** Writes sample events to a topic, encoded as any producer with a registry would. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { Kafka, logLevel, type Message } from 'kafkajs'
import type { UserActivity } from '../../src/generated/user-activity.ts'

export interface Stream {
  /** One per event, in this order for each user. Resolves when the broker has them all. */
  send(events: readonly UserActivity[]): Promise<void>
  /** Bytes as they are. */
  sendRaw(messages: readonly Message[]): Promise<void>
  encode(event: UserActivity): Promise<Buffer>
  close(): Promise<void>
}

/** So many events over so many users, each with an identity of its own, in turn over the users. */
export function logins(count: number, users: number): UserActivity[] {
  return Array.from({ length: count }, (_, index) => ({
    eventId: randomUUID(),
    userId: `user-${index % users}`,
    type: 'LOGIN',
    occurredAt: new Date(),
    ip: null,
  }))
}

export async function activityStream(to: { brokers: string[]; registryUrl: string; topic: string }): Promise<Stream> {
  const kafka = new Kafka({ clientId: 'test', brokers: to.brokers, logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ idempotent: true })
  const registry = new SchemaRegistry({ host: to.registryUrl })
  const schema = await readFile(new URL('../../schemas/user-activity.avsc', import.meta.url), 'utf8')
  const { id } = await registry.register({ type: SchemaType.AVRO, schema }, { subject: `${to.topic}-value` })
  await producer.connect()
  const encode = (event: UserActivity) => registry.encode(id, { ...event, occurredAt: event.occurredAt.getTime() })
  const sendRaw = async (messages: readonly Message[]) => {
    await producer.send({ topic: to.topic, acks: -1, messages: [...messages] })
  }
  return {
    encode,
    sendRaw,
    async send(events) {
      for (let at = 0; at < events.length; at += 500) {
        const part = events.slice(at, at + 500)
        await sendRaw(await Promise.all(part.map(async event => ({ key: event.userId, value: await encode(event) }))))
      }
    },
    close: () => producer.disconnect(),
  }
}
