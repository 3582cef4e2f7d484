import { AssertionError } from 'node:assert'
import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemoryUnitOfWork, memoryUnitOfWork } from '../../src/adapters/memory/unit-of-work.ts'
import { type AttemptPorts, attempt, NobodyWaits } from '../../src/consumer/attempt.ts'
import { ClaimLost, Reject, Unavailable } from '../../src/consumer/errors.ts'
import type { Handler, HandlerContext } from '../../src/consumer/handler.ts'
import type { IntakeRecord } from '../../src/consumer/intake.ts'
import { Lookup } from '../../src/consumer/lookup.ts'
import type { Claim, Failure, Known } from '../../src/consumer/ports.ts'
import type { Task } from '../../src/core/facts.ts'
import {
  type LogLine,
  latch,
  listeningLog,
  rawRecord,
  repeatableHandler,
  thingHandler,
  turn,
} from '../support/floor.ts'

const TIMEOUT_MS = 1_000

let clock: MemoryClock
let database: MemoryUnitOfWork
let log: ReturnType<typeof listeningLog>
let ports: AttemptPorts
let duplicates: { handler: string; known: Known }[]

beforeEach(() => {
  clock = memoryClock()
  database = memoryUnitOfWork({ clock })
  log = listeningLog()
  duplicates = []
  ports = {
    database: { unitOfWork: database, lookup: new Lookup(database) },
    clock,
    log,
    onDuplicate: ({ handler }, known) => void duplicates.push({ handler, known }),
    onHandling: () => undefined,
    unanswered: new WeakSet(),
  }
})

type Handle = Handler['handle']

function onceHandler(handle: Handle): Handler {
  return { ...thingHandler({ timeoutMs: TIMEOUT_MS }), handle }
}

function taskFor(handler: Handler, offset = 7): Task<IntakeRecord> {
  const raw = rawRecord(offset)
  const id = `e${offset}`
  const record = {
    value: { id },
    key: null,
    headers: [],
    header: () => undefined,
    topic: 'things',
    partition: 0,
    offset,
    timestampMs: 0,
  }
  return {
    assignment: { topic: 'things', partition: 0, epoch: 1 },
    attempt: 2,
    takenAtMs: 0,
    startedAtMs: 0,
    firstFailedAtMs: null,
    record: {
      offset,
      timestampMs: 0,
      bytes: 100,
      lane: null,
      disposition: { kind: 'handle', handler: handler.name },
      raw,
      delivery: { handler, record, idempotencyKey: handler.idempotencyKey === null ? null : id },
    },
  }
}

/** An attempt under way. */
function begin(handle: Handle | Handler, task = taskFor(typeof handle === 'function' ? onceHandler(handle) : handle)) {
  const abort = new AbortController()
  const fact = attempt(task, abort, ports)
  let ended = false
  const end = (): void => {
    ended = true
  }
  void fact.finally(end)
  return { fact, abort, task, ended: () => ended }
}

const failureOf = async (handle: Handle): Promise<Failure | null> => {
  const fact = await begin(handle).fact
  return fact.type === 'failed' ? fact.failure : null
}

const effect = (tx: HandlerContext['tx'], name: string) => tx.query('effect', [name])

const claimOf = (key: string, offset = 7): Claim => ({
  handler: 'things',
  idempotencyKey: key,
  topic: 'things',
  partition: 0,
  offset,
  value: rawRecord(offset).value,
})

/** Somebody else has done the event, as this record or as another one. */
async function doneBefore(key: string, offset: number): Promise<void> {
  await database.begin(claimOf(key, offset), TIMEOUT_MS).finish()
}

/** Somebody else is at it, and holds its claim. */
async function claimHeld(key: string) {
  const other = database.begin(claimOf(key, 99), 60_000)
  await other.tx.query('select 1')
  return other
}

const oneEffect: Handle = async (_record, { tx }) => void (await effect(tx, 'a'))

