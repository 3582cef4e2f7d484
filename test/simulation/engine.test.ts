/**
 * The engine against a model, for any order of facts: joins with changing assignments, losses, fetches with gaps, attempts
 * that end in every way, dead letters that are refused, commits that fail or whose answer is lost, time.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seedOf } from '../core/seed.ts'
import { ending, setting, steps } from './steps.ts'
import { World } from './world.ts'

const seed = seedOf('simulation/engine.test.ts')
/** More of them find more: SLUICE_RUNS=100000 takes minutes. */
const numRuns = Number(process.env['SLUICE_RUNS'] ?? 600)

test('whatever happens, every invariant holds; all is settled and committed once faults are over; a stop always ends', () => {
  fc.assert(
    fc.property(setting, steps, ending, (setting, steps, ending) => {
      const [settled, stopped] = [new World(setting), new World(setting)]
      for (const step of steps) settled.step(step)
      for (const step of steps) stopped.step(step)
      expect(stopped.trace, 'the same facts give the same commands').toEqual(settled.trace)
      settled.settleAll()
      stopped.stop(ending)
    }),
    { seed, numRuns },
  )
}, 3_600_000)
