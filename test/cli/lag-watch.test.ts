/** One look after the other, until it is interrupted. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import type { Look } from '../../src/cli/lag/look.ts'
import { watch } from '../../src/cli/lag/watch.ts'
import { Misconfigured, Unavailable } from '../../src/consumer/errors.ts'

function lookOf(progress: number): Look {
  const place = { topic: 'orders', partition: 0 }
  return {
    partitions: [{ ...place, lagRecords: 100 - progress, progress, left: 100 - progress }],
    problems: [],
    text: speeds => [`at ${progress}: ${JSON.stringify(speeds?.of(place))}`],
    json: speeds => ({ progress, speed: speeds?.of(place) }),
  }
}

/** Its looks end as the test says: each gets the number of the look. */
function watching(look: (times: number) => Promise<Look>, more: { isTty?: boolean; isJson?: boolean } = {}) {
  const clock = memoryClock()
  const interruption = new AbortController()
  const said = { out: '', err: '', looks: 0 }
  const ended = watch(
    { look: () => look(++said.looks), everyMs: 2_000, isJson: more.isJson === true },
    {
      env: {},
      out: text => void (said.out += text),
      err: text => void (said.err += text),
      isTty: more.isTty === true,
      clock,
      interrupted: () => interruption.signal,
    },
  )
  const pass = async (ms: number) => {
    await turn()
    clock.advance(ms)
    await turn()
  }
  return { said, ended, pass, interrupt: () => interruption.abort() }
}

const moving = async (times: number) => lookOf(times * 10)

test('looks every two seconds, tells rates from the second look on, and ends with 0', async () => {
  const { said, ended, pass, interrupt } = watching(moving, { isJson: true })
  await pass(2_000)
  expect(said.looks).toBe(2)
  await pass(1_999)
  expect(said.looks).toBe(2)
  await pass(1)
  interrupt()
  expect(await ended).toBe(0)
  expect(
    said.out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual([
    { progress: 10, speed: { consumedPerSecond: null, drainSeconds: null } },
    { progress: 20, speed: { consumedPerSecond: 5, drainSeconds: 16 } },
    { progress: 30, speed: { consumedPerSecond: 5, drainSeconds: 14 } },
  ])
})

test('clears the screen for a person only; a file gets tables with a line between them', async () => {
  const person = watching(moving, { isTty: true })
  await person.pass(2_000)
  person.interrupt()
  await person.ended
  expect(person.said.out.split('\u001b[H\u001b[2J').length).toBe(3)
  expect(person.said.out).toContain('2026-01-05T09:00:02.000Z, every 2 s; Ctrl-C ends\nat 20')
  const file = watching(moving)
  await file.pass(2_000)
  file.interrupt()
  await file.ended
  expect(file.said.out).not.toContain('\u001b')
  expect(file.said.out).toMatch(/^2026-01-05T09:00:00.000Z\nat 10.*\n\n2026-01-05T09:00:02.000Z\nat 20.*\n\n$/)
})

test('who is away is asked again, and it is said', async () => {
  const { said, ended, pass, interrupt } = watching(async times => {
    if (times === 2) throw new Unavailable('Kafka (a:1)', 'nobody there')
    return lookOf(times)
  })
  await pass(2_000)
  expect(said.err).toBe('Kafka (a:1) is unavailable: nobody there; asking again\n')
  await pass(2_000)
  interrupt()
  expect(await ended).toBe(0)
  expect(said.out).toContain('at 3')
})

test('what no waiting cures ends it', async () => {
  const { ended } = watching(async () => {
    throw new Misconfigured('wrong password')
  })
  await expect(ended).rejects.toThrow('wrong password')
})

test('an interruption does not wait for the look that is under way, nor for the pause', async () => {
  const hanging = watching(() => new Promise<Look>(() => {}))
  hanging.interrupt()
  expect(await hanging.ended).toBe(0)
  const resting = watching(moving)
  await turn()
  resting.interrupt()
  expect(await resting.ended).toBe(0)
  expect(resting.said.looks).toBe(1)
})
