/** A partition whose commit the broker refuses (a topic that may not be read) is no reason to give up, or to repeat, another one's. */
import { expect, test } from 'vitest'
import { Scenario } from './scenario.ts'

/** Partition 1 has something to commit, which is refused; partition 0 has a record in its handler. */
function refusing(): Scenario {
  const scenario = new Scenario()
  scenario.join(0, 1)
  scenario.fetch(0, {})
  scenario.fetch(1, {})
  scenario.ack('1@0')
  expect(scenario.pass(1_000)).toEqual(['commit 1→1'])
  return scenario
}

test('a hand-over commits what settles late, however often the other one was refused meanwhile', () => {
  const scenario = refusing()
  scenario.commitFailed('generation')
  scenario.revoking(0)
  for (let failure = 0; failure < 10; failure++) {
    expect(scenario.pass(1_000)).toEqual(['commit 1→1'])
    expect(scenario.commitFailed('generation')).toEqual([])
  }
  expect(scenario.ack('0@0')).toEqual([])
  expect(scenario.pass(200)).toEqual(['commit 1→1 0→1'])
  expect(scenario.commitFailed('generation', 0)).toEqual(['handedOver 0'])
})

test('what was stored all the same is not committed again', () => {
  const scenario = refusing()
  scenario.ack('0@0')
  scenario.commitFailed('generation')
  expect(scenario.pass(1_000)).toEqual(['commit 1→1 0→1'])
  scenario.commitFailed('generation', 0)
  expect(scenario.pass(1_000)).toEqual(['commit 1→1'])
  expect([scenario.status(0).committed, scenario.status(1).committed]).toEqual([1, null])
})

test('one that was stored while others were refused has not failed', () => {
  const scenario = refusing()
  scenario.fetch(0, ...['b', 'c', 'd', 'e', 'f'].map(lane => ({ lane })))
  scenario.commitFailed('generation')
  scenario.revoking(0)
  for (let offset = 0; offset < 5; offset++) {
    scenario.ack(`0@${offset}`)
    expect(scenario.pass(1_000)).toEqual([`commit 1→1 0→${offset + 1}`])
    expect(scenario.commitFailed('generation', 0)).toEqual([])
  }
  expect(scenario.ack('0@5')).toEqual([])
  expect(scenario.pass(200)).toEqual(['commit 1→1 0→6'])
  expect(scenario.commitFailed('generation', 0)).toEqual(['handedOver 0'])
})

test('the one that is refused is handed over after five, too', () => {
  const scenario = refusing()
  expect(scenario.revoking(1)).toEqual([])
  for (let failure = 1; failure < 5; failure++) {
    expect(scenario.commitFailed('generation')).toEqual([])
    expect(scenario.pass(200)).toEqual(['commit 1→1'])
  }
  expect(scenario.commitFailed('generation')).toEqual(['handedOver 1'])
})
