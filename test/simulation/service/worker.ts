/** A thread that runs its share of the seeds. */
import { parentPort, workerData } from 'node:worker_threads'
import { runSeeds, type Seeds } from './batch.ts'

export interface Share extends Seeds {
  readonly stopAtFirst: boolean
  /** Of one element: the seed that is run now. */
  readonly current: Int32Array
}

// Boundary: `crew.ts` starts this file, and gives it this.
const { current, stopAtFirst, ...seeds } = workerData as Share

const summary = await runSeeds(seeds, {
  stopAtFirst,
  onSeed(seed) {
    Atomics.store(current, 0, seed)
    Atomics.notify(current, 0)
  },
})
parentPort?.postMessage(summary, [])