const hidesTheCause: Handle = async (_record, { tx }) => {
  try {
    await tx.query('fail', [{ kind: 'ours' }])
  } catch (cause) {
    throw new TypeError('could not save', { cause })
  }
}

const hidesAFailure: Handle = async (_record, { tx }) => {
  await effect(tx, 'a')
  await tx.query('fail').catch(() => undefined)
}

/** The inbox is asked through this, from now on. */
function askThrough(known: MemoryUnitOfWork['known']): void {
  ports = { ...ports, database: { unitOfWork: database, lookup: new Lookup({ ...database, known }) } }
}

/** Every question to the inbox fails so. */
function refuseQuestions(failure: Failure): void {
  askThrough(async () => {
    await database.begin(claimOf('other'), TIMEOUT_MS).tx.query('fail', [failure])
    return []
  })
}

const PASSING = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const TIMED_OUT = { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }

describe('a handler that returns', () => {
  test('has handled its record: its effects and its claim are kept together', async () => {
    const { fact, task } = begin(oneEffect)
    expect(await fact).toEqual({ type: 'settled', task, outcome: 'acked' })
    expect(database.effects).toEqual(['a'])
    expect(database.rows()).toMatchObject([{ handler: 'things', idempotencyKey: 'e7', offset: 7 }])
  })

  test('without ever touching tx is claimed at its end', async () => {
    const { fact } = begin(() => undefined)
    expect(await fact).toMatchObject({ type: 'settled', outcome: 'acked' })
    expect(database.rows()).toMatchObject([{ idempotencyKey: 'e7' }])
  })

  test('sees its record, its attempt, a log that knows both, and a signal that is quiet', async () => {
    let seen: HandlerContext | null = null
    const { fact } = begin((record, context) => {
      seen = context
      context.log.warn({ more: 1 }, 'said')
      expect(record.value).toEqual({ id: 'e7' })
    })
    await fact
    expect(seen).toMatchObject({ attempt: 2, signal: { aborted: false } })
    const line: LogLine = {
      level: 'warn',
      fields: { handler: 'things', topic: 'things', partition: 0, offset: 7, attempt: 2, more: 1 },
      message: 'said',
    }
    expect(log.lines).toEqual([line])
  })

  test('leaves no timer behind', async () => {
    await begin(oneEffect).fact
    expect(clock.nextAtMs()).toBeNull()
  })
})

