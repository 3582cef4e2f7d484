import type { Broker, Cluster } from 'kafkajs'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type GroupHooks, hookedRoundRobin } from '../../../src/adapters/kafka/group.ts'

interface Fake {
  nodeIds: number[]
  failures: number
  readonly steps: string[]
}

function setUp(hooks: Partial<GroupHooks> = {}) {
  const fake: Fake = { nodeIds: [1, 2], failures: 0, steps: [] }
  // Boundary: only the methods that the hooks touch.
  const cluster = {
    getNodeIds: () => fake.nodeIds,
    refreshMetadata: async () => void fake.steps.push('refresh'),
    findGroupCoordinator: async () => {
      fake.steps.push('find')
      fake.failures--
      if (fake.failures >= 0) throw new kafkajs.KafkaJSConnectionError('no answer')
      return { isConnected: () => true }
    },
  } as unknown as Cluster
  const assigner = hookedRoundRobin({
    clusterMade: () => undefined,
    beforeJoin: async () => void fake.steps.push('before'),
    coordinatorFound: (_coordinator: Broker) => void fake.steps.push('found'),
    coordinatorNotFound: async () => void fake.steps.push('not found'),
    ...hooks,
  })
  // Boundary: the assigner logs nothing.
  assigner({ cluster, groupId: 'group', logger: {} as never })
  return { cluster, fake }
}

test('the nodes of before are known when the last broker is gone: without any, kafkajs gives up for good', () => {
  const { cluster, fake } = setUp()
  expect(cluster.getNodeIds()).toEqual([1, 2])
  fake.nodeIds = []
  expect(cluster.getNodeIds()).toEqual([1, 2])
  fake.nodeIds = [3]
  expect(cluster.getNodeIds()).toEqual([3])
})

test('a coordinator that is not found is looked for again, within the same join', async () => {
  const { cluster, fake } = setUp()
  fake.failures = 2
  await cluster.findGroupCoordinator({ groupId: 'group' })
  expect(fake.steps).toEqual([
    'before',
    'find',
    'not found',
    'refresh',
    'find',
    'not found',
    'refresh',
    'find',
    'found',
  ])
})

test('other groups are none of our business', async () => {
  const { cluster, fake } = setUp()
  await cluster.findGroupCoordinator({ groupId: 'another' })
  expect(fake.steps).toEqual(['find'])
})

test('a join that is not wanted any more ends', async () => {
  const { cluster } = setUp({ beforeJoin: () => Promise.reject(new kafkajs.KafkaJSNonRetriableError('stopping')) })
  await expect(cluster.findGroupCoordinator({ groupId: 'group' })).rejects.toThrow('stopping')
})
