/** What is condemned while a write is under way waits for its end: its partition would forget the first write, and go before it is answered. */
import { expect, test } from 'vitest'
import { Scenario } from './scenario.ts'

const poison = {
  lane: null,
  disposition: { kind: 'dead-letter', reason: 'framing', error: 'no', handler: null },
} as const

test('a second write of a partition waits for the first, also where that is refused', () => {
  const scenario = new Scenario()
  scenario.join(0, 1)
  expect(scenario.fetch(0, poison)).toEqual(['deadLetter 0@0 framing'])
  expect(scenario.fetch(0, poison)).toEqual([])
  expect(scenario.fetch(1, poison), 'that of another partition does not').toEqual(['deadLetter 1@0 framing'])
  expect(scenario.lettersRefused()).toEqual([])
  const both = /^deadLetter 0@\d framing, 0@\d framing$/
  expect(scenario.pass(60_000), 'in any order: they have no key').toEqual([expect.stringMatching(both)])
})

test('a partition that is handed over waits for all that is being written of it', () => {
  const scenario = new Scenario()
  scenario.join(0)
  scenario.fetch(0, poison)
  scenario.fetch(0, poison)
  expect(scenario.revoking(0)).toEqual([])
  expect(scenario.lettersTaken()).toEqual(['commit 0→1'])
  expect(scenario.commitTaken()).toEqual(['handedOver 0'])
})
