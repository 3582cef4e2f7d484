/**
 * What can not be handled goes to the dead letter topic, and its offset is committed only when that topic has it. While the
 * topic refuses, the partition is held and nothing of it is lost; other partitions go on.
 */
import { describe, expect, test } from 'vitest'
import { DeadLetterNotWritten } from '../../src/consumer/errors.ts'
import { exponential, Reject } from '../../src/consumer/handler.ts'
import { bytes } from '../support/bytes.ts'
import { attemptsMax, Bench, outcomesOf, partitionOf } from '../support/consumer-bench.ts'
import { thing, thingHandler } from '../support/floor.ts'

const RETRY = exponential({ initialMs: 100, maxMs: 1_000, attemptsMax: 3 })

/** Refuses things whose id begins with `bad`. */
const choosy = thingHandler({
  retry: RETRY,
  async handle({ value }, { tx }) {
    if (value.id.startsWith('bad')) throw new Reject('this one never')
    await tx.query('effect', [value.id])
  },
})

const garbage = { key: bytes('k'), value: bytes('no frame') }

describe('a dead letter', () => {
  test('is written before its offset is committed; meanwhile other keys go on, its own waits', async () => {
    const bench = new Bench({ handlers: [choosy] })
    bench.letters.hold()
    bench.append(0, thing('a', 'k'), garbage, thing('after', 'k'), thing('b', 'other'))
    const member = await bench.joined()
    await bench.pass(10_000)
    expect(bench.effects).toEqual(['a', 'b'])
    expect(bench.committed()).toBe(1)
    expect(bench.letters.written).toEqual([])
    expect(partitionOf(member)?.blockedBy).toMatch(/offset 1: its dead letter is being written/)
    bench.letters.release()
    await bench.untilCommitted(4)
    expect(bench.letters.written).toHaveLength(1)
    expect(bench.effects).toEqual(['a', 'b', 'after'])
    expect(outcomesOf(member)).toEqual({ acked: 3, dead_lettered: 1 })
  })

  test('carries the record as it was, and says what became of it', async () => {
    const bench = new Bench({ handlers: [choosy] })
    const headers = [['trace', bytes('1')] as const]
    bench.append(0, { ...garbage, headers, timestampMs: 77 }, thing('bad', 'k'))
    await bench.joined()
    await bench.untilCommitted(2)
    const wallMs = expect.any(Number)
    expect(bench.letters.written).toEqual([
      {
        topic: 'things',
        partition: 0,
        record: { offset: 0, timestampMs: 77, key: bytes('k'), value: bytes('no frame'), headers },
        handler: null,
        reason: 'framing',
        error: 'no schema id in front',
        attempts: 0,
        firstFailedAtMs: wallMs,
        failedAtMs: wallMs,
        id: 'things/0/0/group',
      },
      expect.objectContaining({ handler: 'things', reason: 'rejected', attempts: 1, error: 'Reject: this one never' }),
    ])
  })

  test('of a record whose attempts are used up says how many there were, and since when it failed', async () => {
    const failing = thingHandler({
      retry: RETRY,
      handle: () => {
        throw new TypeError('never works')
      },
    })
    const bench = new Bench({ handlers: [failing] })
    bench.append(0, thing('a', 'k'))
    const member = await bench.joined()
    await bench.untilCommitted(1)
    const [letter] = bench.letters.written
    expect(letter).toMatchObject({ reason: 'attempts-exhausted', attempts: 3, error: 'TypeError: never works' })
    // Half of 100 ms and half of 200 ms, as the dice have it.
    expect((letter?.failedAtMs ?? 0) - (letter?.firstFailedAtMs ?? 0)).toBe(150)
    expect(attemptsMax(member)).toBe(3)
    expect(member.log.lines.filter(({ message }) => message === 'an attempt failed')).toHaveLength(3)
    expect(member.log.lines.at(-1)).toMatchObject({
      level: 'warn',
      fields: { topic: 'things', partition: 0, offset: 0, reason: 'attempts-exhausted', attempts: 3 },
    })
  })

  test('keeps the order of its key among dead letters', async () => {
    const bench = new Bench({ handlers: [choosy] })
    for (let number = 0; number < 30; number++) bench.append(0, thing(`bad${number}`, 'k'))
    await bench.joined()
    await bench.untilCommitted(30)
    expect(bench.letters.written.map(({ record }) => record.offset)).toEqual(Array.from({ length: 30 }, (_, at) => at))
  })
})

