/** The Kafka source under a real consumer: what the one holds and the other pauses do not wait for each other. */
import { expect, test } from 'vitest'
import { KafkaConsumer } from '../../support/kafka-consumer.ts'
import { damaged, numbers } from '../../support/record-batch.ts'

test('a batch that cannot be read, and comes whole later, is read', async () => {
  const member = await KafkaConsumer.started()
  const passed = async (ms: number): Promise<void> => {
    for (let waitedMs = 0; waitedMs < ms; waitedMs += 100) {
      await member.pass(100)
      await member.fetch(0)
    }
  }
  member.join([0])
  member.at(0).batches = [numbers(0, 2), damaged(numbers(2, 2))]
  await passed(3_000)
  expect(member.status(0)?.blockedBy).toContain('offset 2 cannot be read')
  member.at(0).batches = [numbers(0, 2), numbers(2, 2)]
  await passed(10_000)
  expect(member.status(0)).toMatchObject({ position: 4, blockedBy: null })
})
