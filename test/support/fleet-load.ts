/** A steady load: so many records a second over the partitions of a topic, each partition's one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Message } from 'kafkajs'
import type { UserActivity } from '../../src/generated/user-activity.ts'
import { nowMs } from './fleet-journal.ts'

/** Twenty sends a second for each partition: a stall that is longer than that shows. */
const TICK_MS = 50
/** What piled up while the broker was away goes in portions. */
const SEND_RECORDS_MAX = 500
const KEYS_PER_PARTITION = 40

export interface LoadOptions {
  readonly topic: string
  readonly partitions: number
  readonly perSecond: number
  /** Where a record's bytes come from, and where they go: every call has records of one partition. */
  readonly encode: (event: UserActivity) => Promise<Buffer>
  readonly send: (topic: string, messages: readonly Message[]) => Promise<void>
}

export interface Load {
  /** Acknowledged by the broker. */
  readonly sent: number
  /** Resolves to the records sent, when all are acknowledged. */
  stop(): Promise<number>
}

export function startLoad(options: LoadOptions): Load {
  const { partitions } = options
  const state = { sent: 0, stopped: false }
  const feeding = Array.from({ length: partitions }, async (_, partition) => {
    await sleep((TICK_MS * partition) / partitions)
    await feed(partition, options, state)
  })
  // An error waits for `stop`, which throws it.
  const fed = Promise.allSettled(feeding)
  return {
    get sent() {
      return state.sent
    },
    async stop() {
      state.stopped = true
      for (const outcome of await fed) if (outcome.status === 'rejected') throw outcome.reason
      return state.sent
    },
  }
}

async function feed(
  partition: number,
  { topic, partitions, perSecond, encode, send }: LoadOptions,
  state: { sent: number; stopped: boolean },
): Promise<void> {
  const beganMs = nowMs()
  let made = 0
  for (;;) {
    const due = Math.floor(((nowMs() - beganMs) / 1_000) * (perSecond / partitions))
    const count = Math.min(due - made, SEND_RECORDS_MAX)
    if (count > 0) {
      const numbers = Array.from({ length: count }, (_, index) => made + index)
      await send(topic, await Promise.all(numbers.map(record)))
      made += count
      state.sent += count
    }
    if (state.stopped) return
    await sleep(TICK_MS)
  }

  async function record(number: number): Promise<Message> {
    const key = `${partition}-${number % KEYS_PER_PARTITION}`
    const event = {
      eventId: crypto.randomUUID(),
      userId: key,
      type: 'LOGIN',
      occurredAt: new Date(),
      ip: null,
    } as const
    return { partition, key, value: await encode(event) }
  }
}
