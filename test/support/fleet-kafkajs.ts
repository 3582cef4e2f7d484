/** A member of a fleet's group that is none of ours: a plain kafkajs consumer, which knows round robin only. */
import type { Fleet } from './fleet.ts'
import { nowMs } from './fleet-journal.ts'

export interface PlainMember {
  leave(): Promise<void>
}

/** Resolves when it has joined. What it is given is noted in the fleet's journals. */
export async function joinPlainly(fleet: Fleet, name: string): Promise<PlainMember> {
  const consumer = fleet.world.kafka.consumer({
    groupId: fleet.group,
    sessionTimeout: 10_000,
    rebalanceTimeout: 20_000,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 100,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...fleet.topics], fromBeginning: true })
  const joined = new Promise<void>(resolve => consumer.on(consumer.events.GROUP_JOIN, () => resolve()))
  await consumer.run({
    eachMessage: async ({ topic, partition, message: { key, offset } }) => {
      const atMs = nowMs()
      const place = { topic, partition, offset: Number(offset) }
      fleet.journals.note({ member: name, ...place, key: key?.toString() ?? '', startedMs: atMs, endedMs: atMs })
    },
  })
  await joined
  return { leave: () => consumer.disconnect() }
}
