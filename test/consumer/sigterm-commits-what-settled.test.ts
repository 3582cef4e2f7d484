/**
 * A stop starts nothing new, lets what is in flight end, and commits; past its time it commits what settled and leaves the
 * rest, which is delivered again to whoever comes next.
 */
import { describe, expect, test } from 'vitest'
import { NobodyWaits } from '../../src/consumer/attempt.ts'
import { Misconfigured } from '../../src/consumer/errors.ts'
import type { RecordSource } from '../../src/consumer/ports.ts'
import { Bench, outcomesOf } from '../support/consumer-bench.ts'
import { latch, THING_ID, thing, thingHandler, turn } from '../support/floor.ts'

/** Slow things wait for the gate; all take their time, however long. */
function slowHandler(gate: Promise<void>, signals: AbortSignal[] = []) {
  return thingHandler({
    timeoutMs: 600_000,
    async handle({ value }, { tx, signal }) {
      signals.push(signal)
      if (value.id.startsWith('slow')) await gate
      await tx.query('effect', [value.id])
    },
  })
}

describe('a stop in time', () => {
  test('finishes what is in flight, starts nothing new, commits, and the next member repeats nothing', async () => {
    const gate = latch()
    const bench = new Bench({ handlers: [slowHandler(gate.passed)], limits: { inFlightMax: 2 } })
    bench.append(0, thing('a'), thing('slow1', 'k'), thing('next', 'k'))
    const { consumer, source, telemetry } = await bench.joined()
    await bench.until('it is in its handler', () => consumer.status().inFlight === 1 && bench.effects.length > 0)
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    bench.append(0, thing('later'))
    await bench.pass(5_000)
    expect(consumer.status()).toMatchObject({ state: 'draining', standingStill: 'stopping: nothing new is started' })
    gate.open()
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
    expect(await drained).toEqual({ unfinished: 0, committed: true })
    expect(bench.effects).toEqual(['a', 'slow1'])
    expect(bench.committed()).toBe(2)
    void source.stop()
    const next = await bench.joined()
    await bench.untilCommitted(4)
    expect(outcomesOf(next)).toEqual({ acked: 2 })
    expect(telemetry.commands.at(-1)).toEqual({ type: 'stopped', unfinished: 0, committed: true })
  })

  test('commits at once, not at the next interval', async () => {
    const bench = new Bench({ limits: { commitIntervalMs: 60_000 } })
    const { consumer } = await bench.joined()
    bench.append(0, thing('a'))
    await bench.until('it is done', () => bench.effects.length === 1)
    const before = bench.clock.nowMs()
    void consumer.drain(before + 20_000)
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
    expect(bench.committed()).toBe(1)
    expect(bench.clock.nowMs() - before).toBeLessThan(100)
  })

  test('waits for the answer to its last commit', async () => {
    const bench = new Bench()
    bench.broker.faults.holdCommitAnswers = true
    const { consumer } = await bench.joined()
    bench.append(0, thing('a'))
    await bench.until('it is done', () => bench.effects.length === 1)
    void consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.pass(1_000)
    expect(bench.committed()).toBe(1)
    expect(consumer.status().state).toBe('draining')
    bench.broker.faults.holdCommitAnswers = false
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
  })

  test('a second call gives the first one’s promise, and changes nothing', async () => {
    const gate = latch()
    const bench = new Bench({ handlers: [slowHandler(gate.passed)] })
    bench.append(0, thing('slow1'))
    const { consumer } = await bench.joined()
    await bench.until('it is in its handler', () => consumer.status().inFlight === 1)
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    expect(consumer.drain(bench.clock.nowMs())).toBe(drained)
    await bench.pass(10_000)
    gate.open()
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
    expect(await drained).toEqual({ unfinished: 0, committed: true })
  })

  test('leaves nothing behind that goes on by itself: the registry is not asked any more', async () => {
    const bench = new Bench()
    bench.decoder.down()
    bench.append(0, thing('a'))
    const { consumer, source } = await bench.joined()
    await bench.pass(1_000)
    void consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
    const stopped = source.stop()
    await bench.pass(10)
    await stopped
    const asked = bench.decoder.asked(THING_ID)
    await bench.pass(120_000)
    expect(bench.decoder.asked(THING_ID)).toBe(asked)
    expect(bench.clock.nextAtMs()).toBeNull()
  })

  test('retries that rest are not waited for: they are delivered again', async () => {
    const failing = thingHandler({
      handle: () => {
        throw new TypeError('not now')
      },
    })
    const bench = new Bench({ handlers: [failing] })
    bench.append(0, thing('a'))
    const { consumer, telemetry } = await bench.joined()
    await bench.until('it has failed', () => telemetry.facts.some(({ type }) => type === 'failed'))
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await turn()
    expect(await drained).toEqual({ unfinished: 0, committed: true })
    expect(bench.committed()).toBeNull()
    expect(bench.letters.written).toEqual([])
  })
})

