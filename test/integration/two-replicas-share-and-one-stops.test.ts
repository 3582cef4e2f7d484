/**
 * Two replicas share twelve partitions of a stream under load. One gets SIGTERM in the middle: it finishes what is in flight,
 * commits and leaves with exit code 0; the other takes over. No event is missing and none has two effects.
 */
import { expect, it } from 'vitest'
import { pairUnderLoad } from '../support/pair.ts'
import { until } from '../support/parts.ts'
import { lagOf, partitionsOf } from '../support/replica.ts'

const EVENTS = 3_000

it('a stop under load leaves no record undelivered and no effect doubled', async () => {
  const { first, second, effects, end } = await pairUnderLoad(EVENTS)
  try {
    first.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    const stopped = first.lines.find(line => line.msg === 'stopped')
    expect(stopped).toMatchObject({ reason: 'SIGTERM', unfinished: 0, committed: true })
    await until('the other owns all of them', async () => (await partitionsOf(second)) === 12, { timeoutMs: 30_000 })
    await until('everything is handled', async () => (await effects.handled()) === EVENTS, { timeoutMs: 60_000 })
    await until('lag reaches 0', async () => (await lagOf(second)) === 0, { timeoutMs: 30_000 })
    expect(await effects.logins()).toBe(EVENTS)
    second.kill('SIGTERM')
    expect(await second.exited).toBe(0)
  } finally {
    await end()
  }
})
