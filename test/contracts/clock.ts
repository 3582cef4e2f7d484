import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/consumer/ports.ts'

/** `pass` lets the time go by that the test is about to wait for: real time does so by itself. */
export interface ClockUnderTest {
  readonly clock: Clock
  readonly pass: () => void
}

/** What `Clock` promises in consumer/ports.ts, sentence by sentence. */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  describe(`${name} keeps the clock's contract`, () => {
    test('monotonic time never goes back', () => {
      const { clock, pass } = make()
      const before = clock.nowMs()
      pass()
      expect(clock.nowMs()).toBeGreaterThanOrEqual(before)
    })

    test('wall time is milliseconds since 1970', () => {
      const { clock } = make()
      expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0))
      expect(clock.wallMs()).toBeLessThan(Date.UTC(2125, 0))
    })

    test('a callback comes once and not before its time', async () => {
      const { clock, pass } = make()
      for (const delayMs of [0.3, 1, 2.5, 7.9]) {
        const calls: number[] = []
        const atMs = clock.nowMs() + delayMs
        const later = called(clock, atMs + 10)
        clock.at(atMs, () => calls.push(clock.nowMs()))
        pass()
        await later
        expect(calls).toHaveLength(1)
        expect(calls[0]).toBeGreaterThanOrEqual(atMs)
      }
    })

    test('a callback does not come a fraction early, wherever between two milliseconds it was asked for', async () => {
      const { clock, pass } = make()
      const early = Array.from({ length: 50 }, (_, index) => {
        const untilMs = performance.now() + 0.13
        while (performance.now() < untilMs);
        const atMs = clock.nowMs() + 5 + (index % 3)
        return new Promise<number>(resolve => {
          clock.at(atMs, () => resolve(atMs - clock.nowMs()))
        })
      })
      pass()
      // A busy loop looks at its timers all the time, and node's own are of whole milliseconds.
      let busy = true
      const turn = (): void => void (busy && setImmediate(turn))
      turn()
      const byMs = await Promise.all(early)
      busy = false
      expect(Math.max(...byMs)).toBeLessThanOrEqual(0)
    })

    test('a time that has passed is called back soon, and never from within `at`', async () => {
      const { clock, pass } = make()
      let within = true
      const past = new Promise<boolean>(resolve => {
        clock.at(clock.nowMs() - 1_000, () => resolve(within))
      })
      within = false
      pass()
      expect(await past).toBe(false)
    })

    test('a cancelled callback never comes; cancelling twice, or too late, is nothing', async () => {
      const { clock, pass } = make()
      const calls: string[] = []
      const cancel = clock.at(clock.nowMs() + 2, () => calls.push('cancelled'))
      const cancelLate = clock.at(clock.nowMs() + 1, () => calls.push('kept'))
      cancel()
      cancel()
      const later = called(clock, clock.nowMs() + 20)
      pass()
      await later
      cancelLate()
      expect(calls).toEqual(['kept'])
    })

    test('a delay of more than 24 days is not called at once', async () => {
      const { clock, pass } = make()
      let early = false
      const cancel = clock.at(clock.nowMs() + 2 ** 31 + 60_000, () => {
        early = true
      })
      const later = called(clock, clock.nowMs() + 20)
      pass()
      await later
      cancel()
      expect(early).toBe(false)
    })
  })
}

function called(clock: Clock, atMs: number): Promise<void> {
  return new Promise(resolve => {
    clock.at(atMs, resolve)
  })
}
