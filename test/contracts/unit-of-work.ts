/** The sentences of the port `UnitOfWork`, one test each, for every adapter that claims to be one. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ClaimBusy, ClaimLost, CommitUnknown, Reject, Unavailable, UnitClosed } from '../../src/consumer/errors.ts'
import type { Claim, Transaction, Unit, UnitOfWork } from '../../src/consumer/ports.ts'
import { bytes } from '../support/bytes.ts'

/** An adapter with a fresh, empty database, and what the suite must be able to do to it. */
export interface Bench {
  readonly unitOfWork: UnitOfWork
  /** Writes `name` in the transaction. */
  effect(tx: Transaction, name: string): Promise<unknown>
  /** The names that were committed, in no order. */
  effects(): Promise<readonly string[]>
  /** A statement that fails and leaves the transaction unusable. */
  fail(tx: Transaction): Promise<unknown>
  /** A statement that outlasts every test. */
  hang(tx: Transaction): Promise<unknown>
  /** For a clock that does not run by itself. */
  pass(ms: number): void
  down(): void
  up(): void
  /** The answer to the next COMMIT never comes. */
  loseAnswerToCommit(how: 'done' | 'lost'): void
  close(): Promise<void>
}

/** Longer than anything here takes. */
const AMPLE_MS = 30_000

const OUTAGE = { kind: 'outage', dependency: 'database' }
const RECORD: Claim = { handler: 'h', idempotencyKey: 'k', topic: 't', partition: 3, offset: 70, value: bytes('v') }

