/** A record is a view of the answer that brought it. What stays in hand for long is said once, so that it can be copied out of it. */
import { expect, test } from 'vitest'
import type { Command } from '../../src/core/facts.ts'
import { Scenario } from './scenario.ts'

/** Lets time pass in steps of a second, and answers the offsets that were said to wait long, with the second they were said in. */
function detached(scenario: Scenario, seconds: number): string[] {
  return Array.from({ length: seconds }, () => {
    scenario.nowMs += 1_000
    const commands = scenario.engine.decide([{ type: 'ticked' }], scenario.now)
    return commands.filter(command => command.type === 'detach').flatMap(offsetsAt(scenario))
  }).flat()
}

const offsetsAt = (scenario: Scenario) => (command: Extract<Command, { type: 'detach' }>) =>
  command.records.map(({ offset }) => `${offset} at ${scenario.nowMs / 1_000} s`)

function consuming(): Scenario {
  const scenario = new Scenario()
  scenario.join(0)
  return scenario
}

test('what is in hand for five seconds is said once, in a handler or waiting', () => {
  const scenario = consuming()
  scenario.fetch(0, { lane: 'a' }, { lane: 'a' })
  expect(detached(scenario, 4)).toEqual([])
  expect(detached(scenario, 60)).toEqual(['0 at 5 s', '1 at 5 s'])
})

test('what was settled meanwhile is not, and what came later has its own time', () => {
  const scenario = consuming()
  scenario.fetch(0, { lane: 'a' }, { lane: 'b' }, { lane: 'c' })
  expect(detached(scenario, 3)).toEqual([])
  scenario.ack('0@1')
  scenario.fetch(0, { lane: 'd' })
  expect(detached(scenario, 20)).toEqual(['0 at 5 s', '2 at 5 s', '3 at 8 s'])
})

test('what settled behind what is looked at hides nothing', () => {
  const scenario = consuming()
  scenario.fetch(0, { lane: 'a' }, { lane: 'b' })
  detached(scenario, 6)
  scenario.ack('0@0', '0@1')
  scenario.fetch(0, { lane: 'a' }, { lane: 'b' })
  expect(detached(scenario, 10)).toEqual(['2 at 11 s', '3 at 11 s'])
})

test('what is completed or ignored is not in hand', () => {
  const scenario = consuming()
  scenario.fetch(0, { lane: 'a' }, { disposition: { kind: 'completed' } }, { disposition: { kind: 'ignore' } })
  expect(detached(scenario, 10)).toEqual(['0 at 5 s'])
})

test('the engine wakes for it while something is in hand, and only then', () => {
  const scenario = consuming()
  const wakes = () => scenario.engine.decide([{ type: 'ticked' }], scenario.now).filter(({ type }) => type === 'wakeAt')
  expect(wakes()).toEqual([])
  scenario.fetch(0, {})
  expect(wakes()).toHaveLength(1)
})
