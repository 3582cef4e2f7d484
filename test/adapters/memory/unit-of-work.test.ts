/** The switches that only the memory unit of work has; all else is in the contract. */
import { expect, test } from 'vitest'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { memoryUnitOfWork } from '../../../src/adapters/memory/unit-of-work.ts'
import { CommitUnknown } from '../../../src/consumer/errors.ts'
import type { Claim, Failure } from '../../../src/consumer/ports.ts'
import { until } from '../../contracts/unit-of-work.ts'

const RECORD: Claim = { handler: 'h', idempotencyKey: 'k', topic: 't', partition: 0, offset: 7, value: null }
const FAILURES: Failure[] = [
  { kind: 'passing', reason: 'attempts-exhausted', timedOut: false },
  { kind: 'record', reason: 'invalid-data' },
  { kind: 'outage', dependency: 'database' },
  { kind: 'ours' },
]

test('rows and effects show what was committed, and nothing else', async () => {
  const work = memoryUnitOfWork({ clock: memoryClock() })
  const unit = work.begin(RECORD, 1_000)
  await unit.tx.query('effect', [{ any: 'thing' }])
  expect([work.rows(), work.effects]).toEqual([[], []])
  await unit.finish()
  const row = { handler: 'h', idempotencyKey: 'k', topic: 't', partition: 0, offset: 7, valueCrc32: 0 }
  expect([work.rows(), work.effects]).toEqual([[row], [{ any: 'thing' }]])
})

test.each(FAILURES)('a commit that is refused as $kind is classified so, and keeps nothing', async failure => {
  const work = memoryUnitOfWork({ clock: memoryClock() })
  work.nextCommit(failure)
  const refused: unknown = await work
    .begin(RECORD, 1_000)
    .finish()
    .catch((error: unknown) => error)
  expect(work.classify(refused)).toEqual(failure)
  expect(work.explain(refused)).toContain(failure.kind)
  expect(work.rows()).toEqual([])
  expect(await work.begin(RECORD, 1_000).finish()).toBeNull()
})

test.each(FAILURES)('a statement that fails as $kind is classified so', async failure => {
  const work = memoryUnitOfWork({ clock: memoryClock() })
  const unit = work.begin(RECORD, 1_000)
  const failed: unknown = await unit.tx.query('fail', [failure]).catch((error: unknown) => error)
  expect(work.classify(failed)).toEqual(failure)
  await unit.abandon()
})

test('each commit has the fate that was asked for it, in order', async () => {
  const work = memoryUnitOfWork({ clock: memoryClock() })
  work.nextCommit('unknown-lost')
  work.nextCommit('unknown-done')
  const finish = () => work.begin(RECORD, 1_000).finish()
  await expect(finish()).rejects.toBeInstanceOf(CommitUnknown)
  expect(work.rows()).toHaveLength(0)
  await expect(finish()).rejects.toBeInstanceOf(CommitUnknown)
  expect(work.rows()).toHaveLength(1)
  expect(await finish()).toEqual({ redelivered: true, conflicting: false })
})

test('a claim may be made to take its time, during which the unit is claiming', async () => {
  const clock = memoryClock()
  const work = memoryUnitOfWork({ clock })
  work.claimsTake(200)
  const unit = work.begin(RECORD, 1_000)
  const done = unit.finish()
  await until(() => clock.nextAtMs() !== null)
  expect(unit.phase).toBe('claiming')
  clock.advance(200)
  expect(await done).toBeNull()
})

test('idle time begins again with every statement', async () => {
  const clock = memoryClock()
  const unit = memoryUnitOfWork({ clock }).begin(RECORD, 1_000)
  await unit.tx.query('effect', [1])
  clock.advance(900)
  await unit.tx.query('effect', [2])
  clock.advance(900)
  expect(await unit.finish()).toBeNull()
})

test('a unit that ended leaves no timer behind', async () => {
  const clock = memoryClock()
  const work = memoryUnitOfWork({ clock })
  await work.begin(RECORD, 1_000).finish()
  const unit = work.begin({ ...RECORD, idempotencyKey: 'l' }, 1_000)
  await unit.tx.query('effect', [1])
  expect(clock.nextAtMs()).toBe(1_000)
  await unit.abandon()
  expect(clock.nextAtMs()).toBeNull()
})
