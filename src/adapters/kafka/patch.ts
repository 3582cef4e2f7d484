/**
 * The one change that is made to kafkajs, and the only file that reaches below its public door. kafkajs is pinned to 2.2.4;
 * `test/adapters/kafka/patch.test.ts` fails when the version or what is patched here changes.
 *
 * The defect: after every answer its request queue arms a timer to look for waiting requests, also when none is waiting. The
 * delay is then "the end of the throttling minus now", a negative number, which node turns into 1 ms (with a
 * TimeoutNegativeWarning): the timer finds nothing and arms the next one. An idle consumer of three brokers made 4,800 timers
 * a second, a third of its idle CPU. With nothing waiting there is nothing to look for: `push` arms the timer itself when it
 * has to queue a request.
 */
import { createRequire } from 'node:module'

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests: (this: RequestQueue) => void
}

const PATCHED = Symbol.for('sluice.kafkajs.requestQueue')

/** A second call changes nothing. */
export function patchKafkajs(): void {
  const require = createRequire(import.meta.url)
  // Boundary: a module without types of its own; the test holds that the path exists and is a class with this method.
  const { prototype } = require('kafkajs/src/network/requestQueue') as {
    prototype: RequestQueue & { [PATCHED]?: true }
  }
  if (prototype[PATCHED]) return
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function scheduleWhenPending(this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
  prototype[PATCHED] = true
}
