/**
 * Members come and go in order: nothing is handled twice and nothing is lost, what stays never stops, and what leaves is finished
 * and committed before others have it.
 */
import { describe, expect, test } from 'vitest'
import { NobodyWaits } from '../../src/consumer/attempt.ts'
import { Bench, GROUP, type Member, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { latch, range, repeatableHandler, thing, thingHandler } from '../support/floor.ts'

/** What was taken from it, in its order. */
const revoked = ({ telemetry }: Member): number[] =>
  telemetry.facts.flatMap(fact => (fact.type === 'revoked' ? fact.assignments.map(({ partition }) => partition) : []))

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

  test('waits for the handler that is in flight, commits what it did, and only then lets go', async () => {
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
    const second = await bench.joined()
    await bench.pass(1_000)
    expect(partitionOf(first, 1)?.blockedBy).toMatch(/^rebalancing: another member is to have it/)
    expect(second.consumer.status()).toMatchObject({ joined: true, partitions: [] })
    gate.open()
    const openedAtMs = bench.clock.nowMs()
    await bench.until('the other has it', () => partitionsOf(second) === 1)
    // The other hears of the second round at its next heartbeat.
    expect(bench.clock.nowMs() - openedAtMs).toBeLessThan(600)
    expect(bench.committed(1)).toBe(1)
    await bench.untilCommitted(2, 1)
    expect(bench.effects).toEqual(['slow', 'next'])
    expect(outcomesOf(first, second)).toEqual({ acked: 2 })
    expect(revoked(first)).toEqual([1])
  })

  test('never stops what stays: its handlers start and settle while the other partition waits for one that is slow', async () => {
    const gate = latch()
    const handler = thingHandler({
      async handle({ value }, { tx }) {
        if (value.id === 'slow') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    bench.append(1, thing('slow', 'k'))
    const first = await bench.joined()
    await bench.until('it is in its handler', () => first.consumer.status().inFlight === 1)
    await bench.joined()
    await bench.until('it is to leave', () => partitionOf(first, 1)?.blockedBy !== null)
    for (const number of range(20)) bench.append(0, thing(`e${number}`))
    bench.append(1, thing('not ours any more', 'other'))
    await bench.untilCommitted(20)
    expect(partitionsOf(first)).toBe(2)
    expect(bench.effects).toEqual(range(20).map(number => `e${number}`))
    expect(first.consumer.status().standingStill).toBeNull()
    gate.open()
    await bench.untilCommitted(2, 1)
    expect(bench.effects.slice(20)).toEqual(['slow', 'not ours any more'])
  })

  test('takes along what was settled above the committable offset: who gets it repeats nothing', async () => {
    const runs: string[] = []
    const gate = latch()
    const handler = repeatableHandler(async record => {
      runs.push(`${record.partition}@${record.offset}`)
      if (record.partition === 1 && record.offset === 0 && runs.length < 10) await gate.passed
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    bench.append(1, ...range(5).map(number => thing(`e${number}`, `k${number}`)))
    const first = await bench.joined()
    await bench.until(
      'all but the first are settled',
      () => runs.length === 5 && first.consumer.status().inFlight === 1,
    )
    const second = await bench.joined()
    await bench.until('the time of the hand-over is up', () => partitionsOf(second) === 1)
    expect(bench.committed(1)).toBe(0)
    await bench.until('the first is run again', () => runs.length === 6)
    await bench.pass(1_000)
    expect(runs.slice(5)).toEqual(['1@0'])
    gate.open()
    await bench.untilCommitted(5, 1)
  })

  test('that is called off leaves everything as it was: what waits in the partition is started at once', async () => {
    const gate = latch()
    const handler = thingHandler({
      async handle({ value }, { tx }) {
        if (value.id === 'slow') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    bench.append(1, thing('slow', 'k'), thing('next', 'k'))
    const first = await bench.joined()
    const before = epochsOf(first)
    await bench.until('it is in its handler', () => first.consumer.status().inFlight === 1)
    const second = await bench.joined()
    await bench.until('it is to leave', () => partitionOf(first, 1)?.blockedBy !== null)
    bench.append(1, thing('other', 'other'))
    void second.source.stop()
    await bench.until('it stays after all', () => bench.effects.length === 1)
    expect(bench.effects).toEqual(['other'])
    gate.open()
    await bench.untilCommitted(3, 1)
    expect(epochsOf(first)).toEqual(before)
    expect(revoked(first)).toEqual([])
    expect(outcomesOf(first)).toEqual({ acked: 3 })
  })

  test('does not wait for ever: past the deadline it is let go, the handler is told, its late end settles nothing', async () => {
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

  test('hands over everything in a group with a member that rebalances eagerly, and repeats nothing then either', async () => {
    const runs: string[] = []
    const handler = thingHandler({ handle: async ({ value }) => void runs.push(value.id) })
    const bench = new Bench({ handlers: [handler], partitions: 4, limits: { inFlightMax: 3 } })
    bench.database.claimsTake(10)
    const eager = { source: bench.broker.source({ group: GROUP, topics: ['things'], protocol: 'eager' }) }
    const old = await bench.joined(eager)
    for (const number of range(1_200)) bench.append(number % 4, thing(`e${number}`, `k${number % 10}`))
    await bench.until('some are done', () => runs.length > 50)
    const members = [old, await bench.joined()]
    await bench.until('they share', () => members.every(member => partitionsOf(member) === 2))
    await bench.until('more are done', () => runs.length > 150)
    members.push(await bench.joined())
    await bench.until('all three share', () => members.every(member => partitionsOf(member) > 0))
    for (const partition of range(4)) await bench.untilCommitted(300, partition)
    expect(runs.length).toBe(1_200)
    expect(outcomesOf(...members)).toEqual({ acked: 1_200 })
    expect(members.every(({ telemetry }) => telemetry.facts.some(({ type }) => type === 'settled'))).toBe(true)
  })
})

function partitionsOf({ consumer }: Member): number {
  return consumer.status().partitions.length
}
