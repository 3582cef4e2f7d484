/**
 * Partitions that others own now, or may own: they are let go of at once, what ends late does not count, and nothing is started
 * as long as the coordinator does not say that we may.
 */
import { describe, expect, test } from 'vitest'
import { NobodyWaits } from '../../src/consumer/attempt.ts'
import { inspectionOf } from '../../src/consumer/inspection.ts'
import { Startup } from '../../src/consumer/startup.ts'
import { Bench, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { latch, range, thing, thingHandler } from '../support/floor.ts'

describe('an assignment that is lost', () => {
  test('aborts its signals; late results settle nothing, and its keys wait for the old attempt to end', async () => {
    const gate = latch()
    const signals: AbortSignal[] = []
    const handler = thingHandler({
      timeoutMs: 600_000,
      async handle({ value }, { tx, signal }) {
        signals.push(signal)
        if (signals.length === 1) await gate.passed
        await tx.query('effect', [`${value.id} of attempt ${signals.length}`])
      },
    })
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('a', 'k'), thing('b', 'other'))
    const member = await bench.joined()
    await bench.until('both have started', () => signals.length === 2)
    member.source.crash()
    expect(member.consumer.status()).toMatchObject({ joined: false, partitions: [] })
    expect(signals[0]?.reason).toBeInstanceOf(NobodyWaits)
    await bench.until('it has joined again', () => partitionOf(member)?.epoch === 2)
    await bench.pass(5_000)
    expect(signals).toHaveLength(2)
    expect(bench.committed()).toBe(0)
    expect(partitionOf(member)).toMatchObject({ oldestUnsettled: 0, inFlight: 0 })
    gate.open()
    await bench.untilCommitted(2)
    // It got through, though nobody waited: the inbox knows it, and the new delivery is a duplicate.
    expect(bench.effects).toHaveLength(2)
    expect(member.telemetry.duplicates).toEqual([
      { redelivered: true, conflicting: false },
      { redelivered: true, conflicting: false },
    ])
  })

  test('forgets what waited for a schema: nothing of the old epoch is fed', async () => {
    const bench = new Bench()
    bench.decoder.down()
    bench.append(0, thing('a'), thing('b'))
    const member = await bench.joined()
    await bench.until('intake is held', () => partitionOf(member)?.paused === 'intake')
    member.source.crash()
    bench.decoder.up()
    await bench.untilCommitted(2)
    expect(bench.effects).toEqual(['a', 'b'])
    const fetched = member.telemetry.facts.filter(fact => fact.type === 'fetched' && fact.records.length > 0)
    expect(new Set(fetched.map(fact => fact.type === 'fetched' && fact.assignment.epoch))).toEqual(new Set([2]))
  })

  test('is noticed by an expelled member before its commits do harm: nothing moves backwards', async () => {
    const bench = new Bench({ partitions: 2 })
    const first = await bench.joined()
    first.source.expel()
    const second = await bench.joined()
    for (const number of range(40)) bench.append(number % 2, thing(`e${number}`, `k${number}`))
    await bench.untilCommitted(20, 0)
    await bench.untilCommitted(20, 1)
    await bench.until('both are members', () =>
      [first, second].every(({ consumer }) => consumer.status().partitions.length === 1),
    )
    expect([bench.committed(0), bench.committed(1)]).toEqual([20, 20])
    expect(new Set(bench.effects).size).toBe(40)
    expect(bench.effects).toHaveLength(40)
  })
})

describe('commits that fail', () => {
  test('twice in a row, refused, ask for a rejoin once; the next one is computed anew', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    bench.broker.faults.commits = 'refused'
    bench.append(0, thing('a'))
    const rejoins = () => member.telemetry.commands.filter(({ type }) => type === 'rejoin').length
    await bench.until('it asks for a rejoin', () => rejoins() === 1)
    const failed = member.telemetry.facts.filter(({ type }) => type === 'commitFailed')
    expect(failed).toHaveLength(2)
    bench.append(0, thing('b'))
    bench.broker.faults.commits = null
    await bench.untilCommitted(2)
    await bench.pass(10_000)
    expect(rejoins()).toBe(1)
    expect(member.telemetry.facts.filter(({ type }) => type === 'joined')).toHaveLength(2)
    expect(outcomesOf(member)).toEqual({ acked: 2 })
    expect(member.log.lines).toContainEqual({
      level: 'warn',
      fields: { cause: 'refused', error: 'the broker answers refused' },
      message: 'a commit failed; the next one is computed anew',
    })
  })

  test('for the generation do not ask: the join that is coming settles it', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    bench.broker.faults.commits = 'generation'
    bench.append(0, thing('a'))
    await bench.pass(20_000)
    expect(member.telemetry.commands.filter(({ type }) => type === 'rejoin')).toEqual([])
    bench.broker.faults.commits = null
    await bench.untilCommitted(1)
  })

  test('because the coordinator does not know us: nothing is started until the next join, and it says so', async () => {
    const bench = new Bench()
    const member = await bench.joined()
    const startup = new Startup([], { clock: bench.clock, random: () => 0, log: member.log })
    const inspection = inspectionOf({ consumer: member.consumer, startup, group: 'group', version: '0' })
    bench.broker.faults.commits = 'fenced'
    bench.append(0, thing('a'))
    await bench.until('it is fenced', () => member.consumer.status().standingStill !== null)
    bench.append(0, thing('b'))
    await bench.pass(10_000)
    expect(bench.effects).toEqual(['a'])
    expect(inspection.ready().reasons).toEqual([expect.stringMatching(/^fenced: /)])
    bench.broker.faults.commits = null
    member.source.rejoin('a test wants it')
    await bench.untilCommitted(2)
    expect(bench.effects).toEqual(['a', 'b'])
  })
})

describe('a broker that is silent', () => {
  test('for longer than the session fences us, by ourselves; nothing new starts until it answers', async () => {
    const gate = latch()
    const handler = thingHandler({
      timeoutMs: 600_000,
      async handle({ value }, { tx }) {
        if (value.id === 'a') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], limits: { inFlightMax: 1 } })
    const member = await bench.joined()
    bench.append(0, thing('a'), thing('b'))
    await bench.until('the first is under way', () => member.consumer.status().inFlight === 1)
    bench.broker.faults.down = true
    await bench.pass(35_000)
    expect(member.consumer.status().standingStill).toMatch(/^fenced: the coordinator has been silent for 3/)
    expect(member.consumer.waiting).toBe('no broker answers')
    gate.open()
    await bench.pass(10_000)
    expect(bench.effects).toEqual(['a'])
    bench.broker.faults.down = false
    await bench.untilCommitted(2)
    expect(member.consumer.waiting).toBeNull()
    expect(bench.effects).toEqual(['a', 'b'])
  })
})

describe('a topic that is deleted', () => {
  test('keeps us waiting for it, and says so, though others of ours go on', async () => {
    const bench = new Bench({ handlers: [thingHandler(), thingHandler({ name: 'others', topic: 'others' })] })
    bench.broker.topic('others', 1)
    const member = await bench.joined()
    bench.broker.deleteTopic('things')
    await bench.pass(1_000)
    expect(member.consumer.status().partitions).toHaveLength(1)
    expect(member.consumer.waiting).toMatch(/topic things does not exist/)
    bench.broker.append('others', 0, thing('a'))
    await bench.until('the other goes on', () => bench.committed(0, 'others') === 1)
    bench.broker.topic('things', 1)
    bench.append(0, thing('b'))
    await bench.untilCommitted(1)
    expect(member.consumer.waiting).toBeNull()
  })
})
