/** The broker stores what we may commit and refuses the rest; kafkajs tells neither which, nor that anything was stored. */
import { expect, test } from 'vitest'
import { type CommitDoor, Commits } from '../../../src/adapters/kafka/commit.ts'
import { newPart, type Part } from '../../../src/adapters/kafka/partitions.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Ownership } from '../../../src/core/ownership.ts'
import { listeningLog } from '../../support/floor.ts'

const REFUSED = {
  ok: false,
  cause: 'generation',
  error:
    'Kafka does not permit committing for topic orders (TOPIC_AUTHORIZATION_FAILED): grant Read on topic orders to the user of this service',
}

/** The answer where these were stored all the same. */
const refused = (nextOffset: number, which: readonly Part[]) => ({
  ...REFUSED,
  stored: which.map(({ assignment }) => ({ assignment, nextOffset, metadata: '' })),
})

function setUp() {
  const clock = memoryClock()
  const forbidden = new Set(['orders'])
  const requests: string[] = []
  const stored = new Map<string, string>()
  const door: CommitDoor = async ({ topics }) => {
    requests.push(topics.map(({ topic }) => topic).join(' '))
    for (const { topic, partitions } of topics)
      if (!forbidden.has(topic)) for (const { offset } of partitions) stored.set(topic, offset)
    if (topics.some(({ topic }) => forbidden.has(topic)))
      throw Object.assign(new Error('no'), { type: 'TOPIC_AUTHORIZATION_FAILED' })
  }
  const parts = new Ownership(newPart)
  const places = ['orders', 'payments', 'users'].map(topic => ({ topic, partition: 0 }))
  const { gained } = parts.join(places, 'cooperative')
  const commits = new Commits({ clock, log: listeningLog(), parts, door: () => door, member: () => 'member' })
  const commit = (nextOffset: number, which: readonly Part[] = gained) =>
    commits.commit(which.map(({ assignment }) => ({ assignment, nextOffset, metadata: '' })))
  return { clock, forbidden, requests, stored, gained, commit }
}

test('it is found out once which topic it is; the others are committed, and the answer names the refusal and them', async () => {
  const { commit, gained, requests, stored } = setUp()
  expect(await commit(3)).toEqual(refused(3, gained.slice(1)))
  expect(requests).toEqual(['orders payments users', 'orders', 'payments', 'users'])
  expect([...stored]).toEqual([
    ['payments', '3'],
    ['users', '3'],
  ])
  expect(gained.map(({ committed }) => committed)).toEqual([null, 3, 3])
})

test('it is asked for again only now and then, and the others go on meanwhile', async () => {
  const { clock, commit, gained, requests } = setUp()
  await commit(3)
  requests.length = 0
  expect(await commit(4)).toEqual(refused(4, gained.slice(1)))
  expect(await commit(4, gained.slice(0, 1))).toEqual(refused(4, []))
  expect(requests).toEqual(['payments users'])
  clock.advance(5_000)
  expect(await commit(5)).toEqual(refused(5, gained.slice(1)))
  expect(requests.slice(1)).toEqual(['orders payments users', 'orders', 'payments', 'users'])
})

test('when it is permitted again all of it is committed', async () => {
  const { clock, commit, forbidden, gained, stored } = setUp()
  await commit(3)
  forbidden.clear()
  clock.advance(5_000)
  expect(await commit(4)).toEqual({ ok: true })
  expect(stored.get('orders')).toBe('4')
  expect(await commit(5, gained.slice(0, 1))).toEqual({ ok: true })
})
