/** The Kafka source under a real consumer: what the one holds and the other pauses do not wait for each other. */
import { expect, test } from 'vitest'
import { Bench } from '../../support/consumer-bench.ts'
import { turn } from '../../support/floor.ts'
import { KafkaBench } from '../../support/kafka-bench.ts'
import { damaged, numbers } from '../../support/record-batch.ts'

/** A consumer that has joined with one partition. No record can be decoded: each becomes a dead letter. */
async function consuming() {
  const parts = new Bench()
  let kafka: KafkaBench | null = null
  const { consumer } = parts.member({
    source: {
      start: async listener => void (kafka = new KafkaBench({ topics: ['things'] }, listener)),
      pause: assignments => kafka?.consuming.pause(assignments),
      resume: assignments => kafka?.consuming.resume(assignments),
      commit: async offsets => (await kafka?.consuming.commit(offsets)) ?? { ok: true },
      rejoin: () => {},
      stop: async () => {},
      alive: true,
    },
  })
  await consumer.start()
  const source = kafka as KafkaBench | null
  if (source === null) throw new Error('the consumer has not started its source')
  source.join([{ topic: 'things', partition: 0 }])
  await turn()
  const passed = async (ms: number): Promise<void> => {
    for (let waitedMs = 0; waitedMs < ms; waitedMs += 100) {
      await source.pass(100)
      source.consuming.events.heartbeat({ memberId: 'member', generation: 1, tookMs: 0 })
      await source.fetch(0, 'things')
      await parts.pass(100)
    }
  }
  const status = () => consumer.status().partitions[0]
  return { log: source.at(0, 'things'), passed, status }
}

test('a batch that cannot be read, and comes whole later, is read', async () => {
  const { log, passed, status } = await consuming()
  log.batches = [numbers(0, 2), damaged(numbers(2, 2))]
  await passed(3_000)
  expect(status()?.blockedBy).toContain('offset 2 cannot be read')
  log.batches = [numbers(0, 2), numbers(2, 2)]
  await passed(10_000)
  expect(status()).toMatchObject({ position: 4, blockedBy: null })
})
