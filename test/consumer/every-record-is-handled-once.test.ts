/**
 * A stream goes through a whole consumer: some events are sent twice, some keys are slow, some records fail for a while. Each
 * event has its effect once, each key its order, and in the end all of it is committed.
 */
import { describe, expect, test } from 'vitest'
import { exponential } from '../../src/consumer/handler.ts'
import { Bench, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { latch, range, thing, thingHandler } from '../support/floor.ts'

describe('every record is handled once', () => {
  test('on every partition, and all of it is committed', async () => {
    const bench = new Bench({ partitions: 3 })
    for (const number of range(300)) bench.append(number % 3, thing(`e${number}`, `k${number % 7}`))
    const member = await bench.joined()
    for (const partition of range(3)) await bench.untilCommitted(100, partition)
    expect(bench.effects.toSorted()).toEqual(
      range(300)
        .map(number => `e${number}`)
        .toSorted(),
    )
    expect(outcomesOf(member)).toEqual({ acked: 300 })
    expect(member.consumer.status()).toMatchObject({ inFlight: 0, buffered: 0, bufferedBytes: 0 })
    for (const status of member.consumer.status().partitions)
      expect(status).toMatchObject({ lagRecords: 0, lagSeconds: 0, oldestUnsettled: null, blockedBy: null })
  })

  test('though some of the events are sent again, at another offset, in the same turn or later', async () => {
    const bench = new Bench({ partitions: 2 })
    bench.append(0, thing('a', 'k'), thing('a', 'k'), thing('b'), thing('b'))
    bench.append(1, thing('a', 'k'))
    const member = await bench.joined()
    await bench.untilCommitted(4, 0)
    bench.append(1, thing('b'), thing('c'))
    await bench.untilCommitted(3, 1)
    expect(bench.effects.toSorted()).toEqual(['a', 'b', 'c'])
    expect(outcomesOf(member)).toEqual({ acked: 3, duplicate: 4 })
    expect(member.telemetry.duplicates).toHaveLength(4)
    expect(member.telemetry.duplicates.every(({ redelivered }) => !redelivered)).toBe(true)
  })

  test('in the order of its key, one at a time, whatever becomes of each attempt', async () => {
    const seen: string[] = []
    const running = new Map<string, number>()
    const handler = thingHandler({
      retry: exponential({ initialMs: 10, maxMs: 100, attemptsMax: 5 }),
      async handle({ value, key }, { tx, attempt }) {
        const lane = new TextDecoder().decode(key ?? undefined)
        running.set(lane, (running.get(lane) ?? 0) + 1)
        expect(running.get(lane)).toBe(1)
        await tx.query('effect', [value.id])
        running.set(lane, 0)
        if (attempt === 1 && value.id.endsWith('3')) throw new TypeError('not now')
        seen.push(value.id)
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2 })
    for (const number of range(80)) bench.append(number % 2, thing(`e${number}`, `k${number % 4}`))
    await bench.joined()
    for (const partition of range(2)) await bench.untilCommitted(40, partition)
    expect(seen).toHaveLength(80)
    for (const key of range(4)) {
      const ofKey = seen.map(id => Number(id.slice(1))).filter(number => number % 4 === key)
      expect(ofKey).toEqual(ofKey.toSorted((one, other) => one - other))
    }
    expect(bench.effects).toEqual(seen)
  })

  test('where offsets have gaps: the lag reaches nothing nevertheless', async () => {
    const bench = new Bench()
    bench.append(0, thing('a'))
    bench.broker.skip('things', 0, 3)
    bench.append(0, thing('b'))
    bench.broker.skip('things', 0, 2)
    const member = await bench.joined()
    await bench.untilCommitted(7)
    expect(bench.effects).toEqual(['a', 'b'])
    expect(partitionOf(member)).toMatchObject({ lagRecords: 0, position: 7, committed: 7 })
  })
})

describe('a slow key', () => {
  test('does not stall the others, nor commit past itself', async () => {
    const gate = latch()
    const handler = thingHandler({
      timeoutMs: 600_000,
      async handle({ value }, { tx }) {
        if (value.id === 'slow') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('a', 'a'), thing('slow', 'slow'), thing('after', 'slow'))
    for (const number of range(50)) bench.append(0, thing(`e${number}`, `k${number % 5}`))
    const member = await bench.joined()
    await bench.until('the others are done', () => bench.effects.length === 51)
    await bench.pass(5_000)
    expect(bench.committed()).toBe(1)
    expect(bench.effects).not.toContain('after')
    expect(partitionOf(member)).toMatchObject({
      oldestUnsettled: 1,
      inFlight: 1,
      buffered: 1,
      blockedBy: expect.stringMatching(/offset 1 in attempt 1 of handler things for 5/),
    })
    gate.open()
    await bench.untilCommitted(53)
    expect(bench.effects.slice(-2)).toEqual(['slow', 'after'])
  })

  test('holds what runs ahead of it to the window: the partition is paused, others are not, and it goes on after', async () => {
    const gate = latch()
    const handler = thingHandler({
      timeoutMs: 600_000,
      async handle({ value }, { tx }) {
        if (value.id === 'slow') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2, limits: { windowMax: 20 } })
    bench.append(0, thing('slow', 'slow'))
    for (const number of range(2_000)) bench.append(0, thing(`e${number}`))
    const member = await bench.joined()
    await bench.until('it is paused', () => partitionOf(member)?.paused === 'window')
    for (const number of range(10)) bench.append(1, thing(`f${number}`))
    await bench.untilCommitted(10, 1)
    expect(bench.effects).toHaveLength(19 + 10)
    expect(partitionOf(member)?.position).toBeLessThan(2_001)
    expect(partitionOf(member)?.blockedBy).toMatch(/its window is full behind offset 0 in attempt 1/)
    gate.open()
    await bench.untilCommitted(2_001)
    expect(new Set(bench.effects).size).toBe(2_011)
  })
})

describe('what a handler may have at once', () => {
  test('is bounded for the process and for itself, and nobody starves', async () => {
    let most = 0
    const mostOf = { a: 0, b: 0 }
    const now = { a: 0, b: 0 }
    const handlerOf = (topic: 'a' | 'b', concurrencyMax: number) =>
      thingHandler({
        name: topic,
        topic,
        concurrencyMax,
        async handle(_record, { tx }) {
          now[topic]++
          mostOf[topic] = Math.max(mostOf[topic], now[topic])
          most = Math.max(most, now.a + now.b)
          await tx.query('select 1')
          now[topic]--
        },
      })
    const bench = new Bench({
      handlers: [handlerOf('a', 2), handlerOf('b', 50)],
      partitions: 0,
      limits: { inFlightMax: 6 },
    })
    for (const topic of ['a', 'b']) {
      bench.broker.topic(topic, 1)
      for (const number of range(60)) bench.broker.append(topic, 0, thing(`${topic}${number}`))
    }
    await bench.joined()
    await bench.until('both are done', () => bench.committed(0, 'a') === 60 && bench.committed(0, 'b') === 60)
    expect([most, mostOf.a]).toEqual([6, 2])
    expect(mostOf.b).toBeGreaterThanOrEqual(4)
  })
})
