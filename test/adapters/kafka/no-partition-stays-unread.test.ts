/** What could keep kafkajs from ever fetching a partition again: each of these had nobody left who would resume it. */
import { expect, test } from 'vitest'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { fetchAnswer, numbers } from '../../support/record-batch.ts'

/** Read from a commit that the broker then forgets, as it does when a topic is deleted. */
async function reading(batches: number): Promise<KafkaBench> {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: '0', metadata: '' }
  bench.at(0).batches = Array.from({ length: batches }, (_, index) => numbers(index, 1))
  await bench.begin(0)
  await bench.fetch()
  return bench
}

test('a pause of the old log is not one of the log that takes its place: nobody would resume it', async () => {
  const bench = await reading(3)
  bench.consuming.pause([bench.assignment(0)])
  bench.at(0).committed = null
  await bench.ask()
  expect(bench.listening.renewals.length).toBe(1)
  expect(bench.isPaused(0)).toBe(false)
  await bench.drain()
  expect(bench.listening.answers.at(-1)).toMatchObject({ assignment: bench.assignment(0), positionAfter: 3 })
})

test('what was still to be given of the old log does not pause the new one', async () => {
  const bench = await reading(45)
  expect(bench.listening.answers.length).toBe(20)
  bench.at(0).committed = null
  await bench.ask()
  await turn()
  expect(bench.listening.renewals.length).toBe(1)
  expect(bench.listening.answers.length).toBe(20)
  expect(bench.isPaused(0)).toBe(false)
})

test('an answer that ends below what was asked for and beyond the high watermark leaves nothing behind that would block the next', async () => {
  const bench = new KafkaBench()
  bench.at(0).committed = { offset: '3', metadata: '' }
  await bench.begin(0)
  const batches = [numbers(0, 3), numbers(3, 2)]
  await bench.give(3, fetchAnswer({ topic: 'orders', partition: 0, highWatermark: 4, batches }))
  expect(bench.listening.answers).toEqual([])
  await bench.pass(200)
  expect(bench.isPaused(0)).toBe(false)
  bench.at(0).batches = batches
  await bench.fetch()
  expect(bench.listening.values).toEqual(['v3', 'v4'])
})
