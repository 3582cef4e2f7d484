/** Where nothing but a restart helps, the consumer says so and does no harm meanwhile: nothing is started or committed. */
import { describe, expect, test } from 'vitest'
import type { RecordSource, SourceListener } from '../../src/consumer/ports.ts'
import { Bench, outcomesOf } from '../support/consumer-bench.ts'
import { latch, rawRecord, thing, thingHandler, turn } from '../support/floor.ts'

describe('a handler that is silent', () => {
  const TIMEOUT_MS = 1_000
  const stubborn = () => {
    const gate = latch()
    const handler = thingHandler({
      timeoutMs: TIMEOUT_MS,
      async handle({ value }, { tx }) {
        if (value.id === 'stubborn') await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    return { gate, handler }
  }

  test('is named after three of its timeouts, not before; the others go on meanwhile', async () => {
    const { handler } = stubborn()
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('a'), thing('stubborn', 'k'), thing('b'))
    const { consumer } = await bench.joined()
    await bench.until('it hangs', () => consumer.status().inFlight === 1)
    await bench.pass(3 * TIMEOUT_MS - 10)
    expect(consumer.dead()).toEqual([])
    await bench.pass(10)
    expect(consumer.dead()).toEqual(['handler things at things/0 offset 1 has ignored its signal for 3 timeouts'])
    expect(bench.effects).toEqual(['a', 'b'])
    expect(bench.committed()).toBe(1)
  })

  test('and comes back late is forgiven: its record is tried again', async () => {
    const { gate, handler } = stubborn()
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('stubborn'))
    const member = await bench.joined()
    await bench.until('it hangs', () => member.consumer.status().inFlight === 1)
    await bench.pass(10 * TIMEOUT_MS)
    expect(member.consumer.dead()).toHaveLength(1)
    gate.open()
    await bench.untilCommitted(1)
    expect(member.consumer.dead()).toEqual([])
    expect(bench.effects).toEqual(['stubborn'])
    expect(outcomesOf(member)).toEqual({ acked: 1 })
  })
})

describe('a source that cannot go on', () => {
  test('is the end: it is said once, with the reason, and nothing more is committed', async () => {
    const gate = latch()
    const signals: AbortSignal[] = []
    const handler = thingHandler({
      async handle({ value }, { tx, signal }) {
        signals.push(signal)
        await gate.passed
        await tx.query('effect', [value.id])
      },
    })
    const bench = new Bench({ handlers: [handler] })
    bench.append(0, thing('a'))
    const { consumer, source, log, telemetry } = await bench.joined()
    await bench.until('it is in its handler', () => consumer.status().inFlight === 1)
    source.fail(new TypeError('the client is beyond help'))
    expect(await consumer.failed).toBe('TypeError: the client is beyond help')
    expect(consumer.dead()).toEqual(['TypeError: the client is beyond help', 'the Kafka client is dead'])
    expect(signals[0]?.aborted).toBe(true)
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    const { decisions } = telemetry
    gate.open()
    await bench.pass(10_000)
    expect(telemetry.decisions).toBe(decisions)
    expect(bench.committed()).toBeNull()
    expect(await consumer.drain(bench.clock.nowMs() + 20_000)).toEqual({ unfinished: 1, committed: false })
  })
})

describe('a broken invariant', () => {
  test('ends it: a source that answers a range twice meets the ledger, and nothing is committed after', async () => {
    const bench = new Bench()
    const source = bench.broker.source({ group: 'group', topics: ['things'] })
    let listening: SourceListener | null = null
    const twice: RecordSource = {
      start: listener => {
        listening = listener
        return source.start(listener)
      },
      pause: assignments => source.pause(assignments),
      resume: assignments => source.resume(assignments),
      commit: offsets => source.commit(offsets),
      rejoin: why => source.rejoin(why),
      stop: () => source.stop(),
      alive: true,
    }
    const overlap = () =>
      listening?.answered({
        assignment: { topic: 'things', partition: 0, epoch: 1 },
        positionBefore: 0,
        positionAfter: 1,
        records: [rawRecord(0)],
        bytes: 10,
        highWatermark: 1,
        leaderEpoch: 0,
      })
    bench.append(0, thing('a'))
    const { consumer, log } = await bench.joined({ source: twice })
    await bench.until('it is done', () => bench.effects.length === 1)
    overlap()
    expect(consumer.dead()).toEqual([expect.stringMatching(/^BrokenInvariant: .*an offset is taken once/)])
    expect(await consumer.failed).toMatch(/an offset is taken once/)
    overlap()
    await bench.pass(10_000)
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    expect(bench.committed()).toBeNull()
  })

  test('during a hand-over lets the source go on: nobody waits for ever', async () => {
    const gate = latch()
    const handler = thingHandler({ handle: () => gate.passed })
    const bench = new Bench({ handlers: [handler] })
    let listening: SourceListener | null = null
    const source = bench.broker.source({ group: 'group', topics: ['things'] })
    bench.append(0, thing('a'))
    const { consumer } = await bench.joined({
      source: {
        start: listener => {
          listening = listener
          return source.start(listener)
        },
        pause: () => undefined,
        resume: () => undefined,
        commit: offsets => source.commit(offsets),
        rejoin: () => undefined,
        stop: () => source.stop(),
        alive: true,
      },
    })
    await bench.until('it is in its handler', () => consumer.status().inFlight === 1)
    let handedOver = false
    const revoking = (): Promise<void> | undefined => listening?.revoking([{ topic: 'things', partition: 0, epoch: 1 }])
    void revoking()?.finally(() => {
      handedOver = true
    })
    await turn()
    expect(handedOver).toBe(false)
    source.fail(new TypeError('dead'))
    await turn()
    expect(handedOver).toBe(true)
  })
})
