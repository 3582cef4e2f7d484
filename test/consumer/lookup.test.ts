import { describe, expect, test } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { memoryUnitOfWork } from '../../src/adapters/memory/unit-of-work.ts'
import { Unavailable } from '../../src/consumer/errors.ts'
import { Lookup } from '../../src/consumer/lookup.ts'
import type { Claim, Known, UnitOfWork } from '../../src/consumer/ports.ts'
import { turn } from '../support/floor.ts'

const claim = (offset: number): Claim => ({
  handler: 'things',
  idempotencyKey: `e${offset}`,
  topic: 'things',
  partition: 0,
  offset,
  value: null,
})

const known = (offset: number): Known => ({ redelivered: offset % 2 === 0, conflicting: false })

/** An inbox whose answers a test gives, one question after the other. */
function inbox() {
  const questions: { readonly offsets: number[]; answer(): void; refuse(error: unknown): void }[] = []
  const unitOfWork: UnitOfWork = {
    ...memoryUnitOfWork({ clock: memoryClock() }),
    known: claims => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly (Known | null)[]>()
      const offsets = claims.map(({ offset }) => offset)
      questions.push({ offsets, answer: () => resolve(offsets.map(known)), refuse: reject })
      return promise
    },
  }
  return { questions, lookup: new Lookup(unitOfWork) }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

describe('the inbox is asked', () => {
  test('once for all that come in one turn, and each gets its own answer', async () => {
    const { questions, lookup } = inbox()
    const asked = range(0, 5).map(offset => lookup.known(claim(offset)))
    await turn()
    expect(questions.map(({ offsets }) => offsets)).toEqual([[0, 1, 2, 3, 4]])
    questions[0]?.answer()
    expect(await Promise.all(asked)).toEqual(range(0, 5).map(known))
  })

  test('at once for a lone record', async () => {
    const { questions, lookup } = inbox()
    const asked = lookup.known(claim(7))
    await Promise.resolve()
    expect(questions).toHaveLength(1)
    questions[0]?.answer()
    expect(await asked).toEqual(known(7))
  })

  test('one question at a time: while it is under way the next ones gather', async () => {
    const { questions, lookup } = inbox()
    const asked = [lookup.known(claim(0))]
    await turn()
    for (const offset of [1, 2]) asked.push(lookup.known(claim(offset)))
    await turn()
    asked.push(lookup.known(claim(3)))
    await turn()
    expect(questions).toHaveLength(1)
    questions[0]?.answer()
    await turn()
    expect(questions.map(({ offsets }) => offsets)).toEqual([[0], [1, 2, 3]])
    questions[1]?.answer()
    expect(await Promise.all(asked)).toEqual(range(0, 4).map(known))
  })

  test('with at most 500 claims a question, in the order they came', async () => {
    const { questions, lookup } = inbox()
    const asked = range(0, 1_201).map(offset => lookup.known(claim(offset)))
    for (let question = 0; question < 3; question++) {
      await turn()
      questions[question]?.answer()
    }
    expect(await Promise.all(asked)).toEqual(range(0, 1_201).map(known))
    expect(questions.map(({ offsets }) => offsets)).toEqual([range(0, 500), range(500, 1_000), range(1_000, 1_201)])
  })
})

describe('a question that fails', () => {
  test('fails for every one who asked it, and for nobody else', async () => {
    const { questions, lookup } = inbox()
    const first = Promise.allSettled(range(0, 3).map(offset => lookup.known(claim(offset))))
    await turn()
    const second = lookup.known(claim(3))
    const outage = new Unavailable('database', 'switched off')
    questions[0]?.refuse(outage)
    expect(await first).toEqual(range(0, 3).map(() => ({ status: 'rejected', reason: outage })))
    await turn()
    questions[1]?.answer()
    expect(await second).toEqual(known(3))
  })

  test('at once, without a promise, is a failure like any other', async () => {
    const lookup = new Lookup({
      ...memoryUnitOfWork({ clock: memoryClock() }),
      known: () => {
        throw new Unavailable('database', 'not even asked')
      },
    })
    await expect(lookup.known(claim(0))).rejects.toThrow('not even asked')
    await expect(lookup.known(claim(1))).rejects.toThrow('not even asked')
  })
})