describe('what a handler throws', () => {
  test.each<[string, unknown, string]>([
    ['an error', new TypeError('x is not a function'), 'TypeError: x is not a function'],
    ['an error without words', new RangeError(), 'RangeError'],
    ['null', null, 'a thrown null'],
    ['undefined', undefined, 'a thrown undefined'],
    ['a string', 'gave up', 'gave up'],
    ['an object', { payload: 'secret' }, 'a thrown object'],
  ])('%s: a failed attempt, nothing of it is kept', async (_what, thrown, error) => {
    const { fact, task } = begin(async (_record, { tx }) => {
      await effect(tx, 'a')
      throw thrown
    })
    expect(await fact).toMatchObject({ type: 'failed', task, failure: PASSING, error })
    expect(database.effects).toEqual([])
    expect(database.rows()).toEqual([])
    expect(clock.nextAtMs()).toBeNull()
  })

  test('a mistake is said with its place, what was meant without', async () => {
    const mistake = begin(() => {
      throw new TypeError('    at no/place.ts:1:1')
    })
    expect(await mistake.fact).toMatchObject({
      at: expect.arrayContaining([expect.stringMatching(/attempt\.test\.ts:\d+/)]),
    })
    expect(await mistake.fact).not.toMatchObject({ at: expect.arrayContaining(['no/place.ts:1:1']) })
    const meant = begin(() => {
      throw new Reject('not for us')
    })
    expect(await meant.fact).not.toHaveProperty('at')
  })

  test('at once, before there is a promise, is the same', async () => {
    expect(
      await failureOf(() => {
        throw new TypeError('at once')
      }),
    ).toEqual(PASSING)
  })

  test('an error that cannot even be described is answered nevertheless', async () => {
    class Unspeakable extends Error {
      override get message(): string {
        throw new TypeError('no message')
      }
    }
    expect(
      await failureOf(() => {
        throw new Unspeakable()
      }),
    ).toEqual(PASSING)
  })

  test.each(['code', 'cause'])('an error whose %s throws when it is asked for is answered too', async name => {
    const thrown = Object.defineProperty(new Error('x'), name, {
      get() {
        throw new TypeError('none of your business')
      },
    })
    expect(
      await failureOf(() => {
        throw thrown
      }),
    ).toEqual(PASSING)
  })

  test('Reject condemns the record', async () => {
    expect(
      await failureOf(() => {
        throw new Reject('no such customer')
      }),
    ).toEqual({ kind: 'record', reason: 'rejected' })
  })

  test('Unavailable is an outage of what it names', async () => {
    expect(
      await failureOf(() => {
        throw new Unavailable('payments', new Error('503'))
      }),
    ).toEqual({ kind: 'outage', dependency: 'payments' })
  })

  test.each<[string, Error]>([
    ['an AssertionError', new AssertionError({ message: 'never' })],
    ['an AssertionError of another library', Object.assign(new Error('never'), { code: 'ERR_ASSERTION' })],
  ])('%s is a fault of ours', async (_what, thrown) => {
    expect(
      await failureOf(() => {
        throw thrown
      }),
    ).toEqual({ kind: 'ours' })
  })

  test.each<Failure>([
    { kind: 'ours' },
    { kind: 'outage', dependency: 'database' },
    { kind: 'record', reason: 'invalid-data' },
    { kind: 'passing', reason: 'invalid-data', timedOut: false },
    { kind: 'waiting' },
  ])('an error of the database means what the database says: $kind', async failure => {
    expect(await failureOf((_record, { tx }) => tx.query('fail', [failure]).then(() => undefined))).toEqual(failure)
  })

  test('an error of the database behind an error of its own means the same', async () => {
    expect(await failureOf(hidesTheCause)).toEqual({ kind: 'ours' })
  })

  test('nothing, after a statement failed: the database keeps nothing, and the attempt has failed', async () => {
    expect(await failureOf(hidesAFailure)).toEqual(PASSING)
    expect(database.effects).toEqual([])
    expect(database.rows()).toEqual([])
  })
})

