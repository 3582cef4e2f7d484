import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')

/** Collects what nothing refers to, and answers how many bytes are left in the heap. */
export async function collect(): Promise<number> {
  // A weak reference holds what it refers to until the turn that made it is over.
  await nextTurn()
  if (typeof gc !== 'function') throw new TypeError('this runtime offers no gc')
  gc()
  return process.memoryUsage().heapUsed
}
