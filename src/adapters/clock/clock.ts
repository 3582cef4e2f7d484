import type { Clock } from '../../consumer/ports.ts'

/** setTimeout takes a signed 32-bit number; anything longer would call back at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The machine's own time. */
export function systemClock(): Clock {
  return {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    at(atMs, callback) {
      let timer: NodeJS.Timeout
      const arm = (): void => {
        // Rounded up, and looked at again when it fires: node's timers count whole milliseconds and may be a fraction early.
        const delayMs = Math.min(Math.max(Math.ceil(atMs - performance.now()), 0), TIMEOUT_MS_MAX)
        timer = setTimeout(fire, delayMs).unref()
      }
      const fire = (): void => {
        if (performance.now() < atMs) arm()
        else callback()
      }
      arm()
      return () => clearTimeout(timer)
    },
  }
}