describe('a handler past its timeout', () => {
  test('that obeys its signal has timed out when it ends', async () => {
    const { fact, abort } = begin(
      (_record, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new TypeError('aborted')))),
    )
    await turn()
    clock.advance(TIMEOUT_MS - 1)
    expect(abort.signal.aborted).toBe(false)
    clock.advance(1)
    expect(abort.signal.aborted).toBe(true)
    expect(await fact).toMatchObject({ type: 'failed', failure: TIMED_OUT, error: expect.stringMatching(/1000 ms/) })
  })

  test('that returns late has timed out: nothing of it is kept, however well it ended', async () => {
    const gate = latch()
    const { fact, ended } = begin(async (_record, { tx }) => {
      await effect(tx, 'a')
      await gate.passed
    })
    await turn()
    clock.advance(TIMEOUT_MS)
    await turn()
    expect(ended()).toBe(false)
    gate.open()
    expect(await fact).toMatchObject({ type: 'failed', failure: TIMED_OUT })
    expect(database.effects).toEqual([])
    expect(database.rows()).toEqual([])
  })

  test('that never returns never ends: its slot and its lane stay taken, which is said once', async () => {
    const { ended } = begin(() => new Promise(() => undefined))
    await turn()
    clock.advance(TIMEOUT_MS * 2 - 1)
    expect(log.lines).toEqual([])
    clock.advance(TIMEOUT_MS * 10)
    await turn()
    expect(ended()).toBe(false)
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { offset: 7, timeoutMs: TIMEOUT_MS } }])
  })

  test('frees its claim at once, though it does not return', async () => {
    begin(async (_record, { tx }) => {
      await effect(tx, 'a')
      await new Promise(() => undefined)
    })
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await database.begin(claimOf('e7'), TIMEOUT_MS).finish()).toBeNull()
  })

  test('is freed from a statement that does not end', async () => {
    const { fact } = begin((_record, { tx }) => tx.query('hang').then(() => undefined))
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ type: 'failed', failure: TIMED_OUT })
  })

  test('that throws Reject because of it has timed out: what it meant by then cannot be known', async () => {
    const { fact } = begin(async (_record, { tx }) => {
      await tx.query('hang').catch(() => {
        throw new Reject('could not be saved')
      })
    })
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ failure: TIMED_OUT })
  })

  test('that has no tx has timed out too', async () => {
    const gate = latch()
    const { fact } = begin(repeatableHandler(() => gate.passed, { timeoutMs: TIMEOUT_MS }))
    await turn()
    clock.advance(TIMEOUT_MS)
    gate.open()
    expect(await fact).toMatchObject({ type: 'failed', failure: TIMED_OUT })
  })

  test('while it waited for a claim that another holds was waiting: nobody failed', async () => {
    await claimHeld('e7')
    const { fact } = begin(oneEffect)
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ type: 'failed', failure: { kind: 'waiting' } })
  })

  test('while it claims at its end, without ever having touched tx, was waiting too', async () => {
    await claimHeld('e7')
    const { fact } = begin(() => undefined)
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ type: 'failed', failure: { kind: 'waiting' } })
  })

  test('while it waited for a connection was waiting', async () => {
    const unitOfWork = {
      ...database,
      begin: (claim: Claim, timeoutMs: number) => {
        const unit = database.begin(claim, timeoutMs)
        const broken = Promise.withResolvers<never>()
        return {
          tx: { query: () => broken.promise },
          phase: 'connecting' as const,
          known: null,
          finish: () => unit.finish(),
          abandon: () => unit.abandon(),
          destroy: () => broken.reject(new TypeError('the pool gave up')),
        }
      },
    }
    ports = { ...ports, database: { unitOfWork, lookup: new Lookup(unitOfWork) } }
    const { fact } = begin((_record, { tx }) => tx.query('select 1').then(() => undefined))
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ type: 'failed', failure: { kind: 'waiting' } })
  })

  test('which had failed before: a slow rollback makes no timeout of it', async () => {
    const rollback = latch()
    const unitOfWork = {
      ...database,
      begin: (claim: Claim, timeoutMs: number) => {
        const unit = database.begin(claim, timeoutMs)
        return {
          tx: unit.tx,
          phase: 'open' as const,
          known: null,
          finish: () => unit.finish(),
          abandon: () => rollback.passed,
          destroy: () => rollback.open(),
        }
      },
    }
    ports = { ...ports, database: { unitOfWork, lookup: new Lookup(unitOfWork) } }
    const { fact } = begin(() => {
      throw new Reject('never')
    })
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ failure: { kind: 'record', reason: 'rejected' } })
  })
})

