/** START_FROM=latest: who is refused the commit of a topic's end must not begin anywhere, since the log's start is the one place that nobody asked for. */
import type { Admin, Broker } from 'kafkajs'
import { expect, test } from 'vitest'
import type { Questions } from '../../../src/adapters/kafka/admin.ts'
import { startAtTheEnd } from '../../../src/adapters/kafka/latest.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { listeningLog, turn } from '../../support/floor.ts'
import { KafkaWorld } from '../../support/kafka-world.ts'

const refusal = (type: string): Error => Object.assign(new Error(type), { type })

function answering<Answer>(error: Error | undefined, answer: Answer): () => Promise<Answer> {
  return async () => {
    if (error !== undefined) throw error
    return answer
  }
}

/** A group without commits. Each of its questions may be refused. */
function setUp(refused: { readonly commit?: Error; readonly coordinator?: Error; readonly offsets?: Error }) {
  const [clock, log, stop] = [memoryClock(), listeningLog(), new AbortController()]
  const admin = {
    fetchOffsets: answering(refused.offsets, [{ topic: 'orders', partitions: [{ partition: 0, offset: '-1' }] }]),
    fetchTopicOffsets: answering(undefined, [{ partition: 0, low: '0', high: '7' }]),
  }
  // Boundary: what is asked of them here.
  const questions = { ask: async (question: (of: Admin) => unknown) => await question(admin as never) } as Questions
  const broker = { offsetCommit: answering(refused.commit, {}) } as unknown as Broker
  const options = new KafkaWorld(['broker:9092']).sourceOptions({ groupId: 'group', topics: ['orders'], clock, log })
  const coordinator = answering(refused.coordinator, broker)
  const ended = startAtTheEnd({ options, questions, signal: stop.signal, coordinator })
  return { clock, log, ended }
}

test.each(['TOPIC_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED'])('%s ends the try at once', async type => {
  const { ended, log } = setUp({ commit: refusal(type) })
  await expect(ended).rejects.toThrow(type)
  expect(log.lines).toEqual([])
})

test('members that run and have committed nothing are waited for, and then the log is read from its start, which is said', async () => {
  const { ended, log, clock } = setUp({ commit: refusal('UNKNOWN_MEMBER_ID') })
  for (let waitedMs = 0; waitedMs < 31_000; waitedMs += 500) {
    await turn()
    clock.advance(500)
  }
  await ended
  expect(log.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('beginning at the start') }])
})

test('the coordinator is asked for first: only that tells which permission is missing', async () => {
  const nobody = Object.assign(new Error('nobody'), { name: 'KafkaJSGroupCoordinatorNotFound' })
  const { ended } = setUp({ coordinator: refusal('GROUP_AUTHORIZATION_FAILED'), offsets: nobody })
  await expect(ended).rejects.toThrow('GROUP_AUTHORIZATION_FAILED')
})
