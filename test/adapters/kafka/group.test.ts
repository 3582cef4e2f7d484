import { createRequire } from 'node:module'
import type { Broker, Cluster, GroupMember } from 'kafkajs'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { assigners, COOPERATIVE, type GroupHooks } from '../../../src/adapters/kafka/group.ts'
import { encodeOwned } from '../../../src/core/assignor.ts'
import type { TopicPartition } from '../../../src/core/record.ts'

const { AssignerProtocol, PartitionAssigners } = kafkajs

interface Fake {
  nodeIds: number[]
  failures: number
  failure: Error
  /** What a broker says that is asked directly; null: it answers. */
  refusal: Error | null
  readonly steps: string[]
  /** Partitions by topic; a topic that is not there is missing, one without a number is forbidden. */
  readonly topics: Record<string, number | null>
}

function setUp(hooks: Partial<GroupHooks> = {}) {
  const failure = new kafkajs.KafkaJSConnectionError('no answer')
  const fake: Fake = { nodeIds: [1, 2], failures: 0, failure, refusal: null, steps: [], topics: {} }
  const metadata = async ([topic = '']: string[]) => {
    const partitions = fake.topics[topic]
    if (partitions === undefined) throw Object.assign(new Error(topic), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })
    if (partitions === null) throw Object.assign(new Error(topic), { type: 'TOPIC_AUTHORIZATION_FAILED' })
    return {
      topicMetadata: [
        { topic, partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({ partitionId })) },
      ],
    }
  }
  const findGroupCoordinator = async () => {
    if (fake.refusal !== null) throw fake.refusal
  }
  // Boundary: only the methods that the hooks touch.
  const cluster = {
    getNodeIds: () => fake.nodeIds,
    findBroker: async () => ({ metadata, findGroupCoordinator }),
    refreshMetadata: async () => void fake.steps.push('refresh'),
    findGroupCoordinator: async () => {
      fake.steps.push('find')
      fake.failures--
      if (fake.failures >= 0) throw fake.failure
      return { isConnected: () => true }
    },
  } as unknown as Cluster
  const [factory] = assigners({
    clusterMade: () => undefined,
    beforeJoin: async () => void fake.steps.push('before'),
    coordinatorFound: (_coordinator: Broker) => void fake.steps.push('found'),
    coordinatorNotFound: async () => void fake.steps.push('not found'),
    topicUnseen: topic => void fake.steps.push(`unseen ${topic}`),
    owned: () => [],
    ...hooks,
  })
  if (factory === undefined) throw new Error('no assigner')
  // Boundary: the assigner logs nothing.
  const assigner = factory({ cluster, groupId: 'group', logger: {} as never })
  const shares = async (...members: GroupMember[]) =>
    new Map(
      (await assigner.assign({ members, topics: [] })).map(({ memberId, memberAssignment }) => [
        memberId,
        AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {},
      ]),
    )
  return { cluster, fake, assigner, shares }
}

function member(memberId: string, topics: string[], owned: readonly TopicPartition[] | Buffer = []): GroupMember {
  const userData = Buffer.isBuffer(owned) ? owned : Buffer.from(encodeOwned(owned))
  return { memberId, memberMetadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData }) }
}

const places = (topic: string, ...partitions: number[]) => partitions.map(partition => ({ topic, partition }))

// ── The hooks of a join ─────────────────────────────────────────────────────────────────────────────────────────────────

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
  const again = ['find', 'not found', 'refresh']
  expect(fake.steps).toEqual(['before', ...again, ...again, 'find', 'found'])
})

test('where the brokers refuse to say who coordinates the group, that is the error: kafkajs only says that it has found nobody', async () => {
  const { cluster, fake } = setUp({
    coordinatorNotFound: async error => {
      throw error
    },
  })
  fake.failures = 3
  fake.failure = Object.assign(new Error('nobody'), { name: 'KafkaJSGroupCoordinatorNotFound' })
  fake.refusal = Object.assign(new Error('no'), { type: 'GROUP_AUTHORIZATION_FAILED' })
  const found = () => cluster.findGroupCoordinator({ groupId: 'group' })
  await expect(found()).rejects.toBe(fake.refusal)
  fake.refusal = new kafkajs.KafkaJSConnectionError('no answer')
  await expect(found()).rejects.toBe(fake.failure)
  fake.refusal = null
  await expect(found()).rejects.toBe(fake.failure)
})

