/**
 * Members come and go, in order or not. In order nothing is handled twice and nothing is lost; out of order what others own now
 * is let go of at once, and nothing that ends late counts.
 */
import { describe, expect, test } from 'vitest'
import { NobodyWaits } from '../../src/consumer/attempt.ts'
import { inspectionOf } from '../../src/consumer/inspection.ts'
import { Startup } from '../../src/consumer/startup.ts'
import { Bench, type Member, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { latch, range, thing, thingHandler } from '../support/floor.ts'

const epochsOf = ({ consumer }: Member): number[] => consumer.status().partitions.map(({ epoch }) => epoch)

describe('a planned change of hands', () => {
  test('under load: two members share a topic, one comes, one goes, nothing is handled twice and nothing is lost', async () => {
    const runs = new Map<string, number>()
    const handler = thingHandler({
      async handle({ value }, { tx }) {
        runs.set(value.id, (runs.get(value.id) ?? 0) + 1)
        await tx.query('effect', [value.id])
      },
    })
    // Few at once and slow claims, so that every change meets work in flight.
    const bench = new Bench({ handlers: [handler], partitions: 6, limits: { inFlightMax: 4 } })
    bench.database.claimsTake(7)
    for (const number of range(1_200)) bench.append(number % 6, thing(`e${number}`, `k${number % 30}`))
    const first = await bench.joined()
    await bench.until('some are done', () => bench.effects.length > 100)
    const second = await bench.joined()
    await bench.until('both have work', () => partitionsOf(second) === 3 && partitionsOf(first) === 3)
    await bench.until('some more are done', () => bench.effects.length > 600)
    const drained = first.consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.until('the first has stopped', () => first.consumer.status().state === 'stopped')
    expect(await drained).toEqual({ unfinished: 0, committed: true })
    void first.source.stop()
    for (const partition of range(6)) await bench.untilCommitted(200, partition)
    expect([...runs.values()].filter(times => times !== 1)).toEqual([])
    expect(runs.size).toBe(1_200)
    expect(outcomesOf(first, second)).toEqual({ acked: 1_200 })
    expect(first.telemetry.commands.some(({ type }) => type === 'handedOver')).toBe(true)
  })

  test('lets partitions that stay keep their epoch and what they hold', async () => {
    const bench = new Bench({ partitions: 2 })
    bench.append(0, thing('a'))
    const first = await bench.joined()
    await bench.untilCommitted(1)
    const before = partitionOf(first)?.epoch
    await bench.joined()
    await bench.until('they share', () => partitionsOf(first) === 1)
    expect(epochsOf(first)).toEqual([before])
  })

  test('takes along what waits for a schema: who has it now waits, who had it asks no more', async () => {
    const bench = new Bench({ partitions: 2 })
    bench.decoder.down()
    bench.append(1, thing('a'))
    const first = await bench.joined()
    await bench.until('intake is held', () => partitionOf(first, 1)?.paused === 'intake')
    const second = await bench.joined()
    await bench.until('the other holds it', () => partitionOf(second, 1)?.paused === 'intake')
    await bench.pass(20_000)
    expect(first.consumer.registryError).toBeNull()
    expect(second.consumer.registryError).toMatch(/unavailable/)
    bench.decoder.up()
    await bench.untilCommitted(1, 1)
    expect(outcomesOf(second)).toEqual({ acked: 1 })
  })

  test('waits for the handler that is in flight, commits what it did, and only then goes on', async () => {
    const gate = latch()
    const handler = thingHandler({
      async handle({ value }, { tx }) {
        await tx.query('effect', [value.id])
        if (value.id === 'slow') await gate.passed
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    bench.append(1, thing('slow', 'k'), thing('next', 'k'))
    const first = await bench.joined()
    await bench.until('it is in its handler', () => first.consumer.status().inFlight === 1)
    const second = bench.member()
    void second.consumer.start()
    await bench.pass(1_000)
    expect(first.consumer.status().standingStill).toMatch(/rebalancing/)
    expect(second.consumer.status().joined).toBe(false)
    gate.open()
    const openedAtMs = bench.clock.nowMs()
    await bench.until('both have joined', () => partitionsOf(second) === 1)
    expect(bench.clock.nowMs() - openedAtMs).toBeLessThan(100)
    expect(bench.committed(1)).toBe(1)
    await bench.untilCommitted(2, 1)
    expect(bench.effects).toEqual(['slow', 'next'])
    expect(outcomesOf(first, second)).toEqual({ acked: 2 })
  })

  test('does not wait for ever: past the deadline the join goes on, the handler is told, its late end settles nothing', async () => {
    const gate = latch()
    const signals: AbortSignal[] = []
    const handler = thingHandler({
      timeoutMs: 600_000,
      async handle({ value }, { tx, signal }) {
        signals.push(signal)
        if (signals.length === 1) await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    bench.append(1, thing('a', 'k'))
    const first = await bench.joined()
    await bench.until('it is in its handler', () => signals.length === 1)
    const second = await bench.joined()
    await bench.untilCommitted(1, 1)
    expect(signals[0]?.reason).toBeInstanceOf(NobodyWaits)
    gate.open()
    await bench.pass(5_000)
    expect(bench.effects).toEqual(['a'])
    expect(outcomesOf(second)).toEqual({ acked: 1 })
    expect(first.consumer.status().inFlight).toBe(0)
  })
})

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
    expect(bench.committed()).toBeNull()
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
    await bench.until('both are members', () => partitionsOf(first) === 1 && partitionsOf(second) === 1)
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
    expect(partitionsOf(member)).toBe(1)
    expect(member.consumer.waiting).toMatch(/topic things does not exist/)
    bench.broker.append('others', 0, thing('a'))
    await bench.until('the other goes on', () => bench.committed(0, 'others') === 1)
    bench.broker.topic('things', 1)
    bench.append(0, thing('b'))
    await bench.untilCommitted(1)
    expect(member.consumer.waiting).toBeNull()
  })
})

function partitionsOf({ consumer }: Member): number {
  return consumer.status().partitions.length
}