describe('a stop whose time is up', () => {
  test('fires the signals, counts what is unfinished, commits what settled and nothing of the rest', async () => {
    const gate = latch()
    const signals: AbortSignal[] = []
    const bench = new Bench({ handlers: [slowHandler(gate.passed, signals)] })
    bench.append(0, thing('a'), thing('slow1', 'k'), thing('slow2', 'l'), thing('b'))
    const { consumer, telemetry } = await bench.joined()
    await bench.until('two hang', () => consumer.status().inFlight === 2)
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.pass(19_999)
    expect(signals.filter(({ aborted }) => aborted)).toEqual([])
    await bench.pass(1)
    expect(await drained).toEqual({ unfinished: 2, committed: true })
    expect(signals.map(({ aborted }) => aborted).filter(Boolean)).toHaveLength(2)
    expect(signals.find(({ aborted }) => aborted)?.reason).toBeInstanceOf(NobodyWaits)
    expect(bench.committed()).toBe(1)
    // They end late: nothing follows from it.
    const commands = telemetry.commands.length
    gate.open()
    await bench.pass(5_000)
    expect(bench.committed()).toBe(1)
    expect(telemetry.commands.slice(commands)).toEqual([])
  })

  test('with handlers that obey their signal still counts them: they did not finish', async () => {
    const handler = thingHandler({
      timeoutMs: 600_000,
      handle: (_record, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('a'))
    const { consumer, telemetry } = await bench.joined()
    await bench.until('it is in its handler', () => consumer.status().inFlight === 1)
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.pass(20_000)
    expect(await drained).toEqual({ unfinished: 1, committed: true })
    expect(telemetry.facts.findLast(({ type }) => type === 'failed')).toMatchObject({ failure: { kind: 'aborted' } })
    expect(bench.letters.written).toEqual([])
  })

  test('because the broker is away says that not everything is committed', async () => {
    const bench = new Bench()
    const { consumer } = await bench.joined()
    bench.append(0, thing('a'))
    await bench.until('it is done', () => bench.effects.length === 1)
    bench.broker.faults.down = true
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.pass(40_000)
    expect(await drained).toEqual({ unfinished: 0, committed: false })
    expect(bench.committed()).toBeNull()
  })
})

describe('a stop before there is anything to stop', () => {
  test('ends at once before the start, and nothing is consumed afterwards', async () => {
    const bench = new Bench()
    bench.append(0, thing('a'))
    const { consumer, source } = bench.member()
    expect(await consumer.drain(20_000)).toEqual({ unfinished: 0, committed: true })
    const stopped = source.stop()
    await bench.pass(10)
    await stopped
    await expect(consumer.start()).resolves.toBeUndefined()
    await bench.pass(5_000)
    expect(bench.effects).toEqual([])
  })

  test('ends at once before the first join; a join that comes late starts nothing', async () => {
    const bench = new Bench()
    bench.append(0, thing('a'))
    const { consumer } = bench.member()
    void consumer.start()
    expect(await consumer.drain(20_000)).toEqual({ unfinished: 0, committed: true })
    await bench.pass(5_000)
    expect(bench.effects).toEqual([])
    expect(consumer.status().state).toBe('stopped')
  })

  test('ends at once while the source waits for its topic: the start that was under way is no error', async () => {
    const bench = new Bench({ partitions: 0 })
    const { consumer, source, log } = bench.member()
    const started = consumer.start()
    await bench.pass(10_000)
    expect(consumer.waiting).toMatch(/topic things does not exist/)
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn', message: 'waiting for Kafka' }))
    expect(await consumer.drain(bench.clock.nowMs() + 20_000)).toEqual({ unfinished: 0, committed: true })
    const stopped = source.stop()
    await bench.pass(10)
    await stopped
    await expect(started).resolves.toBeUndefined()
    // Nobody waits for a join that will not come.
    await expect(consumer.joined).resolves.toBeUndefined()
  })

  test('during a hand-over ends both', async () => {
    const gate = latch()
    const bench = new Bench({ handlers: [slowHandler(gate.passed)], partitions: 2 })
    bench.append(0, thing('slow1'))
    const first = await bench.joined()
    await bench.until('it is in its handler', () => first.consumer.status().inFlight === 1)
    const second = bench.member()
    void second.consumer.start()
    await bench.pass(1_000)
    const drained = first.consumer.drain(bench.clock.nowMs() + 20_000)
    gate.open()
    await bench.until('it has stopped', () => first.consumer.status().state === 'stopped')
    expect(await drained).toEqual({ unfinished: 0, committed: true })
    expect(bench.committed(0)).toBe(1)
    void first.source.stop()
    await bench.until('the other has all', () => second.consumer.status().partitions.length === 2)
    expect(bench.effects).toEqual(['slow1'])
  })
})

describe('a start that fails by itself', () => {
  test('is told: what is wrong with the configuration is not swallowed', async () => {
    const bench = new Bench()
    const refused = new Misconfigured('SASL mechanism is not enabled')
    const source: RecordSource = { ...bench.member().source, alive: true, start: () => Promise.reject(refused) }
    const { consumer } = bench.member({ source })
    await expect(consumer.start()).rejects.toBe(refused)
  })
})
