/** What every dead letter writer promises, run in memory and on Kafka. */
import { afterEach, describe, expect, test } from 'vitest'
import type { DeadLetter, DeadLetters, RawRecord } from '../../src/consumer/ports.ts'
import { bytes, hex } from '../support/bytes.ts'

/** A letter as somebody reads it back. */
export interface ReadLetter {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly record: RawRecord
  readonly handler: string | null
  readonly reason: string
  readonly error: string
  readonly attempts: number
  readonly firstFailedAtMs: number
  readonly failedAtMs: number
}

export interface DeadLettersHarness {
  /** A source topic and a writer for it, not started. */
  prepare(partitions: number): Promise<{ topic: string; deadLetters: DeadLetters }>
  /** What was written for a source topic, in the order of its partition. */
  read(topic: string): Promise<readonly ReadLetter[]>
  /** From now on nothing is taken for it. */
  refuse(topic: string): Promise<void>
}

export function letterOf(topic: string, change: Partial<DeadLetter> & { offset?: number } = {}): DeadLetter {
  const { offset = 0, ...rest } = change
  return {
    topic,
    partition: 0,
    record: { offset, timestampMs: 1_700_000_000_000, key: bytes('key'), value: bytes(`value ${offset}`), headers: [] },
    handler: 'orders',
    reason: 'rejected',
    error: 'Reject: no such customer',
    attempts: 2,
    firstFailedAtMs: 1_700_000_001_000,
    failedAtMs: 1_700_000_002_000,
    ...rest,
  }
}

export function deadLettersContract(name: string, harness: () => DeadLettersHarness): void {
  describe(`dead letters: ${name}`, () => {
    const running: DeadLetters[] = []

    const begin = async (partitions = 1) => {
      const prepared = await harness().prepare(partitions)
      running.push(prepared.deadLetters)
      await prepared.deadLetters.start()
      return prepared
    }

    afterEach(async () => {
      await Promise.all(running.splice(0).map(deadLetters => deadLetters.stop()))
    })

    test('a letter keeps its record byte for byte, and says what happened', async () => {
      const { topic, deadLetters } = await begin()
      const record: RawRecord = {
        offset: 41,
        timestampMs: 1_700_000_000_123,
        key: Uint8Array.of(0, 255, 1),
        value: Uint8Array.of(0, 0, 0, 0, 7, 200),
        headers: [
          // Repeated names stand together here: kafkajs, which reads this back, cannot tell their places among others.
          ['trace', bytes('one')],
          ['trace', bytes('two')],
          ['other', bytes('behind')],
          ['nothing', null],
          ['empty', bytes('')],
        ],
      }
      const letter = letterOf(topic, { record })
      await deadLetters.write([letter])
      const [read] = await harness().read(topic)
      expect(read && { ...read, record: plain(read.record), id: '' }).toEqual({
        ...letter,
        record: plain(record),
        id: '',
      })
    })

    test('null and empty keys and values stay apart, and a letter may have no handler', async () => {
      const { topic, deadLetters } = await begin()
      const base = { timestampMs: 5, headers: [] }
      const records: RawRecord[] = [
        { ...base, offset: 0, key: null, value: null },
        { ...base, offset: 1, key: bytes(''), value: bytes('') },
      ]
      await deadLetters.write(records.map(record => letterOf(topic, { record, handler: null })))
      const read = await harness().read(topic)
      expect(read.map(({ record }) => [record.key?.length ?? null, record.value?.length ?? null])).toEqual([
        [null, null],
        [0, 0],
      ])
      expect(read.map(({ handler }) => handler)).toEqual([null, null])
    })

    test('letters of a partition keep their order, over many writes', async () => {
      const { topic, deadLetters } = await begin(3)
      const offsets = Array.from({ length: 60 }, (_, offset) => offset)
      await Promise.all(
        [0, 20, 40].map(from =>
          deadLetters.write(offsets.slice(from, from + 20).map(offset => letterOf(topic, { offset, partition: 2 }))),
        ),
      )
      const read = await harness().read(topic)
      expect(read.map(({ record }) => record.offset)).toEqual(offsets)
    })

    test('a letter that is written again has the same id, and no other has it', async () => {
      const { topic, deadLetters } = await begin(2)
      await deadLetters.write([letterOf(topic, { offset: 1 })])
      await deadLetters.write([letterOf(topic, { offset: 1 })])
      await deadLetters.write([letterOf(topic, { offset: 2 })])
      await deadLetters.write([letterOf(topic, { offset: 1, partition: 1 })])
      const ids = (await harness().read(topic)).map(({ id }) => id)
      expect(ids.length).toBe(4)
      expect(new Set(ids).size).toBe(3)
    })

    test('the error is cut at 1 KiB, never within a character', async () => {
      const { topic, deadLetters } = await begin()
      await deadLetters.write([
        letterOf(topic, { error: `x${'é'.repeat(900)}` }),
        letterOf(topic, { offset: 1, error: '😀'.repeat(300) }),
      ])
      const errors = (await harness().read(topic)).map(({ error }) => error)
      expect(errors).toEqual([`x${'é'.repeat(511)}`, '😀'.repeat(256)])
    })

    test('a large heap of letters is written whole', async () => {
      const { topic, deadLetters } = await begin()
      const value = Buffer.alloc(100_000, 'x')
      const letters = Array.from({ length: 20 }, (_, offset) =>
        letterOf(topic, { record: { offset, timestampMs: 0, key: null, value, headers: [] } }),
      )
      await deadLetters.write(letters)
      const read = await harness().read(topic)
      expect(read.map(({ record }) => record.value?.length)).toEqual(letters.map(() => value.length))
    })

    test('nothing to write is written at once', async () => {
      const { topic, deadLetters } = await begin()
      await deadLetters.write([])
      expect(await harness().read(topic)).toEqual([])
    })

    test('what is not taken rejects', async () => {
      const { topic, deadLetters } = await begin()
      await deadLetters.write([letterOf(topic)])
      await harness().refuse(topic)
      await expect(deadLetters.write([letterOf(topic, { offset: 1 })])).rejects.toThrow(Error)
    })
  })
}

function plain({ offset, timestampMs, key, value, headers }: RawRecord): object {
  return {
    offset,
    timestampMs,
    key: hex(key),
    value: hex(value),
    headers: headers.map(([name, content]) => [name, hex(content)]),
  }
}