describe('a dead letter topic that refuses', () => {
  const refusal = new DeadLetterNotWritten('not enough replicas')

  test('holds the partition and its offset, says so, lets others flow, and loses nothing when it is mended', async () => {
    const bench = new Bench({ handlers: [choosy], partitions: 2 })
    bench.letters.refuse(refusal)
    bench.append(0, thing('a', 'k'), thing('bad', 'k'), thing('after', 'k'), thing('b', 'other'))
    const member = await bench.joined()
    await bench.until('it is refused', () => member.log.lines.some(({ level }) => level === 'error'))
    bench.append(0, thing('c', 'more'))
    bench.append(1, thing('d'), thing('e'))
    await bench.pass(60_000)
    expect(bench.committed(0)).toBe(1)
    expect(bench.committed(1)).toBe(2)
    expect(bench.effects.toSorted()).toEqual(['a', 'b', 'd', 'e'])
    expect(partitionOf(member)?.blockedBy).toMatch(/the dead letter topic has refused for .*not enough replicas/)
    expect(partitionOf(member, 1)?.blockedBy).toBeNull()
    const errors = member.log.lines.filter(({ level }) => level === 'error')
    expect(errors[0]?.fields).toEqual({
      topic: 'things',
      partition: 0,
      records: 1,
      error: 'DeadLetterNotWritten: not enough replicas',
    })
    // With growing waits between, up to 15 s.
    expect(errors.length).toBeGreaterThan(4)
    expect(errors.length).toBeLessThan(15)
    bench.letters.refuse(null)
    await bench.untilCommitted(5)
    expect(bench.letters.written.map(({ record }) => record.offset)).toEqual([1])
    expect(bench.effects.toSorted()).toEqual(['a', 'after', 'b', 'c', 'd', 'e'])
    expect(partitionOf(member)?.blockedBy).toBeNull()
  })

  test('does not keep the process from stopping: the letter is not written, its offset not committed', async () => {
    const bench = new Bench({ handlers: [choosy] })
    bench.letters.refuse(refusal)
    bench.append(0, thing('a'), thing('bad'))
    const { consumer, log } = await bench.joined()
    await bench.until('it is refused', () => log.lines.some(({ level }) => level === 'error'))
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.until('it has stopped', () => consumer.status().state === 'stopped')
    expect(await drained).toEqual({ unfinished: 0, committed: true })
    expect(bench.committed()).toBe(1)
  })

  test('and hangs as well counts as unfinished when the time to stop is up', async () => {
    const bench = new Bench({ handlers: [choosy] })
    bench.letters.hold()
    bench.append(0, thing('bad'))
    const { consumer } = await bench.joined()
    await bench.until('it is being written', () => consumer.status().partitions[0]?.inFlight === 1)
    const drained = consumer.drain(bench.clock.nowMs() + 20_000)
    await bench.pass(20_000)
    expect(await drained).toEqual({ unfinished: 1, committed: true })
    expect(bench.committed()).toBeNull()
  })

  test('answers late, after its partition has gone: it settles nothing', async () => {
    const bench = new Bench({ handlers: [choosy] })
    bench.letters.hold()
    bench.append(0, thing('bad', 'k'), thing('after', 'k'))
    const { consumer, source } = await bench.joined()
    await bench.until('it is being written', () => consumer.status().partitions[0]?.inFlight === 1)
    source.crash()
    await bench.until('it has joined again', () => consumer.status().partitions[0]?.epoch === 2)
    expect(bench.committed()).toBeNull()
    bench.letters.release()
    await bench.untilCommitted(2)
    // Written twice, with the same id: nobody can tell whether the first one arrived.
    expect(bench.letters.written.map(({ id }) => id)).toEqual(['things/0/0/group', 'things/0/0/group'])
    expect(bench.effects).toEqual(['after'])
  })
})
