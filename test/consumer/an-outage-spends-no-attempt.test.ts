/**
 * Something that we depend on is away for a while, or somebody made a mistake that a person has to mend. No attempt is spent
 * and nothing is dead-lettered; what does not need it goes on; when it is back, every record is handled once.
 */
import { describe, expect, test } from 'vitest'
import { exponential, Unavailable } from '../../src/consumer/handler.ts'
import { inspectionOf } from '../../src/consumer/inspection.ts'
import type { Failure } from '../../src/consumer/ports.ts'
import { Startup } from '../../src/consumer/startup.ts'
import { attemptsMax, Bench, type Member, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { latch, repeatableHandler, thing, thingHandler } from '../support/floor.ts'

/** As strict as can be: an attempt that is spent shows in the dead letter topic. */
const ONCE = exponential({ initialMs: 1, maxMs: 1, attemptsMax: 1 })

function inspect(bench: Bench, { consumer, log }: Member) {
  const startup = new Startup([], { clock: bench.clock, random: () => 0, log })
  return inspectionOf({ consumer, startup, group: 'group', version: '0' })
}

describe('a database that goes away in the middle', () => {
  test('costs nothing but time: no dead letter, no attempt, every effect once', async () => {
    const gate = latch()
    const handler = thingHandler({
      retry: ONCE,
      timeoutMs: 600_000,
      async handle({ value }, { tx }) {
        await tx.query('effect', [value.id])
        if (value.id === 'e25') await gate.passed
        await tx.query('select 1')
      },
    })
    const bench = new Bench({ handlers: [handler], partitions: 2, limits: { inFlightMax: 10 } })
    for (let number = 0; number < 50; number++) bench.append(number % 2, thing(`e${number}`, `k${number % 5}`))
    const member = await bench.joined()
    await bench.until('e25 is in its handler', () => bench.effects.length > 10)
    bench.database.down()
    gate.open()
    await bench.pass(60_000)
    expect(bench.effects.length).toBeLessThan(50)
    expect(inspect(bench, member).ready().reasons).toEqual([expect.stringMatching(/^database: .*switched off/)])
    expect(inspect(bench, member).live().ok).toBe(true)
    const duringOutage = member.log.lines.filter(({ message }) => message.startsWith('an outage')).length
    // All that was in flight, then one probe every ten seconds at most.
    expect(duringOutage).toBeLessThan(10 + 20)
    bench.database.up()
    await bench.untilCommitted(25, 0)
    await bench.untilCommitted(25, 1)
    expect(bench.effects.toSorted()).toEqual(Array.from({ length: 50 }, (_, number) => `e${number}`).toSorted())
    expect(bench.letters.written).toEqual([])
    expect(attemptsMax(member)).toBe(1)
    expect(outcomesOf(member)).toEqual({ acked: 50 })
    expect(inspect(bench, member).ready()).toEqual({ ok: true, reasons: [] })
  })

  test('is no reason to stop for handlers that need none', async () => {
    const seen: string[] = []
    const free = {
      ...repeatableHandler(({ topic, offset }) => void seen.push(`${topic} ${offset}`), { name: 'free' }),
      topics: ['free'],
    }
    const bench = new Bench({ handlers: [thingHandler({ retry: ONCE }), free] })
    bench.broker.topic('free', 1)
    bench.database.down()
    bench.append(0, thing('a'))
    const member = await bench.joined()
    await bench.pass(5_000)
    bench.broker.append('free', 0, thing('b'), thing('c'))
    await bench.pass(5_000)
    expect(bench.committed(0, 'free')).toBe(2)
    expect(seen).toEqual(['free 0', 'free 1'])
    expect(bench.committed()).toBeNull()
    expect(partitionOf(member)?.blockedBy).toMatch(/offset 0 is held by the breaker of database/)
    bench.database.up()
    await bench.untilCommitted(1)
  })

  test('while COMMIT was under way leaves every effect once and no duplicate counted', async () => {
    const bench = new Bench({ handlers: [thingHandler({ retry: ONCE })] })
    bench.database.nextCommit('unknown-done')
    bench.database.nextCommit('unknown-lost')
    bench.append(0, thing('a', 'k'), thing('b', 'k'))
    const member = await bench.joined()
    await bench.untilCommitted(2)
    expect(bench.effects).toEqual(['a', 'b'])
    expect(outcomesOf(member)).toEqual({ acked: 2 })
    expect(bench.letters.written).toEqual([])
  })

  test('and hangs, so that the inbox answers nobody, is no dead handler: only a restart of the database would help', async () => {
    const bench = new Bench({ handlers: [thingHandler({ retry: ONCE, timeoutMs: 100 })] })
    const answer = latch()
    const known: typeof bench.database.known = async claims => {
      await answer.passed
      return await bench.database.known(claims)
    }
    bench.append(0, thing('a'))
    const member = await bench.joined({ unitOfWork: { ...bench.database, known } })
    await bench.pass(60_000)
    expect(member.consumer.status().inFlight).toBe(1)
    expect(inspect(bench, member).live()).toEqual({ ok: true, reasons: [] })
    answer.open()
    await bench.untilCommitted(1)
  })
})

describe('a fault of ours', () => {
  const UNDEFINED_TABLE: Failure = { kind: 'ours' }

  test('holds its handler alone, loudly: not ready, nothing dead-lettered, and it goes on when somebody mends it', async () => {
    let tableIsThere = false
    const broken = thingHandler({
      retry: ONCE,
      async handle({ value }, { tx }) {
        if (!tableIsThere) await tx.query('fail', [UNDEFINED_TABLE])
        await tx.query('effect', [value.id])
      },
    })
    const sound = thingHandler({ name: 'others', topic: 'others' })
    const bench = new Bench({ handlers: [broken, sound] })
    bench.broker.topic('others', 1)
    for (let number = 0; number < 20; number++) bench.append(0, thing(`e${number}`))
    const member = await bench.joined()
    await bench.pass(10_000)
    bench.broker.append('others', 0, thing('x'), thing('y'))
    await bench.pass(60_000)
    expect(bench.effects).toEqual(['x', 'y'])
    expect(bench.committed(0, 'others')).toBe(2)
    expect(bench.committed()).toBeNull()
    expect(bench.letters.written).toEqual([])
    expect(partitionOf(member)?.blockedBy).toMatch(/a fault of ours/)
    expect(inspect(bench, member).ready().reasons).toEqual([expect.stringMatching(/^handler things: /)])
    expect(inspect(bench, member).live().ok).toBe(true)
    expect(member.consumer.status().handlers).toMatchObject([{ heldBy: 'handler things' }, { heldBy: null }])
    expect(member.log.lines.filter(({ level }) => level === 'error').length).toBeGreaterThan(1)
    tableIsThere = true
    await bench.untilCommitted(20)
    expect(bench.effects).toHaveLength(22)
    expect(attemptsMax(member)).toBe(1)
    expect(inspect(bench, member).ready().ok).toBe(true)
  })
})

describe('a dependency of a handler’s own', () => {
  test('holds the handlers that have named it, by its name, and one record asks whether it is back', async () => {
    let away = true
    let calls = 0
    const handler = thingHandler({
      retry: ONCE,
      async handle({ value }, { tx }) {
        calls++
        if (away) throw new Unavailable('payments', new TypeError('503'))
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler], limits: { inFlightMax: 5 } })
    for (let number = 0; number < 40; number++) bench.append(0, thing(`e${number}`))
    const member = await bench.joined()
    await bench.pass(60_000)
    expect(calls).toBeGreaterThan(5)
    expect(calls).toBeLessThan(5 + 20)
    expect(inspect(bench, member).ready().reasons).toEqual([expect.stringMatching(/^payments: .*503/)])
    away = false
    await bench.untilCommitted(40)
    expect(bench.effects).toHaveLength(40)
    expect(bench.letters.written).toEqual([])
  })
})

describe('a registry that goes away', () => {
  test('holds partitions that need a schema it has not given, and no others; nothing is dead-lettered', async () => {
    const bench = new Bench({ handlers: [thingHandler({ retry: ONCE })], partitions: 2 })
    bench.append(0, thing('a'))
    const member = await bench.joined()
    await bench.untilCommitted(1)
    bench.decoder.register(7, { name: 'test.Thing' })
    bench.decoder.down()
    bench.append(0, thing('b'), thing('c', null, 7), thing('d'))
    bench.append(1, thing('e'))
    await bench.pass(120_000)
    expect(bench.committed(0)).toBe(2)
    expect(bench.committed(1)).toBe(1)
    expect(partitionOf(member)).toMatchObject({
      paused: 'intake',
      blockedBy: expect.stringMatching(/schema 7: .*registry is unavailable/),
      lagRecords: 2,
    })
    expect(inspect(bench, member).ready().reasons).toEqual([expect.stringMatching(/^registry: .*unavailable/)])
    bench.decoder.up()
    await bench.untilCommitted(4, 0)
    expect(bench.effects).toEqual(['a', 'b', 'e', 'c', 'd'])
    expect(bench.letters.written).toEqual([])
    expect(partitionOf(member)).toMatchObject({ paused: null, blockedBy: null, lagRecords: 0 })
    expect(inspect(bench, member).ready().ok).toBe(true)
  })
})
