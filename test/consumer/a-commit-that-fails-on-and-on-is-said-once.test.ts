/** A permission that is missing fails every commit, one a second: the log says it once, and again when something has changed. */
import { expect, test } from 'vitest'
import { Bench } from '../support/consumer-bench.ts'
import { thing } from '../support/floor.ts'

test('the same failure is a warning once, until a commit has succeeded or fails otherwise', async () => {
  const bench = new Bench()
  const member = await bench.joined()
  const warned = () =>
    member.log.lines.flatMap(({ level, fields, message }) =>
      level === 'warn' && message.startsWith('a commit failed') ? [fields['cause']] : [],
    )
  bench.broker.faults.commits = 'generation'
  bench.append(0, thing('a'))
  await bench.pass(20_000)
  expect(member.telemetry.facts.filter(({ type }) => type === 'commitFailed').length).toBeGreaterThan(10)
  expect(warned()).toEqual(['generation'])
  bench.broker.faults.commits = 'refused'
  await bench.until('it fails otherwise', () => warned().length === 2)
  bench.broker.faults.commits = null
  await bench.untilCommitted(1)
  bench.broker.faults.commits = 'generation'
  bench.append(0, thing('b'))
  await bench.pass(5_000)
  expect(warned()).toEqual(['generation', 'refused', 'generation'])
})