describe('an event that was done before', () => {
  test('is known before its handler runs: a duplicate', async () => {
    await doneBefore('e7', 3)
    let ran = false
    const { fact, task } = begin(() => {
      ran = true
    })
    expect(await fact).toEqual({ type: 'settled', task, outcome: 'duplicate' })
    expect(ran).toBe(false)
    expect(duplicates).toMatchObject([{ handler: 'things', known: { redelivered: false } }])
  })

  test('as this very record was delivered again', async () => {
    await doneBefore('e7', 7)
    expect(await begin(() => undefined).fact).toMatchObject({ outcome: 'duplicate' })
    expect(duplicates).toMatchObject([{ known: { redelivered: true, conflicting: false } }])
  })

  const late: [string, (swallow: () => Promise<unknown>) => Promise<void>][] = [
    ['swallows it', async query => void (await query().catch(() => undefined))],
    ['lets it out', async query => void (await query())],
    [
      'rejects the record for it',
      async query => {
        await query().catch(() => {
          throw new Reject('done already')
        })
      },
    ],
    [
      'calls it an outage',
      async query => {
        await query().catch((cause: unknown) => {
          throw new Unavailable('inbox', cause)
        })
      },
    ],
  ]
  test.each(late)('while its handler was on its way is a duplicate when the handler %s', async (_what, useLost) => {
    let lost: unknown = null
    const { fact } = begin(async (_record, { tx }) => {
      await doneBefore('e7', 3)
      await useLost(async () => {
        try {
          return await effect(tx, 'a')
        } catch (error) {
          lost = error
          throw error
        }
      })
    })
    expect(await fact).toMatchObject({ type: 'settled', outcome: 'duplicate' })
    expect(lost).toBeInstanceOf(ClaimLost)
    expect(database.effects).toEqual([])
    expect(duplicates).toHaveLength(1)
  })

  test('while a handler ran that never touches tx is a duplicate at its end', async () => {
    expect(await begin(() => doneBefore('e7', 3)).fact).toMatchObject({ outcome: 'duplicate' })
    expect(duplicates).toHaveLength(1)
  })
})

describe('a COMMIT whose answer never came', () => {
  test.each(['unknown-done', 'unknown-lost'] as const)(
    '(%s) is an outage of the database, and the same record is handled once and acked when it is tried again',
    async fate => {
      const task = taskFor(onceHandler(oneEffect))
      database.nextCommit(fate)
      const first = await begin(oneEffect, task).fact
      expect(first).toMatchObject({ type: 'failed', failure: { kind: 'outage', dependency: 'database' } })
      expect(await begin(oneEffect, task).fact).toEqual({ type: 'settled', task, outcome: 'acked' })
      expect(database.effects).toEqual(['a'])
      expect(duplicates).toEqual([])
    },
  )

  test('leaves a duplicate a duplicate, where another record of the event was first', async () => {
    const task = taskFor(onceHandler(oneEffect))
    database.nextCommit('unknown-lost')
    await begin(oneEffect, task).fact
    await doneBefore('e7', 3)
    expect(await begin(oneEffect, task).fact).toMatchObject({ outcome: 'duplicate' })
  })

  test('is unknown even past the timeout', async () => {
    const finished = Promise.withResolvers<never>()
    const unitOfWork = {
      ...database,
      begin: (claim: Claim, timeoutMs: number) => ({
        ...database.begin(claim, timeoutMs),
        tx: { query: () => Promise.resolve({ rows: [], rowCount: 0 }) },
        phase: 'open' as const,
        known: null,
        finish: async () => {
          const unit = database.begin(claim, timeoutMs)
          database.nextCommit('unknown-done')
          await finished.promise.catch(() => undefined)
          return await unit.finish()
        },
        abandon: () => Promise.resolve(),
        destroy: () => finished.reject(new TypeError('destroyed')),
      }),
    }
    ports = { ...ports, database: { unitOfWork, lookup: new Lookup(unitOfWork) } }
    const { fact } = begin(() => undefined)
    await turn()
    clock.advance(TIMEOUT_MS)
    expect(await fact).toMatchObject({ failure: { kind: 'outage', dependency: 'database' } })
  })
})

describe('a naturally idempotent handler', () => {
  test('needs no database, and none is asked', async () => {
    database.down()
    ports = { ...ports, database: null }
    expect(await begin(repeatableHandler(() => undefined)).fact).toMatchObject({ type: 'settled', outcome: 'acked' })
  })

  test('leaves no row where there is a database for others', async () => {
    database.down()
    expect(await begin(repeatableHandler(() => undefined)).fact).toMatchObject({ type: 'settled', outcome: 'acked' })
    expect(database.rows()).toEqual([])
  })

  test('that reaches for tx nevertheless is a fault of ours, and the text says what to do', async () => {
    const { fact } = begin(repeatableHandler((_record, { tx }) => tx.query('select 1').then(() => undefined)))
    expect(await fact).toMatchObject({ failure: { kind: 'ours' }, error: expect.stringMatching(/idempotencyKey/) })
  })

  test('has the same words for its failures', async () => {
    ports = { ...ports, database: null }
    const handler = repeatableHandler(() => {
      throw new Unavailable('search', 'away')
    })
    expect(await begin(handler).fact).toMatchObject({ failure: { kind: 'outage', dependency: 'search' } })
  })
})

