import { describe, expect, test } from 'vitest'
import { Unavailable } from '../../src/consumer/errors.ts'
import { dependenciesOf, inspectionOf } from '../../src/consumer/inspection.ts'
import { Startup } from '../../src/consumer/startup.ts'
import { Bench, type Member } from '../support/consumer-bench.ts'
import { latch, thing, thingHandler, turn } from '../support/floor.ts'

function inspect(bench: Bench, { consumer, log }: Member, dependencies: readonly string[] = ['database', 'kafka']) {
  const startup = new Startup(dependencies, { clock: bench.clock, random: () => 0, log })
  const inspection = inspectionOf({ consumer, startup, group: 'group', version: '1.2.3' })
  const asked = () => startup.run(dependencies.map(dependency => ({ dependency, run: () => Promise.resolve() })))
  return { startup, inspection, asked, dependencies: () => dependenciesOf({ consumer, startup }) }
}

const OK = { ok: true, reasons: [] }

describe('it is alive, and ready only when it can do its work', () => {
  test('not while it starts: every dependency is named that has not answered', async () => {
    const bench = new Bench()
    const { inspection, startup } = inspect(bench, bench.member())
    expect(inspection.live()).toEqual(OK)
    expect(inspection.ready()).toEqual({
      ok: false,
      reasons: ['starting: the group is not joined yet', 'database: not asked yet', 'kafka: not asked yet'],
    })
    const away = new Unavailable('database', 'refused')
    void startup.run([{ dependency: 'database', run: () => Promise.reject(away) }])
    await turn()
    expect(inspection.ready().reasons).toContain('database: Unavailable: database is unavailable: refused')
  })

  test('not while it waits for its topic, which is named', async () => {
    const bench = new Bench({ partitions: 0 })
    const member = bench.member()
    const { inspection, asked } = inspect(bench, member)
    await asked()
    expect(inspection.ready().reasons).toContain('kafka: connecting to Kafka')
    void member.consumer.start()
    await bench.pass(1_000)
    expect(inspection.ready().reasons).toEqual([
      'starting: the group is not joined yet',
      'kafka: topic things does not exist; it is waited for',
    ])
    bench.broker.topic('things', 1)
    await bench.pass(1_000)
    expect(inspection.ready()).toEqual(OK)
  })

  test('when it has joined and everything has answered, even with no partition of its own', async () => {
    const bench = new Bench({ partitions: 1 })
    const [first, second] = [await bench.joined(), await bench.joined()]
    for (const member of [first, second]) {
      const { inspection, asked } = inspect(bench, member)
      await asked()
      expect(inspection.ready()).toEqual(OK)
      expect(inspection.live()).toEqual(OK)
    }
    expect(second.consumer.status().partitions).toEqual([])
  })

  test('also while one of its partitions is handed over: partitions only change hands', async () => {
    const gate = latch()
    const bench = new Bench({ handlers: [thingHandler({ handle: () => gate.passed })], partitions: 2 })
    for (const partition of [0, 1]) bench.append(partition, thing(`a${partition}`))
    const member = await bench.joined()
    await bench.until('both are in their handlers', () => member.consumer.status().inFlight === 2)
    const { inspection } = inspect(bench, member, [])
    void bench.member().consumer.start()
    const blocked = () =>
      member.consumer.status().partitions.filter(({ blockedBy }) => blockedBy?.includes('rebalancing'))
    await bench.until('one of them is to go', () => blocked().length > 0)
    expect(blocked()).toHaveLength(1)
    expect(member.consumer.status().standingStill).toBeNull()
    expect(inspection.ready()).toEqual(OK)
    gate.open()
  })

  test('not while it is out of the group', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    const { inspection } = inspect(bench, member, [])
    member.source.crash()
    expect(inspection.ready().reasons).toEqual(['out of the group: waiting to join it again'])
    await bench.pass(1_000)
    expect(inspection.ready()).toEqual(OK)
  })

  test('not when the coordinator has been silent for a session, and it says for how long', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    const { inspection } = inspect(bench, member, [])
    bench.broker.faults.down = true
    await bench.pass(40_000)
    expect(inspection.ready().reasons).toEqual([
      expect.stringMatching(/^fenced: the coordinator has been silent for 4\d s/),
      'kafka: no broker answers',
    ])
    expect(inspection.live()).toEqual(OK)
    bench.broker.faults.down = false
    await bench.pass(1_000)
    expect(inspection.ready()).toEqual(OK)
  })

  test('not once a stop was asked for, nor after it, though it is alive', async () => {
    const gate = latch()
    const bench = new Bench({ handlers: [thingHandler({ handle: () => gate.passed })] })
    bench.append(0, thing('a'))
    const member = await bench.joined()
    await bench.until('it is in its handler', () => member.consumer.status().inFlight === 1)
    const { inspection } = inspect(bench, member, [])
    void member.consumer.drain(bench.clock.nowMs() + 20_000)
    expect(inspection.ready().reasons).toEqual(['draining: a stop was asked for'])
    gate.open()
    await bench.pass(1_000)
    expect(inspection.ready().reasons).toEqual(['stopped: a stop was asked for'])
    expect(inspection.live()).toEqual(OK)
  })

  test('neither alive nor ready when only a restart would help', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    const { inspection } = inspect(bench, member, [])
    member.source.fail(new TypeError('beyond help'))
    expect(inspection.live()).toEqual({ ok: false, reasons: ['TypeError: beyond help', 'the Kafka client is dead'] })
    expect(inspection.ready().ok).toBe(false)
  })

  test('neither alive nor ready when a handler is silent for three timeouts', async () => {
    const silent = thingHandler({ timeoutMs: 100, handle: () => new Promise<void>(() => undefined) })
    const bench = new Bench({ handlers: [silent] })
    bench.append(0, thing('a'))
    const member = await bench.joined()
    await bench.pass(1_000)
    const reason = 'handler things at things/0 offset 0 has ignored its signal for 3 timeouts'
    const { inspection } = inspect(bench, member, [])
    expect(inspection.live()).toEqual({ ok: false, reasons: [reason] })
    expect(inspection.ready().reasons).toEqual([reason])
  })
})

describe('what is said of dependencies', () => {
  test('are those that are asked at the start, and those that handlers have named since', async () => {
    const handler = thingHandler({
      handle: () => {
        throw new Unavailable('payments', '503')
      },
    })
    const bench = new Bench({ handlers: [handler] })
    const member = await bench.joined()
    const { asked, dependencies, inspection } = inspect(bench, member)
    await asked()
    bench.append(0, thing('a'))
    await bench.pass(100)
    const expected = [
      { name: 'database', up: true, error: null },
      { name: 'kafka', up: true, error: null },
      { name: 'payments', up: false, error: 'Unavailable: payments is unavailable: 503' },
    ]
    expect(dependencies()).toEqual(expected)
    expect(inspection.status()).toEqual({
      group: 'group',
      version: '1.2.3',
      dependencies: expected,
      engine: member.consumer.status(),
    })
  })
})
