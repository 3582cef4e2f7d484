/**
 * Two replicas share twelve partitions of a stream under load. One is killed without a word in the middle: when its session is
 * over the other takes its partitions and handles what was not committed. No event is missing and none has two effects.
 */
import { expect, it } from 'vitest'
import { pairUnderLoad } from '../support/pair.ts'
import { until } from '../support/parts.ts'
import { lagOf, partitionsOf } from '../support/replica.ts'

const EVENTS = 3_000
const SHORT_SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }

it('a kill under load loses no event and doubles no effect', async () => {
  const { first: victim, second: heir, effects, end } = await pairUnderLoad(EVENTS, SHORT_SESSION)
  try {
    victim.kill('SIGKILL')
    expect(await victim.exited).toBeNull()
    await until('the other owns all of them', async () => (await partitionsOf(heir)) === 12, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lagOf(heir)) === 0, { timeoutMs: 60_000 })
    expect(await effects.handled()).toBe(EVENTS)
    expect(await effects.logins()).toBe(EVENTS)
    expect(await heir.text('/metrics')).not.toMatch(/^sluice_records_total\{.*outcome="dead_lettered"\} [1-9]/m)
    heir.kill('SIGTERM')
    expect(await heir.exited).toBe(0)
  } finally {
    await end()
  }
})
