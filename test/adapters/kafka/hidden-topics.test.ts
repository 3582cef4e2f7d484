/** kafkajs asks for all its topics in one question: one that we may not see must not keep the others from being read. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setImmediate as turn } from 'node:timers/promises'
import type { Cluster } from 'kafkajs'
import { expect, test } from 'vitest'
import { HiddenTopics } from '../../../src/adapters/kafka/hidden-topics.ts'

const require = createRequire(import.meta.url)

const failed = (type: string): Error => Object.assign(new Error(type), { type })

// Boundary: kafkajs' own module, which has no types.
const shared = require('kafkajs/src/utils/sharedPromiseTo') as (ask: () => Promise<void>) => () => Promise<void>

/** As kafkajs' cluster asks: for all of its topics, once for all that ask meanwhile, and the first that has an error fails it. */
class FakeCluster {
  targetTopics = new Set(['orders', 'payments', 'users'])
  readonly errors = new Map<string, string>()
  readonly questions: string[] = []
  /** An answer is on its way for so long. */
  answering: () => Promise<void> = async () => undefined
  brokerPool = {
    findConnectedBroker: async () => ({ metadata: async (topics: readonly string[]) => this.#ask(topics) }),
  }

  refreshMetadata = shared(() => this.#ask([...this.targetTopics]))
  refreshMetadataIfNecessary = shared(() => this.#ask([...this.targetTopics]))

  async #ask(topics: readonly string[]): Promise<void> {
    this.questions.push(topics.toSorted().join(' '))
    await this.answering()
    for (const topic of topics) {
      const error = this.errors.get(topic)
      if (error !== undefined) throw failed(error)
    }
  }
}

function setUp(...forbidden: readonly string[]) {
  const cluster = new FakeCluster()
  for (const topic of forbidden) cluster.errors.set(topic, 'TOPIC_AUTHORIZATION_FAILED')
  const found: (readonly string[])[] = []
  // Boundary: what is asked of a cluster here.
  const hidden = new HiddenTopics(cluster as unknown as Cluster, topics => found.push(topics))
  return { cluster, hidden, found }
}

test('what is used of kafkajs is there', () => {
  const Cluster = require('kafkajs/src/cluster') as { prototype: object }
  const BrokerPool = require('kafkajs/src/cluster/brokerPool') as { prototype: object }
  expect(Cluster.prototype).toHaveProperty('refreshMetadata', expect.any(Function))
  expect(Cluster.prototype).toHaveProperty('refreshMetadataIfNecessary', expect.any(Function))
  expect(BrokerPool.prototype).toHaveProperty('findConnectedBroker', expect.any(Function))
  const source = readFileSync(require.resolve('kafkajs/src/cluster'), 'utf8')
  expect(source).toContain('this.brokerPool.refreshMetadataIfNecessary(Array.from(this.targetTopics))')
})

test('a topic that we may not see is found, told, and left out from then on', async () => {
  const { cluster, hidden, found } = setUp('payments')
  await cluster.refreshMetadataIfNecessary()
  expect(found).toEqual([['payments']])
  expect([hidden.has('payments'), hidden.has('orders')]).toEqual([true, false])
  cluster.questions.length = 0
  await cluster.refreshMetadataIfNecessary()
  expect(cluster.questions).toEqual(['orders users'])
  expect(found.length).toBe(1)
})

test('several that ask at once find it out together', async () => {
  const { cluster, found } = setUp('payments')
  await Promise.all([cluster.refreshMetadataIfNecessary(), cluster.refreshMetadata()])
  expect(found).toEqual([['payments']])
})

test('none of them may be seen: the question stays, for it names the brokers', async () => {
  const { cluster, found } = setUp('orders', 'payments', 'users')
  await cluster.refreshMetadata()
  expect(found).toEqual([['orders', 'payments', 'users']])
  expect(cluster.questions.at(-1)).toBe('')
})

test('a refresh that somebody asks for begins with all of them, and finds out that we may see it again', async () => {
  const { cluster, hidden, found } = setUp('payments')
  await cluster.refreshMetadata()
  await cluster.refreshMetadata()
  expect(found).toEqual([['payments'], ['payments']])
  cluster.errors.clear()
  await cluster.refreshMetadata()
  expect(hidden.has('payments')).toBe(false)
  expect(cluster.questions.at(-1)).toBe('orders payments users')
})

test.each(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])('%s is none of its business', async error => {
  const { cluster, found } = setUp()
  cluster.errors.set('orders', error)
  await expect(cluster.refreshMetadata()).rejects.toThrow(error)
  expect([found, cluster.questions.length]).toEqual([[], 1])
})

test('what else is wrong is said when the forbidden ones are left out', async () => {
  const { cluster, hidden } = setUp('orders')
  cluster.errors.set('users', 'UNKNOWN_TOPIC_OR_PARTITION')
  await expect(cluster.refreshMetadata()).rejects.toThrow('UNKNOWN_TOPIC_OR_PARTITION')
  expect(hidden.has('orders')).toBe(true)
})

test.each([0, 1, 2, 3, 4, 5, 6])(
  'a refresh that begins %i turns after another one, whose question it may share, keeps nobody from reading',
  async turns => {
    const { cluster, hidden } = setUp('payments')
    cluster.answering = turn
    await cluster.refreshMetadata()
    const later = async (): Promise<void> => {
      for (let waited = 0; waited < turns; waited++) await turn()
      await cluster.refreshMetadata()
    }
    await Promise.all([cluster.refreshMetadata(), turn().then(cluster.refreshMetadataIfNecessary), later()])
    await cluster.refreshMetadataIfNecessary()
    expect([hidden.has('payments'), hidden.has('orders')]).toEqual([true, false])
  },
)
