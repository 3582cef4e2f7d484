import { expect, test } from 'vitest'
import { type Skip, skipFor, skipText } from '../../../src/adapters/kafka/skips.ts'

const SKIPS: readonly Skip[] = [
  { topic: 'orders', partition: 0, from: 100, to: 200 },
  { topic: 'orders', partition: 1, from: 5, to: 6 },
]
const at = (from: number, to: number | null, partition = 0, topic = 'orders') => ({ topic, partition, from, to })

test.each([
  ['exactly what was named', at(100, 200), 200],
  ['a part of it: no further than what cannot be read', at(120, 150), 150],
  ['to an end that nobody knows: as far as was named', at(150, null), 200],
  ['beginning before', at(99, 150), null],
  ['ending behind', at(150, 201), null],
  ['behind', at(200, 210), null],
  ['behind, to an end that nobody knows', at(200, null), null],
  ['another partition', at(100, 200, 2), null],
  ['another topic', at(100, 200, 0, 'payments'), null],
  ['the second of two', at(5, 6, 1), 6],
])('%s', (_name, unreadable, to) => {
  expect(skipFor(SKIPS, unreadable)).toBe(to)
})

test('what an operator is told to set, with the end where it is known', () => {
  expect(skipText(at(1200, 1300, 3))).toBe('KAFKA_SKIP_OFFSETS=orders/3@1200-1300')
  expect(skipText(at(1200, null, 3))).toBe('KAFKA_SKIP_OFFSETS=orders/3@1200-<next offset>')
})
