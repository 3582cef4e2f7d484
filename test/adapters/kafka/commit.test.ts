import { expect, test } from 'vitest'
import { type CommitDoor, type CommitRequest, Commits } from '../../../src/adapters/kafka/commit.ts'
import { newPart, type Part } from '../../../src/adapters/kafka/partitions.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Ownership } from '../../../src/core/ownership.ts'
import { listeningLog, turn } from '../../support/floor.ts'

function setUp(door: CommitDoor | null, member: () => string | null = () => 'member') {
  const clock = memoryClock()
  const log = listeningLog()
  const parts = new Ownership(newPart)
  const places = [0, 1].map(partition => ({ topic: 'orders', partition }))
  const [first, second] = parts.join(places, 'cooperative').gained
  if (first === undefined || second === undefined) throw new Error('no assignments')
  const commits = new Commits({ clock, log, parts, door: () => door, member })
  const commit = (part: Part, nextOffset: number, metadata = '') =>
    commits.commit([{ assignment: part.assignment, nextOffset, metadata }])
  return { clock, log, parts, commits, commit, first, second }
}

const failed = (type: string): Error => Object.assign(new Error(type), { type, name: 'KafkaJSProtocolError' })

/** As a broker with `offset.metadata.max.bytes`: a request with one that is too large fails, though the others are stored. */
function limited(charactersMax: number) {
  const requests: CommitRequest[] = []
  const door: CommitDoor = request => {
    requests.push(request)
    const isTooLarge = rowsOf(request).some(({ metadata }) => metadata.length > charactersMax)
    return isTooLarge ? Promise.reject(failed('OFFSET_METADATA_TOO_LARGE')) : Promise.resolve()
  }
  return { door, requests }
}

const rowsOf = ({ topics }: CommitRequest) => topics.flatMap(({ partitions }) => partitions)
const metadataOf = (request: CommitRequest) => rowsOf(request).map(({ metadata }) => metadata)

test.each([
  ['REBALANCE_IN_PROGRESS', 'generation'],
  ['ILLEGAL_GENERATION', 'generation'],
  ['UNKNOWN_MEMBER_ID', 'fenced'],
  ['FENCED_INSTANCE_ID', 'fenced'],
  ['OFFSET_METADATA_TOO_LARGE', 'refused'],
  ['NOT_COORDINATOR_FOR_GROUP', 'refused'],
])('%s is %s', async (type, cause) => {
  const { commit, first } = setUp(() => Promise.reject(failed(type)))
  expect(await commit(first, 1)).toMatchObject({ ok: false, cause })
})

test('what is said of the member that we were does not fence the one that has joined since', async () => {
  let member = 'old'
  const door: CommitDoor = async () => {
    member = 'new'
    throw failed('UNKNOWN_MEMBER_ID')
  }
  const { commit, first } = setUp(door, () => member)
  expect(await commit(first, 1)).toMatchObject({ ok: false, cause: 'generation' })
  expect(await commit(first, 1)).toMatchObject({ ok: false, cause: 'fenced' })
})

test('without a membership there is no generation to commit under', async () => {
  const { commit, first } = setUp(null)
  expect(await commit(first, 1)).toMatchObject({ ok: false, cause: 'generation' })
})

test('an epoch of before is passed over; a position that is in doubt is not stored, which is said; the others are sent', async () => {
  const sent: CommitRequest[] = []
  const { commits, first, second } = setUp(async request => void sent.push(request))
  second.isOutOfRange = true
  const stale = { ...first.assignment, epoch: first.assignment.epoch - 1_000 }
  const offsets = [stale, first.assignment, second.assignment].map(assignment => ({
    assignment,
    nextOffset: 5,
    metadata: 'm',
  }))
  expect(await commits.commit(offsets)).toMatchObject({
    ok: false,
    cause: 'generation',
    error: expect.stringContaining('orders/1'),
  })
  expect(sent).toEqual([{ topics: [{ topic: 'orders', partitions: [{ partition: 0, offset: '5', metadata: 'm' }] }] }])
  expect([first.committed, second.committed]).toEqual([5, null])
  expect(await commits.commit(offsets.slice(2))).toMatchObject({ ok: false })
  expect(sent.length).toBe(1)
  second.isOutOfRange = false
  expect(await commits.commit(offsets)).toEqual({ ok: true })
})

