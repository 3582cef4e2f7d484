/** What an assignment before this one has settled arrives marked as completed: it is settled as it comes, and nothing else happens to it. */
import { expect, test } from 'vitest'
import { assignmentOf } from './make.ts'
import { Scenario } from './scenario.ts'

const completed = { lane: null, disposition: { kind: 'completed' } } as const

function consuming(options: ConstructorParameters<typeof Scenario>[0] = {}): Scenario {
  const scenario = new Scenario(options)
  scenario.join(0)
  return scenario
}

test('they reach no handler and close no lane, and what may be committed passes them', () => {
  const scenario = consuming()
  scenario.restore(0, 5, { settled: [6, 8] })
  expect(scenario.fetch(0, {}, completed, {}, completed)).toEqual(['start 0@5'])
  expect(scenario.status(0)).toMatchObject({ committed: 5, position: 9, oldestUnsettled: 5, buffered: 1, inFlight: 1 })
  expect(scenario.ack('0@5')).toEqual(['start 0@7'])
  expect(scenario.pass(1_000)).toEqual(['commit 0→7+8'])
  scenario.commitTaken()
  expect(scenario.ack('0@7')).toEqual([])
  expect(scenario.pass(1_000)).toEqual(['commit 0→9'])
})

test('a whole answer of them moves what may be committed, and starts nothing', () => {
  const scenario = consuming()
  scenario.restore(0, 0, { settled: [1, 2] })
  scenario.fetch(0, {})
  scenario.fail('0@0', { kind: 'passing', reason: 'attempts-exhausted', timedOut: false })
  expect(scenario.fetch(0, completed, completed)).toEqual([])
  expect(scenario.pass(50)).toEqual(['start 0@0#2'])
  scenario.ack('0@0')
  expect(scenario.pass(1_000)).toEqual(['commit 0→3'])
})

test('they weigh nothing: the budget is for what is in hand', () => {
  const scenario = consuming({ budget: { recordsMax: 3, bytesMax: 300 } })
  expect(scenario.fetch(0, {}, ...Array.from({ length: 50 }, () => completed))).toEqual(['start 0@0'])
  expect(scenario.status(0)).toMatchObject({ paused: null, bufferedBytes: 100 })
})

test('they stand in the window like everything behind the oldest unsettled record', () => {
  const scenario = consuming({ windowMax: 4 })
  expect(scenario.fetch(0, {}, completed, completed, completed)).toEqual(['start 0@0', 'pause 0'])
  expect(scenario.ack('0@0')).toEqual(['resume 0'])
  expect(scenario.fetch(0, completed, completed, completed, completed, completed)).toEqual([])
})

test('what was restored is what lag is counted from, before the first answer too', () => {
  const scenario = consuming()
  scenario.restore(0, 5, { settled: [6] })
  const assignment = scenario.assignment(0)
  scenario.tell({ type: 'offsetsKnown', offsets: [{ assignment, committed: null, highWatermark: 9, logStart: 0 }] })
  expect(scenario.status(0)).toMatchObject({ committed: 5, lagRecords: 4 })
  expect(scenario.pass(10_000), 'nothing of it is committed again').toEqual([])
})

test('what is restored for an assignment that is gone is nobody’s', () => {
  const scenario = consuming()
  scenario.tell({ type: 'restored', assignment: assignmentOf(0, 99), committed: 7, completions: null })
  expect(scenario.status(0).committed).toBeNull()
})

test('a partition that changes hands twice before it was read on keeps what the first owner settled', () => {
  const scenario = consuming()
  scenario.restore(0, 5, { settled: [6, 20] })
  scenario.fetch(0, {}, completed)
  expect(scenario.revoking(0)).toEqual([])
  expect(scenario.ack('0@5')).toEqual(['commit 0→7+20'])
  expect(scenario.commitTaken()).toEqual(['handedOver 0'])
})
