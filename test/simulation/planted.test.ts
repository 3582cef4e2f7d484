import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seedOf } from '../core/seed.ts'
import { PLANTED, type Planted } from './planted.ts'
import { ending, setting, steps } from './steps.ts'
import { World } from './world.ts'

const seed = seedOf('simulation/planted.test.ts')
const RUNS_MAX = 400
const runs = fc.sample(fc.tuple(setting, steps, ending), { seed, numRuns: RUNS_MAX })

/** What is found, and in which run; null when nothing is. */
function search(plant: Planted['plant'] | undefined, runsMax: number): string | null {
  for (const [run, [setting, steps, ending]] of runs.slice(0, runsMax).entries()) {
    try {
      for (const end of ['settle', 'stop']) {
        const world = new World(setting, plant)
        for (const step of steps) world.step(step)
        if (end === 'settle') world.settleAll()
        else world.stop(ending)
      }
    } catch (error) {
      return `run ${run}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return null
}

test.each(PLANTED)('it is found when $name', ({ plant }) => {
  expect(search(plant, RUNS_MAX)).not.toBeNull()
})

test('nothing is found where nothing was planted', () => {
  expect(search(undefined, 100)).toBeNull()
})
