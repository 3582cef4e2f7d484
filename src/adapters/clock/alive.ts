/** Longer than any process lives between two turns: the timer is there, and has nothing to do. */
const NEVER_MS = 2 ** 31 - 1

/** The process does not end for want of something to wait for, as it would while only the clock's own timers are left. */
export function stayAlive(): void {
  setInterval(() => {}, NEVER_MS)
}
