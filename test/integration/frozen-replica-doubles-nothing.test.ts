/**
 * One of two replicas is stopped (SIGSTOP) under load for longer than its session, so that the other takes its partitions over,
 * and is then let go on: a member that does not know that it is none. What it had under way must have no second effect, and its
 * late commits must not take back what the other has committed.
 */
import { expect, it } from 'vitest'
import { KafkaWorld } from '../support/kafka-world.ts'
import { pairUnderLoad } from '../support/pair.ts'
import { parts, until } from '../support/parts.ts'
import { lagOf, partitionsOf } from '../support/replica.ts'

const EVENTS = 3_000
const SHORT_SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }

it('a replica that was frozen beyond its session doubles nothing and takes no commit back', async () => {
  const { first: frozen, second: heir, group, topic, effects, end } = await pairUnderLoad(EVENTS, SHORT_SESSION)
  const world = new KafkaWorld(parts().brokers)
  try {
    frozen.kill('SIGSTOP')
    await until('the other owns all of them', async () => (await partitionsOf(heir)) === 12, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lagOf(heir)) === 0, { timeoutMs: 60_000 })
    const committed = await world.allCommitted(group, topic)
    frozen.kill('SIGCONT')
    await until('it is a member again', async () => (await partitionsOf(heir)) === 6 && (await frozen.ready()), {
      timeoutMs: 60_000,
    })
    expect(await world.allCommitted(group, topic)).toEqual(committed)
    expect(await effects.handled()).toBe(EVENTS)
    expect(await effects.logins()).toBe(EVENTS)
    for (const replica of [frozen, heir]) replica.kill('SIGTERM')
    expect(await frozen.exited).toBe(0)
    expect(await heir.exited).toBe(0)
    expect(await world.allCommitted(group, topic)).toEqual(committed)
  } finally {
    await world.close()
    await end()
  }
})
