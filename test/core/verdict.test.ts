import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEAD_LETTER_REASONS } from '../../src/core/record.ts'
import { backoffMs, type Failure, type RetryPolicy, verdictOn } from '../../src/core/verdict.ts'
import { seedOf } from './seed.ts'

const seed = seedOf('verdict.test.ts')

const retry: RetryPolicy = { initialMs: 100, maxMs: 1_000, attemptsMax: 3 }
const passing: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const exhausted = { kind: 'dead-letter', reason: 'attempts-exhausted' } as const

const retries: Failure = { kind: 'passing', reason: 'invalid-data', timedOut: false }
const held = { kind: 'hold', dependency: 'database', ours: false } as const
const ours = { kind: 'hold', dependency: 'handler orders', ours: true } as const
const again = { kind: 'again', afterMs: 250 } as const

describe('every failure has one consequence, on every attempt', () => {
  test.each<[Failure, number, ReturnType<typeof verdictOn>]>([
    [{ kind: 'record', reason: 'rejected' }, 1, { kind: 'dead-letter', reason: 'rejected' }],
    [{ kind: 'record', reason: 'invalid-data' }, 3, { kind: 'dead-letter', reason: 'invalid-data' }],
    [passing, 1, { kind: 'retry', afterMs: 50 }],
    [passing, 2, { kind: 'retry', afterMs: 100 }],
    [passing, 3, exhausted],
    [passing, 4, exhausted],
    [{ ...passing, timedOut: true }, 1, { kind: 'retry', afterMs: 50 }],
    [{ ...passing, timedOut: true }, 3, exhausted],
    [retries, 2, { kind: 'retry', afterMs: 100 }],
    [retries, 3, { kind: 'dead-letter', reason: 'invalid-data' }],
    [{ kind: 'outage', dependency: 'database' }, 1, held],
    [{ kind: 'outage', dependency: 'database' }, 3, held],
    [{ kind: 'outage', dependency: 'database' }, 1_000, held],
    [{ kind: 'ours' }, 1, ours],
    [{ kind: 'ours' }, 1_000, ours],
    [{ kind: 'waiting' }, 1, again],
    [{ kind: 'waiting' }, 1_000, again],
    [{ kind: 'aborted' }, 1, { kind: 'forget' }],
    [{ kind: 'aborted' }, 1_000, { kind: 'forget' }],
  ])('%j on attempt %i', (failure, attempt, verdict) => {
    expect(verdictOn(failure, 'orders', { attempt, retry, random: 0.5 })).toEqual(verdict)
  })
})

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const policy = fc.record({
  initialMs: fc.integer({ min: 1, max: 60_000 }),
  maxMs: fc.integer({ min: 1, max: 3_600_000 }),
  attemptsMax: fc.integer({ min: 1, max: 1_000_000 }),
})
const notTheRecords = fc.constantFrom<Failure>(
  { kind: 'outage', dependency: 'database' },
  { kind: 'ours' },
  { kind: 'waiting' },
  { kind: 'aborted' },
)

test('no outage, no fault of ours, no waiting and no abort dead-letters a record, whatever the attempt', () => {
  fc.assert(
    fc.property(notTheRecords, fc.integer({ min: 1 }), policy, random, (failure, attempt, retry, random) => {
      expect(verdictOn(failure, 'h', { attempt, retry, random }).kind).not.toBe('dead-letter')
    }),
    { seed },
  )
})

test('a failure of the record carries its own reason, each of them', () => {
  for (const reason of DEAD_LETTER_REASONS) {
    const verdict = verdictOn({ kind: 'record', reason }, 'h', { attempt: 1, retry, random: 0 })
    expect(verdict).toEqual({ kind: 'dead-letter', reason })
  }
})

describe('backoff', () => {
  test('lies within [0, min(maxMs, initialMs · 2^(failures − 1))], however many failures', () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 1_000_000 }), random, (retry, failures, random) => {
        const restMs = backoffMs(retry, failures, random)
        expect(restMs).toBeGreaterThanOrEqual(0)
        expect(restMs).toBeLessThanOrEqual(Math.min(retry.maxMs, retry.initialMs * 2 ** (failures - 1)))
      }),
      { seed },
    )
  })

  test('doubles up to its cap', () => {
    const mostMs = [1, 2, 3, 4, 5, 60, 5_000].map(failures => backoffMs(retry, failures, 1))
    expect(mostMs).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000])
  })

  test('uses all of its range: full jitter', () => {
    expect([0, 0.25, 0.75].map(random => backoffMs(retry, 3, random))).toEqual([0, 100, 300])
  })
})