test("a broker of kafkajs' can be asked for it", () => {
  const Broker = createRequire(import.meta.url)('kafkajs/src/broker') as { prototype: object }
  expect(Broker.prototype).toHaveProperty('findGroupCoordinator', expect.any(Function))
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

// ── What is said and shared out ─────────────────────────────────────────────────────────────────────────────────────────

test("ours is offered first, and kafkajs' round robin behind it: a group in which one member knows only that stays on it", () => {
  const { assigner } = setUp()
  const [ours, roundRobin, ...more] = assigners({} as GroupHooks)
  expect(ours).toBeTypeOf('function')
  expect(roundRobin).toBe(PartitionAssigners.roundRobin)
  expect(more).toEqual([])
  expect(assigner.name).toBe(COOPERATIVE)
})

test('a join says what is ours at that moment, what is leaving included', () => {
  let owned = places('orders', 0, 1)
  const { assigner } = setUp({ owned: () => owned })
  const said = () => {
    const { name, metadata } = assigner.protocol({ topics: ['orders'] })
    const { topics, userData } = AssignerProtocol.MemberMetadata.decode(metadata) ?? { topics: [], userData: null }
    return { name, topics, userData: String(userData) }
  }
  expect(said()).toEqual({ name: COOPERATIVE, topics: ['orders'], userData: encodeOwned(owned) })
  owned = places('orders', 1)
  expect(said().userData).toBe(encodeOwned(owned))
})

test('partitions are shared evenly, and what a member claims stays with it or is withheld', async () => {
  const { fake, shares } = setUp()
  fake.topics['orders'] = 4
  expect(await shares(member('a', ['orders'], places('orders', 0, 1, 2, 3)), member('b', ['orders']))).toEqual(
    new Map([
      ['a', { orders: [0, 1] }],
      ['b', {}],
    ]),
  )
  expect(await shares(member('a', ['orders'], places('orders', 0, 1)), member('b', ['orders']))).toEqual(
    new Map([
      ['a', { orders: [0, 1] }],
      ['b', { orders: [2, 3] }],
    ]),
  )
})

test('a topic that only another member reads is shared out too, and to nobody else', async () => {
  const { fake, shares } = setUp()
  Object.assign(fake.topics, { orders: 2, payments: 2 })
  const shared = await shares(member('leader', ['orders']), member('newer', ['orders', 'payments']))
  expect(shared.get('newer')).toHaveProperty('payments', [0, 1])
  expect(shared.get('leader')).not.toHaveProperty('payments')
})

test.each([
  ['missing', undefined],
  ['hidden', null],
])('a topic that is %s keeps no other from being shared out, and is named', async (_how, partitions) => {
  const { fake, shares } = setUp()
  fake.topics['orders'] = 1
  if (partitions !== undefined) fake.topics['payments'] = partitions
  expect(await shares(member('a', ['payments', 'orders']))).toEqual(new Map([['a', { orders: [0] }]]))
  expect(fake.steps).toEqual(['unseen payments'])
})

test('a broker that does not answer ends the round: what nobody knows would be taken from everybody', async () => {
  const { cluster, shares } = setUp()
  cluster.findBroker = () => Promise.reject(new kafkajs.KafkaJSConnectionError('no answer'))
  await expect(shares(member('a', ['orders']))).rejects.toThrow('no answer')
})

test.each([
  ['garbage', Buffer.from('garbage')],
  ['nothing', Buffer.alloc(0)],
  ['another version', Buffer.from(JSON.stringify({ version: 2, owned: [] }))],
])('a member whose claims are %s claims nothing, and gets its share', async (_what, userData) => {
  const { fake, shares } = setUp()
  fake.topics['orders'] = 2
  const shared = await shares(member('a', ['orders'], userData), member('b', ['orders'], places('orders', 0)))
  expect(shared).toEqual(
    new Map([
      ['a', { orders: [1] }],
      ['b', { orders: [0] }],
    ]),
  )
})

test('two claims on one partition withhold it from both', async () => {
  const { fake, shares } = setUp()
  fake.topics['orders'] = 1
  const claim = places('orders', 0)
  expect(await shares(member('a', ['orders'], claim), member('b', ['orders'], claim))).toEqual(
    new Map([
      ['a', {}],
      ['b', {}],
    ]),
  )
})
