/**
 * When to end early: a signal, or the end of the process that started us (dev/bootstrap.mjs), which may have been killed
 * without being able to tell. Signals that come twice at once count once: npm, a terminal and a process group all pass them on.
 */

/** Nobody presses Ctrl-C twice within this time. */
const SAME_WITHIN_MS = 300

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Calls back each time with what asked; the first time is a request, a second one an order. */
export function onStopRequest(callback: (what: string, times: number) => void): void {
  let times = 0
  let lastMs = Number.NEGATIVE_INFINITY
  const asked = (what: string) => {
    const nowMs = performance.now()
    const same = nowMs - lastMs < SAME_WITHIN_MS
    lastMs = nowMs
    if (!same) callback(what, ++times)
  }
  for (const signal of signals) process.on(signal, asked)
  if (process.channel === undefined) return
  process.once('disconnect', () => asked('the end of the process that started this'))
  // Listening to the channel must not keep us alive.
  process.channel.unref()
}
