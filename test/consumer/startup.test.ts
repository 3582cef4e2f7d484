import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryClock, memoryClock } from '../../src/adapters/memory/clock.ts'
import { Misconfigured, Unavailable } from '../../src/consumer/errors.ts'
import { Startup, type Step } from '../../src/consumer/startup.ts'
import { listeningLog, turn } from '../support/floor.ts'

let clock: MemoryClock
let log: ReturnType<typeof listeningLog>
let startup: Startup

beforeEach(() => {
  clock = memoryClock()
  log = listeningLog()
  startup = new Startup(['database', 'registry', 'kafka'], { clock, random: () => 0, log })
})

/** Nobody may have asked yet. */
function rejected(reason: unknown): Promise<never> {
  const promise = Promise.reject(reason)
  promise.catch(() => undefined)
  return promise
}

/** Something that we depend on: it is asked, and answers as it is told. */
function dependency(name: string, tries: string[] = []) {
  const state: { answer: Promise<void> | null } = { answer: null }
  const step: Step = {
    dependency: name,
    run: () => {
      tries.push(name)
      return state.answer ?? Promise.resolve()
    },
  }
  return {
    step,
    tries,
    away: (reason: unknown) => {
      state.answer = rejected(reason)
    },
    hangs: () => {
      state.answer = new Promise(() => undefined)
    },
    back: () => {
      state.answer = null
    },
  }
}

/** Lets each wait pass by itself. */
async function passWaits(count: number): Promise<void> {
  for (let wait = 0; wait < count; wait++) {
    await turn()
    clock.advanceTo(clock.nextAtMs() ?? clock.nowMs())
  }
  await turn()
}

describe('starting', () => {
  test('asks one after the other, in order, each until it answers', async () => {
    const tries: string[] = []
    const [database, registry] = [dependency('database', tries), dependency('registry', tries)]
    database.away(new Unavailable('database', 'refused'))
    const running = startup.run([database.step, registry.step])
    await passWaits(3)
    expect(tries).toEqual(['database', 'database', 'database', 'database'])
    database.back()
    await passWaits(1)
    expect(await running).toBe(true)
    expect(tries.slice(4)).toEqual(['database', 'registry'])
  })

  test('says one line a try, with the reason, and waits longer from try to try up to a bound', async () => {
    const database = dependency('database')
    database.away(new Unavailable('database', new TypeError('ECONNREFUSED')))
    void startup.run([database.step])
    await passWaits(9)
    expect(log.lines).toHaveLength(10)
    expect(log.lines[0]).toEqual({
      level: 'warn',
      fields: {
        dependency: 'database',
        tries: 1,
        retryAfterMs: 250,
        error: 'Unavailable: database is unavailable: TypeError: ECONNREFUSED',
      },
      message: 'waiting for database',
    })
    const waits = log.lines.map(({ fields }) => fields['retryAfterMs'])
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000])
    expect(clock.nowMs()).toBe(27_750)
  })

  test('says a fault of ours at error level, and still asks again: somebody may mend it', async () => {
    const database = dependency('database')
    database.away(new Misconfigured('the password is wrong: see DATABASE_URL'))
    const running = startup.run([database.step])
    await passWaits(1)
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'error'])
    database.back()
    await passWaits(1)
    expect(await running).toBe(true)
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', fields: { dependency: 'database' } })
  })

  test('knows of every dependency whether it has answered, and why not', async () => {
    const [database, registry] = [dependency('database'), dependency('registry')]
    registry.away(new Unavailable('registry', '502'))
    void startup.run([database.step, registry.step])
    await turn()
    expect(startup.states).toEqual([
      { name: 'database', up: true, error: null },
      { name: 'registry', up: false, error: 'Unavailable: registry is unavailable: 502' },
      { name: 'kafka', up: false, error: 'not asked yet' },
    ])
    registry.back()
    await passWaits(1)
    expect(startup.states[1]).toEqual({ name: 'registry', up: true, error: null })
  })

  test('says that it is asking while the first answer is waited for', async () => {
    void startup.run([{ dependency: 'database', run: () => new Promise<void>(() => {}) }])
    await turn()
    expect(startup.states[0]).toEqual({ name: 'database', up: false, error: 'asked, no answer yet' })
    startup.stop()
  })

  test('takes what throws at once as a try that failed', async () => {
    let tries = 0
    const running = startup.run([
      {
        dependency: 'kafka',
        run: () => {
          tries++
          if (tries === 1) throw new TypeError('at once')
          return Promise.resolve()
        },
      },
    ])
    await passWaits(1)
    expect(await running).toBe(true)
  })
})

describe('a stop', () => {
  test('ends a wait at once: no time has to pass, nothing more is asked', async () => {
    const [database, registry] = [dependency('database'), dependency('registry')]
    database.away(new Unavailable('database', 'refused'))
    const running = startup.run([database.step, registry.step])
    await turn()
    startup.stop()
    expect(await running).toBe(false)
    expect(clock.nowMs()).toBe(0)
    clock.advance(60_000)
    await turn()
    expect([database.tries.length, registry.tries.length]).toEqual([1, 0])
  })

  test('ends a try that hangs', async () => {
    const database = dependency('database')
    database.hangs()
    const running = startup.run([database.step])
    await turn()
    startup.stop()
    expect(await running).toBe(false)
    expect(startup.states[0]).toMatchObject({ up: false })
    expect(log.lines).toEqual([])
  })

  test('leaves a try that fails afterwards unheard: no line, no unhandled rejection', async () => {
    const { promise, reject } = Promise.withResolvers<void>()
    const running = startup.run([{ dependency: 'database', run: () => promise }])
    await turn()
    startup.stop()
    expect(await running).toBe(false)
    reject(new Unavailable('database', 'the pool was closed'))
    await turn()
    expect(log.lines).toEqual([])
  })

  test('before the start asks nobody', async () => {
    const database = dependency('database')
    startup.stop()
    expect(await startup.run([database.step])).toBe(false)
    expect(database.tries).toEqual([])
  })
})