test('where nothing is left to commit, nothing is sent', async () => {
  const sent: CommitRequest[] = []
  const { commit, parts, first } = setUp(async request => void sent.push(request))
  parts.drop([first])
  expect(await commit(first, 5)).toEqual({ ok: true })
  expect(sent).toEqual([])
})

test('what is leaving is committed until it is gone', async () => {
  const sent: CommitRequest[] = []
  const { commit, parts, first } = setUp(async request => void sent.push(request))
  parts.join([{ topic: 'orders', partition: 1 }], 'cooperative')
  await commit(first, 5)
  parts.drop([first])
  await commit(first, 6)
  expect(sent.flatMap(rowsOf)).toMatchObject([{ partition: 0, offset: '5' }])
})

test('a partition that is gone by the time of its turn is passed over', async () => {
  const answer = Promise.withResolvers<void>()
  const sent: CommitRequest[] = []
  const { commit, parts, first, second } = setUp(async request => {
    sent.push(request)
    await answer.promise
  })
  const one = commit(second, 1)
  const two = commit(first, 1)
  await turn()
  parts.drop([first])
  answer.resolve()
  expect(await one).toEqual({ ok: true })
  expect(await two).toEqual({ ok: true })
  expect(sent.flatMap(rowsOf)).toMatchObject([{ partition: 1 }])
})

test('a commit without an answer is refused after its time, and none is sent beside it', async () => {
  const answer = Promise.withResolvers<void>()
  const sent: string[] = []
  const { clock, commit, first } = setUp(async request => {
    sent.push(rowsOf(request)[0]?.offset ?? '')
    if (sent.length === 1) await answer.promise
  })
  const one = commit(first, 1)
  await turn()
  clock.advance(8_000)
  expect(await one).toMatchObject({ ok: false, cause: 'refused' })
  const two = commit(first, 2)
  await turn()
  clock.advance(8_000)
  expect(await two).toMatchObject({ ok: false, cause: 'refused' })
  expect(sent).toEqual(['1'])
  answer.resolve()
  expect(await commit(first, 3)).toEqual({ ok: true })
  expect(sent).toEqual(['1', '3'])
})

test('metadata that the broker finds too large: its offset is stored without, the others keep theirs, and it is said once', async () => {
  const { door, requests } = limited(100)
  const { commits, log, first, second } = setUp(door)
  const offsets = [
    { assignment: first.assignment, nextOffset: 5, metadata: 'x'.repeat(101) },
    { assignment: second.assignment, nextOffset: 6, metadata: 'y'.repeat(100) },
  ]
  expect(await commits.commit(offsets)).toEqual({ ok: true })
  expect(requests.map(request => metadataOf(request).map(({ length }) => length))).toEqual([
    [101, 100],
    [0, 100],
  ])
  expect(await commits.commit(offsets)).toEqual({ ok: true })
  // Remembered: no second try with what is known to be too large.
  expect(requests.length).toBe(3)
  expect(log.lines).toMatchObject([{ level: 'warn', fields: { characters: 101 } }])
  expect(JSON.stringify(log.lines)).not.toContain('xxx')
})

test('the limit is found from above, one length after the other, within one commit', async () => {
  const { door, requests } = limited(10)
  const { commits, first, second } = setUp(door)
  expect(
    await commits.commit([
      { assignment: first.assignment, nextOffset: 5, metadata: 'x'.repeat(40) },
      { assignment: second.assignment, nextOffset: 6, metadata: 'y'.repeat(30) },
    ]),
  ).toEqual({ ok: true })
  expect(requests.map(request => metadataOf(request).map(({ length }) => length))).toEqual([
    [40, 30],
    [0, 30],
    [0, 0],
  ])
})