describe('an attempt that nobody waits for any more', () => {
  test('is aborted, whatever its handler throws', async () => {
    for (const thrown of [new TypeError('x'), new Reject('y'), new Unavailable('z', null), null]) {
      const { fact, abort } = begin(
        (_record, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(thrown))),
      )
      await turn()
      abort.abort(new NobodyWaits())
      expect(await fact).toMatchObject({ type: 'failed', failure: { kind: 'aborted' } })
    }
  })

  test('before the inbox has answered never reaches its handler: others may run it by now', async () => {
    const answer = latch()
    askThrough(async claims => {
      await answer.passed
      return await database.known(claims)
    })
    let ran = false
    const { fact, abort } = begin(() => {
      ran = true
    })
    await turn()
    abort.abort(new NobodyWaits())
    answer.open()
    expect(await fact).toMatchObject({ type: 'failed', failure: { kind: 'aborted' } })
    expect(ran).toBe(false)
    expect(clock.nextAtMs()).toBeNull()
  })

  test('tells its handler why, in words', async () => {
    const { fact, abort } = begin(
      (_record, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            try {
              signal.throwIfAborted()
            } catch (error) {
              reject(error)
            }
          }),
        ),
    )
    await turn()
    abort.abort(new NobodyWaits())
    expect(await fact).toMatchObject({ error: expect.stringMatching(/^NobodyWaits: .*partition/) })
  })

  test('and gets through nevertheless has settled: its effects are kept', async () => {
    const gate = latch()
    const { fact, abort } = begin(async (_record, { tx }) => {
      await gate.passed
      await effect(tx, 'a')
    })
    await turn()
    abort.abort(new NobodyWaits())
    gate.open()
    expect(await fact).toMatchObject({ type: 'settled', outcome: 'acked' })
    expect(database.effects).toEqual(['a'])
  })
})

describe('a question to the inbox that fails', () => {
  test('is an outage while the database is away', async () => {
    database.down()
    const { fact } = begin(() => undefined)
    expect(await fact).toMatchObject({ failure: { kind: 'outage', dependency: 'database' } })
  })

  test('is waiting where it may pass: no handler ran, so no attempt is spent', async () => {
    refuseQuestions({ kind: 'passing', reason: 'attempts-exhausted', timedOut: true })
    expect(await begin(() => undefined).fact).toMatchObject({ failure: { kind: 'waiting' } })
  })

  test('is a fault of ours where the table is missing', async () => {
    refuseQuestions({ kind: 'ours' })
    expect(await begin(() => undefined).fact).toMatchObject({ failure: { kind: 'ours' } })
  })

  test('for the sake of one record condemns none: every claim is then tried by itself', async () => {
    refuseQuestions({ kind: 'record', reason: 'invalid-data' })
    const { fact } = begin(oneEffect)
    expect(await fact).toMatchObject({ type: 'settled', outcome: 'acked' })
    expect(database.effects).toEqual(['a'])
  })

  test('in a way that nobody knows is not the last word either', async () => {
    askThrough(() => Promise.reject(new TypeError('a bug in the driver')))
    await doneBefore('e7', 3)
    expect(await begin(() => undefined).fact).toMatchObject({ type: 'settled', outcome: 'duplicate' })
  })
})

test('a record without a handler is never attempted', async () => {
  const task = taskFor(onceHandler(() => undefined))
  const condemned = { ...task, record: { ...task.record, delivery: null } }
  await expect(attempt(condemned, new AbortController(), ports)).rejects.toThrow(/broken invariant/)
})