export function unitOfWorkContract(name: string, makeBench: () => Promise<Bench>): void {
  describe(`the unit of work contract on ${name}`, () => {
    let bench: Bench
    let work: UnitOfWork
    beforeEach(async () => {
      bench = await makeBench()
      work = bench.unitOfWork
      await work.start()
    })
    afterEach(() => bench.close())

    const begin = (claim: Partial<Claim> = {}, timeoutMs = AMPLE_MS): Unit =>
      work.begin({ ...RECORD, ...claim }, timeoutMs)
    /** One whole attempt with one effect. */
    const attempt = async (effect: string, claim: Partial<Claim> = {}): Promise<Unit> => {
      const unit = begin(claim)
      await bench.effect(unit.tx, effect).catch(() => undefined)
      await unit.finish()
      return unit
    }

    describe('a unit that goes well', () => {
      test('touches nothing when it begins, even while the database is away', async () => {
        bench.down()
        const unit = begin()
        expect(unit.phase).toBe('unopened')
        expect(unit.known).toBeNull()
        await unit.abandon()
      })

      test('opens at its first statement and keeps its effects when it finishes', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        expect(unit.phase).toBe('open')
        expect(await bench.effects()).toEqual([])
        expect(await unit.finish()).toBeNull()
        expect(unit.phase).toBe('closed')
        expect(await bench.effects()).toEqual(['a'])
        expect(await work.known([RECORD])).toEqual([{ redelivered: true, conflicting: false }])
      })

      test('claims at its end where the handler never touched it', async () => {
        expect(await begin().finish()).toBeNull()
        expect(await begin().finish()).toEqual({ redelivered: true, conflicting: false })
      })

      test('takes statements side by side, after one claim', async () => {
        const unit = begin()
        await Promise.all(['a', 'b', 'c'].map(effect => bench.effect(unit.tx, effect)))
        expect(await unit.finish()).toBeNull()
        expect(await bench.effects()).toEqual(['a', 'b', 'c'])
      })

      test('keeps the statements that the handler did not await', async () => {
        const unit = begin()
        const floating = bench.effect(unit.tx, 'a')
        expect(await unit.finish()).toBeNull()
        await floating
        expect(await bench.effects()).toEqual(['a'])
      })

      test('takes the text as an object too', async () => {
        const unit = begin()
        expect((await unit.tx.query({ text: 'select' })).rows).toBeInstanceOf(Array)
        await unit.abandon()
      })
    })

    describe('a unit whose event is known', () => {
      beforeEach(async () => void (await attempt('first')))

      test('loses its claim at the first statement, whatever the handler catches, and keeps nothing', async () => {
        const unit = begin()
        await expect(bench.effect(unit.tx, 'second')).rejects.toBeInstanceOf(ClaimLost)
        await expect(bench.effect(unit.tx, 'again')).rejects.toBeInstanceOf(ClaimLost)
        expect(unit.known).toEqual({ redelivered: true, conflicting: false })
        expect(await unit.finish()).toEqual({ redelivered: true, conflicting: false })
        await unit.abandon()
        unit.destroy()
        await expect(bench.effect(unit.tx, 'late')).rejects.toBeInstanceOf(ClaimLost)
        expect(await bench.effects()).toEqual(['first'])
      })

      test.each([
        ['at the same place', {}, { redelivered: true, conflicting: false }],
        ['at another offset', { offset: 71 }, { redelivered: false, conflicting: false }],
        ['in another partition', { partition: 4 }, { redelivered: false, conflicting: false }],
        ['in another topic', { topic: 'u' }, { redelivered: false, conflicting: false }],
        ['with another payload', { offset: 71, value: bytes('w') }, { redelivered: false, conflicting: true }],
        ['with no payload', { offset: 71, value: null }, { redelivered: false, conflicting: true }],
      ])('says of a record %s what is known of it', async (_, claim, known) => {
        const unit = begin(claim)
        await bench.effect(unit.tx, 'second').catch(() => undefined)
        expect(unit.known).toEqual(known)
        expect(await begin(claim).finish()).toEqual(known)
        expect(await work.known([{ ...RECORD, ...claim }])).toEqual([known])
      })

      test('is known to its own handler only', async () => {
        await attempt('other', { handler: 'i' })
        expect(await bench.effects()).toEqual(['first', 'other'])
      })
    })

    describe('known', () => {
      test('answers by position, the same claim twice included', async () => {
        await attempt('a', { idempotencyKey: 'a' })
        await attempt('b', { idempotencyKey: 'b', value: null })
        const claims = ['x', 'b', 'y', 'a', 'b', 'nul\0'].map(withKey)
        const [same, other] = [true, false].map(alike => ({ redelivered: true, conflicting: !alike }))
        expect(await work.known(claims)).toEqual([null, other, null, same, other, null])
      })

      test('of nothing is nothing', async () => {
        expect(await work.known([])).toEqual([])
      })

      test('takes any key for what it is', async () => {
        const keys = ['"', '\\', '{}', 'a,b', 'null', 'NULL', "'", '漢字', ' ', 'x'.repeat(512)]
        for (const idempotencyKey of keys) await attempt(idempotencyKey, { idempotencyKey })
        expect(await work.known(keys.map(withKey))).toEqual(keys.map(() => ({ redelivered: true, conflicting: false })))
      })
    })

    describe('a unit that ends otherwise', () => {
      test('keeps nothing when it is abandoned, and lets go of its claim', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        await unit.abandon()
        await unit.abandon()
        await expect(bench.effect(unit.tx, 'late')).rejects.toBeInstanceOf(UnitClosed)
        await expect(unit.finish()).rejects.toBeInstanceOf(UnitClosed)
        expect(unit.phase).toBe('closed')
        await attempt('b')
        expect(await bench.effects()).toEqual(['b'])
      })

      test('may be abandoned and destroyed after it has finished, to no effect', async () => {
        const unit = await attempt('a')
        await unit.abandon()
        unit.destroy()
        await expect(bench.effect(unit.tx, 'late')).rejects.toBeInstanceOf(UnitClosed)
        expect(await bench.effects()).toEqual(['a'])
      })

      test('is destroyed under a running statement at once, and lets go of its claim', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        const pending = Promise.allSettled([bench.hang(unit.tx), bench.effect(unit.tx, 'queued')])
        await turn()
        unit.destroy()
        expect(unit.phase).toBe('closed')
        expect((await pending).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
        await unit.abandon()
        await attempt('b')
        expect(await bench.effects()).toEqual(['b'])
      })

      test('does not wait for a running statement when it is abandoned', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        const pending = bench.hang(unit.tx).catch((error: unknown) => error)
        // Now it is on its way.
        await turn()
        await unit.abandon()
        expect(await pending).toBeInstanceOf(UnitClosed)
        await attempt('b')
        expect(await bench.effects()).toEqual(['b'])
      })

      test('is destroyed before it was opened, to no effect', async () => {
        const unit = begin()
        unit.destroy()
        await expect(bench.effect(unit.tx, 'a')).rejects.toBeInstanceOf(UnitClosed)
        await expect(unit.finish()).rejects.toBeInstanceOf(UnitClosed)
      })

      test('may pass when the handler goes on after a failed statement, and keeps nothing', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        await expect(bench.fail(unit.tx)).rejects.toBeInstanceOf(Error)
        const later = await bench.effect(unit.tx, 'b').catch((error: unknown) => error)
        const passing = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
        expect(work.classify(later)).toEqual(passing)
        const failed = await unit.finish().catch((error: unknown) => error)
        expect(work.classify(failed)).toEqual(passing)
        await attempt('c')
        expect(await bench.effects()).toEqual(['c'])
      })
    })

    describe('two units of one event', () => {
      test('the second waits for the first, then is a duplicate', async () => {
        const [first, second] = [begin(), begin({ offset: 71 })]
        await bench.effect(first.tx, 'first')
        const waiting = bench.effect(second.tx, 'second').catch((error: unknown) => error)
        await until(() => second.phase === 'claiming')
        expect(await first.finish()).toBeNull()
        expect(await waiting).toBeInstanceOf(ClaimLost)
        expect(second.known).toEqual({ redelivered: false, conflicting: false })
        expect(await bench.effects()).toEqual(['first'])
      })

      test('the second goes on when the first is abandoned', async () => {
        const [first, second] = [begin(), begin()]
        await bench.effect(first.tx, 'first')
        const waiting = bench.effect(second.tx, 'second')
        await until(() => second.phase === 'claiming')
        await first.abandon()
        await waiting
        expect(await second.finish()).toBeNull()
        expect(await bench.effects()).toEqual(['second'])
      })

      test('the second does not wait for ever, and its waiting is no failed attempt', async () => {
        const [first, second] = [begin(), begin({}, 300)]
        await bench.effect(first.tx, 'first')
        const waiting = bench.effect(second.tx, 'second').catch((error: unknown) => error)
        await until(() => second.phase === 'claiming')
        bench.pass(300)
        const busy = await waiting
        expect(busy).toBeInstanceOf(ClaimBusy)
        expect(work.classify(busy)).toEqual({ kind: 'waiting' })
        // A handler that catches it gains nothing.
        await expect(second.finish()).rejects.toBe(busy)
        expect(await first.finish()).toBeNull()
      })

      test('the second, given up while it waits, leaves the first alone', async () => {
        const [first, second] = [begin(), begin()]
        await bench.effect(first.tx, 'first')
        const waiting = bench.effect(second.tx, 'second').catch((error: unknown) => error)
        await until(() => second.phase === 'claiming')
        second.destroy()
        expect(await waiting).toBeInstanceOf(UnitClosed)
        expect(await first.finish()).toBeNull()
        expect(await bench.effects()).toEqual(['first'])
      })

      test('a holder that stays idle past its time loses the claim to the other', async () => {
        const [first, second] = [begin({}, 300), begin()]
        await bench.effect(first.tx, 'first')
        const waiting = bench.effect(second.tx, 'second')
        await until(() => second.phase === 'claiming')
        bench.pass(300)
        await waiting
        expect(await second.finish()).toBeNull()
        const revived = await first.finish().catch((error: unknown) => error)
        expect(work.classify(revived)).toEqual({ kind: 'passing', reason: 'attempts-exhausted', timedOut: true })
        expect(await bench.effects()).toEqual(['second'])
      })
    })

    describe('while the database is away', () => {
      test('everything is refused as an outage, and goes on when it is back', async () => {
        bench.down()
        const unit = begin()
        const refused = await bench.effect(unit.tx, 'a').catch((error: unknown) => error)
        expect(work.classify(refused)).toEqual(OUTAGE)
        await expect(unit.finish()).rejects.toBe(refused)
        await unit.abandon()
        expect(work.classify(await work.known([RECORD]).catch((error: unknown) => error))).toEqual(OUTAGE)
        await expect(work.start()).rejects.toBeInstanceOf(Unavailable)
        bench.up()
        await work.start()
        await attempt('b')
        expect(await bench.effects()).toEqual(['b'])
      })

      test('what was open is lost', async () => {
        const unit = begin()
        await bench.effect(unit.tx, 'a')
        bench.down()
        expect(work.classify(await unit.finish().catch((error: unknown) => error))).toEqual(OUTAGE)
        bench.up()
        expect(await bench.effects()).toEqual([])
        expect(await work.known([RECORD])).toEqual([null])
      })
    })

    describe('a COMMIT whose answer never comes', () => {
      test.each(['done', 'lost'] as const)('is unknown, and the next attempt tells: %s', async how => {
        const unit = begin()
        await bench.effect(unit.tx, 'first')
        bench.loseAnswerToCommit(how)
        const unknown = await unit.finish().catch((error: unknown) => error)
        expect(unknown).toBeInstanceOf(CommitUnknown)
        expect(work.classify(unknown)).toEqual(OUTAGE)
        await attempt('second')
        expect(await bench.effects()).toEqual([how === 'done' ? 'first' : 'second'])
      })
    })

    describe('classify', () => {
      test.each([
        ['null', null],
        ['undefined', undefined],
        ['a string', 'ECONNREFUSED'],
        ['an error', new TypeError('x is not a function')],
        ['another connection that was refused', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
        ["a handler's own dependency", new Unavailable('payments', new Error('down'))],
        ['a rejection, whatever led to it', new Reject('no', { cause: new CommitUnknown(null) })],
      ])('does not know %s', (_, error) => {
        expect(work.classify(error)).toBeNull()
        expect(work.explain(error)).toBeNull()
      })

      test('looks through what a handler has wrapped', async () => {
        const unit = begin()
        bench.down()
        const cause = await bench.effect(unit.tx, 'a').catch((error: unknown) => error)
        expect(work.classify(new Error('the profile could not be saved', { cause }))).toEqual(OUTAGE)
        await unit.abandon()
      })

      test('ends on a chain that bites its own tail', () => {
        const error = new Error('a')
        error.cause = error
        expect(work.classify(error)).toBeNull()
      })
    })

    test('stopping twice is stopping once, and ends what is still open', async () => {
      const unit = begin()
      await bench.effect(unit.tx, 'a')
      const stopped = work.stop()
      expect(work.stop()).toBe(stopped)
      await stopped
      await expect(unit.finish()).rejects.toBeInstanceOf(Error)
      await expect(work.known([RECORD])).rejects.toBeInstanceOf(Error)
    })
  })
}

export async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await turn()
}

function withKey(idempotencyKey: string): Claim {
  return { ...RECORD, idempotencyKey }
}
