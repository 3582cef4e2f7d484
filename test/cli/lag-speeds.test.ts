/** How fast a partition moves, and when it is done. */
import { expect, test } from 'vitest'
import { drainText, paceText, type Seen, Speeds, speedText } from '../../src/cli/lag/speeds.ts'

const PLACE = { topic: 'orders', partition: 0 }
const seen = (progress: number | null, left: number | null): Seen => ({ ...PLACE, lagRecords: left, progress, left })
function after(...looks: readonly (readonly [atMs: number, Seen])[]) {
  const speeds = new Speeds()
  for (const [atMs, each] of looks) speeds.add(atMs, [each])
  return speeds.of(PLACE)
}
const UNKNOWN = { consumedPerSecond: null, drainSeconds: null }

test('one look has no speed', () => {
  expect(after([0, seen(0, 100)])).toEqual(UNKNOWN)
  expect(new Speeds().of(PLACE)).toEqual(UNKNOWN)
})

test('the pace is of all looks together, and it drains by what is left less, production included', () => {
  expect(after([0, seen(0, 100)], [1_000, seen(5, 100)], [10_000, seen(100, 50)])).toEqual({
    consumedPerSecond: 10,
    drainSeconds: 10,
  })
})

test('what grows or stands still never drains, and what is done has drained', () => {
  expect(after([0, seen(0, 100)], [1_000, seen(10, 110)])).toEqual({ consumedPerSecond: 10, drainSeconds: null })
  expect(after([0, seen(5, 100)], [1_000, seen(5, 100)])).toEqual({ consumedPerSecond: 0, drainSeconds: null })
  expect(after([0, seen(5, 0)], [1_000, seen(5, 0)])).toEqual({ consumedPerSecond: 0, drainSeconds: 0 })
})

test('looks of more than half a minute ago count no more', () => {
  const speed = after([0, seen(0, 1_000)], [10_000, seen(1_000, 1_000)], [40_000, seen(1_000, 1_000)])
  expect(speed.consumedPerSecond).toBe(0)
})

test('a partition that begins anew, or is not known, has no speed', () => {
  expect(after([0, seen(50, 0)], [1_000, seen(0, 10)])).toEqual(UNKNOWN)
  expect(after([0, seen(null, null)], [1_000, seen(10, 10)])).toEqual(UNKNOWN)
  const speeds = new Speeds()
  speeds.add(0, [seen(0, 10)])
  speeds.add(1_000, [])
  expect(speeds.of(PLACE)).toEqual(UNKNOWN)
})

function drains(consumedPerSecond: number | null, drainSeconds: number | null, left: number): string {
  return drainText({ consumedPerSecond, drainSeconds }, left)
}

/** Two that have as much before them, one of them at three times the work, and one that has nothing to do. */
const looks = (left: number): Seen[] => [
  { ...seen(100 - left, left), partition: 0 },
  { ...seen(1_000 - left, 3 * left), partition: 1 },
  { ...seen(7, 0), partition: 2 },
]

test('all together are done when the last one is, and never when one never is', () => {
  const speeds = new Speeds()
  speeds.add(0, looks(100))
  expect(paceText(null, looks(100)) + paceText(speeds, looks(100))).toBe('')
  speeds.add(1_000, looks(90))
  expect(paceText(speeds, looks(90))).toBe(', 20/s, drains in 9.0 s')
  speeds.add(2_000, [...looks(80).slice(0, 1), ...looks(100).slice(1)])
  expect(paceText(speeds, looks(80))).toBe(', 10/s, never drains so')
  expect(paceText(speeds, looks(80).slice(2))).toBe(', 0.0/s')
})

test('in words', () => {
  expect([null, 0, 2.34, 1234.5].map(rate => speedText({ consumedPerSecond: rate, drainSeconds: null }))).toEqual([
    '–',
    '0.0',
    '2.3',
    '1235',
  ])
  expect(drains(1, 4.21, 9)).toBe('4.2 s')
  expect(drains(1, 50, 9)).toBe('50 s')
  expect(drains(1, 3_599, 9)).toBe('59 min')
  expect(drains(1, 3_600, 9)).toBe('1 h')
  expect(drains(1, 7_500, 9)).toBe('2 h 5 min')
  expect(drains(1, 270_000, 9)).toBe('3 d 3 h')
  expect(drains(5, null, 9)).toBe('never')
  expect(drains(null, null, 9)).toBe('–')
  expect(drains(null, null, 0)).toBe('0 s')
})
