/** A batch that cannot be read: everything before it is given, the partition is held with a way out, and the others go on. */
import { expect, test } from 'vitest'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { damaged, fetchAnswer, headless, numbers } from '../../support/record-batch.ts'

const errorsOf = ({ log }: KafkaBench) => log.lines.filter(({ level }) => level === 'error')

test('what lies before a broken batch is given first; then the partition is held, with offsets and the way out', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2), numbers(2, 3), damaged(numbers(5, 4)), numbers(9, 1)]
  await bench.begin(0, 1)
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v2', 'v3', 'v4'])
  const [held, ...more] = bench.listening.holds
  expect(more).toEqual([])
  expect(held).toMatchObject({ assignment: bench.assignment(0) })
  expect(held?.why).toContain('offset 5 cannot be read')
  expect(held?.why).toContain('checksum')
  expect(held?.why).toContain('KAFKA_SKIP_OFFSETS=orders/0@5-9')
  expect(bench.isPaused(0)).toBe(true)
  expect(bench.isPaused(1)).toBe(false)
  expect(bench.positionOf(0)).toBe(5)
})

test('it is read again from time to time, more and more seldom, and said once', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [damaged(numbers(0, 4))]
  await bench.begin(0)
  await bench.fetch()
  const triedAtMs: number[] = []
  for (let waitedMs = 0; waitedMs < 120_000; waitedMs += 500) {
    await bench.pass(500)
    if (await bench.fetch()) triedAtMs.push(bench.clock.nowMs())
  }
  expect(triedAtMs).toEqual([1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000])
  expect(bench.listening.holds.length).toBe(1)
  expect(errorsOf(bench).length).toBe(1)
  expect(bench.listening.answers).toEqual([])
})

test('a batch that comes whole the next time is given, and the partition goes on', async () => {
  const bench = new KafkaBench()
  const whole = [numbers(0, 2), numbers(2, 2)]
  bench.at(0).batches = [numbers(0, 2), damaged(numbers(2, 2))]
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).batches = whole
  await bench.pass(1_000)
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v2', 'v3'])
  expect(bench.listening.holds.map(({ why }) => why === null)).toEqual([false, true])
  expect(bench.isPaused(0)).toBe(false)
})

test('batches of later leaders behind it do not make it another log when it is read again', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [damaged(numbers(0, 2, { leaderEpoch: 1 })), numbers(2, 2, { leaderEpoch: 5 })]
  await bench.begin(0)
  await bench.fetch()
  await bench.pass(1_000)
  await bench.fetch()
  expect(bench.listening.renewals).toEqual([])
  expect(bench.listening.holds.length).toBe(1)
})

test('an answer without records, as a full request gives it, does not make it readable', async () => {
  const bench = new KafkaBench()
  const broken = [damaged(numbers(0, 2))]
  bench.at(0).batches = broken
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).batches = []
  await bench.pass(1_000)
  await bench.fetch()
  bench.at(0).batches = broken
  await bench.fetch()
  expect(bench.listening.holds.length).toBe(1)
  expect(errorsOf(bench).length).toBe(1)
})

test.each([
  ['an unknown codec', numbers(2, 2, { attributes: 6 }), 'codec 6', '2-4'],
  ['compressed bytes that do not inflate', numbers(2, 2, { attributes: 1 }), 'gzip', '2-4'],
  ['another record format', headless(numbers(2, 2)), 'format 9', '2-<next offset>'],
])('%s', async (_name, batch, why, range) => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 2), batch, numbers(4, 1)]
  await bench.begin(0)
  await bench.fetch()
  if (bench.listening.holds.length === 0) await bench.fetch()
  expect(bench.listening.values).toEqual(['v0', 'v1'])
  expect(bench.listening.holds[0]?.why).toContain(why)
  expect(bench.listening.holds[0]?.why).toContain(`KAFKA_SKIP_OFFSETS=orders/0@${range}`)
})

test('an answer that ends below what was asked for does not move, and is not taken for nothing', async () => {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: '5', metadata: '' }
  await bench.begin(0)
  await bench.give(5, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 9, batches: [numbers(0, 5)] }))
  expect(bench.listening.holds[0]?.why).toContain('the answer ends below offset 5')
  expect(bench.positionOf(0)).toBe(5)
})

test('a batch that inflates beyond the limit is held without being inflated', async () => {
  const bench = new KafkaBench()
  bench.at(0).batches = [numbers(0, 1, { values: ['x'.repeat(65 * 1024 * 1024)], codec: 1 })]
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.answers).toEqual([])
  expect(bench.listening.holds[0]?.why).toContain('cannot be inflated (to 67108864 bytes at most)')
})

test('offsets that configuration names are passed over, reported as missed, and everything behind them is read', async () => {
  const bench = new KafkaBench({ skips: [{ topic: 'orders', partition: 0, from: 2, to: 4 }] })
  bench.at(0).batches = [numbers(0, 2), damaged(numbers(2, 2)), numbers(4, 2)]
  await bench.begin(0)
  await bench.drain()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v4', 'v5'])
  expect(bench.listening.misses).toEqual([{ assignment: bench.assignment(0), from: 2, to: 4, cause: 'unreadable' }])
  expect(bench.listening.holds).toEqual([])
  expect(bench.log.lines.filter(({ level }) => level === 'warn')).toMatchObject([{ fields: { from: 2, to: 4 } }])
})

test('where nobody knows how far the trouble reaches, configuration says it', async () => {
  const bench = new KafkaBench({ skips: [{ topic: 'orders', partition: 0, from: 2, to: 4 }] })
  bench.at(0).batches = [numbers(0, 2), headless(numbers(2, 2)), numbers(4, 2)]
  await bench.begin(0)
  await bench.drain()
  expect(bench.listening.values).toEqual(['v0', 'v1', 'v4', 'v5'])
  expect(bench.listening.misses).toMatchObject([{ from: 2, to: 4, cause: 'unreadable' }])
})

test('a last batch that is passed over moves the position to its end', async () => {
  const bench = new KafkaBench({ skips: [{ topic: 'orders', partition: 0, from: 0, to: 9 }] })
  bench.at(0).batches = [damaged(numbers(0, 2))]
  await bench.begin(0)
  await bench.fetch()
  bench.at(0).batches.push(numbers(2, 1))
  await bench.fetch()
  expect(bench.fetches).toEqual([0, 2])
  expect(bench.listening.values).toEqual(['v2'])
  expect(bench.listening.misses).toMatchObject([{ from: 0, to: 2 }])
})

test('a readable batch is read, whatever configuration names', async () => {
  const bench = new KafkaBench({ skips: [{ topic: 'orders', partition: 0, from: 0, to: 4 }] })
  bench.at(0).batches = [numbers(0, 4)]
  await bench.begin(0)
  await bench.fetch()
  expect(bench.listening.records.length).toBe(4)
  expect(bench.listening.misses).toEqual([])
})
