import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/adapters/clock/clock.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { clockContract } from '../../contracts/clock.ts'

clockContract('the system clock', () => ({ clock: systemClock(), pass: () => {} }))
clockContract('the memory clock', () => {
  const clock = memoryClock()
  return { clock, pass: () => clock.advance(1_000) }
})

test('a callback of the system clock keeps no process alive, and a far one is no warning to node', () => {
  const clock = new URL('../../../src/adapters/clock/clock.ts', import.meta.url).href
  const script = `import { systemClock } from '${clock}'; for (const ms of [600_000, 2 ** 32]) systemClock().at(performance.now() + ms, () => {})`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 10_000,
  })
  expect([run.status, run.stderr]).toEqual([0, ''])
})

describe('the memory clock', () => {
  test('calls back in time order, equals in the order they were asked for, also what callbacks ask for', () => {
    const clock = memoryClock()
    const calls: string[] = []
    const say = (what: string) => () => calls.push(`${what}@${clock.nowMs()}`)
    clock.at(30, say('c'))
    clock.at(10, say('a'))
    clock.at(20, () => {
      say('b1')()
      clock.at(25, say('nested'))
      clock.at(5, say('past'))
    })
    clock.at(20, say('b2'))
    clock.at(41, say('too late'))
    clock.advance(40)
    expect(calls).toEqual(['a@10', 'b1@20', 'past@20', 'b2@20', 'nested@25', 'c@30'])
    expect(clock.nowMs()).toBe(40)
    expect(clock.nextAtMs()).toBe(41)
  })

  test('wall time passes with monotonic time, and jumps without it', () => {
    const clock = memoryClock({ nowMs: 5, wallMs: 1_000_000 })
    clock.advance(10)
    expect([clock.nowMs(), clock.wallMs()]).toEqual([15, 1_000_010])
    clock.jumpWall(-3_600_000)
    expect([clock.nowMs(), clock.wallMs()]).toEqual([15, -2_599_990])
  })

  test('never goes back', () => {
    const clock = memoryClock({ nowMs: 100 })
    clock.advanceTo(50)
    expect(clock.nowMs()).toBe(100)
  })
})
