import { expect, test } from 'vitest'
import { type CommitDoor, type CommitRequest, Commits } from '../../../src/adapters/kafka/commit.ts'
import { Partitions } from '../../../src/adapters/kafka/partitions.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { turn } from '../../support/floor.ts'

function setUp(door: CommitDoor | null) {
  const clock = memoryClock()
  const partitions = new Partitions()
  partitions.join({ orders: [0, 1] })
  const commits = new Commits({ clock, partitions, door: () => door })
  const [first, second] = partitions.assignments
  if (first === undefined || second === undefined) throw new Error('no assignments')
  return { clock, partitions, commits, first, second }
}

const failing =
  (type: string): CommitDoor =>
  () =>
    Promise.reject(Object.assign(new Error(type), { type, name: 'KafkaJSProtocolError' }))

test.each([
  ['REBALANCE_IN_PROGRESS', 'generation'],
  ['ILLEGAL_GENERATION', 'generation'],
  ['UNKNOWN_MEMBER_ID', 'fenced'],
  ['FENCED_INSTANCE_ID', 'fenced'],
  ['OFFSET_METADATA_TOO_LARGE', 'refused'],
  ['NOT_COORDINATOR_FOR_GROUP', 'refused'],
])('%s is %s', async (type, cause) => {
  const { commits, first } = setUp(failing(type))
  expect(await commits.commit([{ assignment: first, nextOffset: 1, metadata: '' }])).toMatchObject({ ok: false, cause })
})

test('without a membership there is no generation to commit under', async () => {
  const { commits, first } = setUp(null)
  expect(await commits.commit([{ assignment: first, nextOffset: 1, metadata: '' }])).toMatchObject({
    ok: false,
    cause: 'generation',
  })
})

test('only what is live is sent; an epoch of before and a position that is in doubt are passed over', async () => {
  const sent: CommitRequest[] = []
  const { commits, partitions, first, second } = setUp(async request => void sent.push(request))
  const doubted = partitions.live(second)
  if (doubted !== null) doubted.outOfRangeAt = 9
  const stale = { ...first, epoch: first.epoch - 1_000 }
  const offsets = [stale, first, second].map(assignment => ({ assignment, nextOffset: 5, metadata: 'm' }))
  expect(await commits.commit(offsets)).toEqual({ ok: true })
  expect(sent).toEqual([{ topics: [{ topic: 'orders', partitions: [{ partition: 0, offset: '5', metadata: 'm' }] }] }])
})

test('a commit without an answer is refused after its time, and none is sent beside it', async () => {
  const answer = Promise.withResolvers<void>()
  const sent: string[] = []
  const { clock, commits, first } = setUp(async request => {
    sent.push(request.topics[0]?.partitions[0]?.offset ?? '')
    if (sent.length === 1) await answer.promise
  })
  const at = (nextOffset: number) => commits.commit([{ assignment: first, nextOffset, metadata: '' }])
  const one = at(1)
  await turn()
  clock.advance(8_000)
  expect(await one).toMatchObject({ ok: false, cause: 'refused' })
  const two = at(2)
  await turn()
  clock.advance(8_000)
  expect(await two).toMatchObject({ ok: false, cause: 'refused' })
  expect(sent).toEqual(['1'])
  answer.resolve()
  expect(await at(3)).toEqual({ ok: true })
  expect(sent).toEqual(['1', '3'])
})
