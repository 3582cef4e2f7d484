/** A topic is deleted and created again under a reader: what was held of the old log is nobody's, and the new one is all that is ours. */
import { expect, test } from 'vitest'
import { Bench } from '../support/consumer-bench.ts'
import { latch, thing, thingHandler } from '../support/floor.ts'

test('what ran of the old log is aborted, what waited of it never starts, and only the new one is ours', async () => {
  const release = latch()
  const begun: { id: string; signal: AbortSignal }[] = []
  const handler = thingHandler({
    async handle({ value: { id } }, { signal }) {
      begun.push({ id, signal })
      if (id === 'old 0') await release.passed
    },
  })
  const bench = new Bench({ handlers: [handler] })
  bench.append(0, thing('old 0', 'k'), thing('old 1', 'k'))
  const { consumer } = await bench.joined()
  await bench.until('it is in its handler', () => begun.length === 1)
  const [before] = consumer.status().partitions

  bench.broker.deleteTopic('things')
  bench.broker.topic('things', 1)
  bench.append(0, thing('new 0'))
  await bench.until('the new log is handled', () => begun.some(({ id }) => id === 'new 0'))
  expect(begun[0]?.signal.aborted).toBe(true)
  const { partitions } = consumer.status()
  expect(partitions).toMatchObject([{ topic: 'things', partition: 0, position: 1 }])
  expect(partitions[0]?.epoch).not.toBe(before?.epoch)

  release.open()
  await bench.untilCommitted(1)
  expect(begun.map(({ id }) => id)).toEqual(['old 0', 'new 0'])
  expect(consumer.status()).toMatchObject({ inFlight: 0, buffered: 0 })
})
