/** Threads that share the seeds of a batch. */
import { Worker } from 'node:worker_threads'
import { type Summary, summaryOf, together } from './batch.ts'
import type { Share } from './worker.ts'

export interface Batch {
  readonly from: number
  readonly count: number
  readonly workers: number
  readonly stopAtFirst?: boolean
}

/** A run takes milliseconds. One that takes so long goes round in circles within one turn, where nothing else can notice it. */
const RUN_MS_MAX = 60_000

const HEAP_MB_MAX = 1_500

/** A run leaves nothing behind: with room for several, collecting costs little. */
const YOUNG_MB_MAX = 96

export async function runBatch({ from, count, workers, stopAtFirst = false }: Batch): Promise<Summary> {
  const parts = Array.from({ length: Math.min(workers, count) }, (_, worker) => {
    const share = Math.floor((count - worker - 1) / workers) + 1
    return inThread({ from: from + worker, count: share, step: workers, stopAtFirst })
  })
  return together(await Promise.all(parts))
}

async function inThread(seeds: Omit<Share, 'current'>): Promise<Summary> {
  const current = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const share: Share = { ...seeds, current }
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: share,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX, maxYoungGenerationSizeMb: YOUNG_MB_MAX },
  })
  const ended = Promise.withResolvers<Summary>()
  const fails = (why: string): void => ended.resolve(summaryOf(current[0] ?? 0, why))
  worker.once('message', ended.resolve)
  worker.once('error', error => fails(`its thread died: ${error instanceof Error ? error.message : String(error)}`))
  worker.once('exit', code => fails(`its thread ended with ${code}, and said nothing`))
  const endless = watch(current).then(() => fails(`it does not come to an end within ${RUN_MS_MAX} ms`))
  const summary = await ended.promise
  await worker.terminate()
  Atomics.store(current, 0, OVER)
  Atomics.notify(current, 0)
  await endless
  return summary
}

/** In the place of a seed: nothing more is to be watched. */
const OVER = -1

/** Resolves when the worker is at the same seed for too long, or when all is over. */
async function watch(current: Int32Array): Promise<void> {
  for (let seed = Atomics.load(current, 0); seed !== OVER; seed = Atomics.load(current, 0)) {
    const { value } = Atomics.waitAsync(current, 0, seed, RUN_MS_MAX)
    if ((await value) === 'timed-out') return
  }
}
