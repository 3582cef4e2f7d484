/** The memory broker's coordinator does what a real one was seen to do, for what a consumer can notice of it. */
import { describe, expect, test } from 'vitest'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Coordinator, type JoinAnswer, type JoinRequest } from '../../../src/adapters/memory/coordinator.ts'
import { turn } from '../../support/floor.ts'
import { pass } from '../../support/memory-time.ts'

const SESSION_TIMEOUT_MS = 6_000
const REBALANCE_TIMEOUT_MS = 9_000

const request = (id: string, differs: Partial<JoinRequest>): JoinRequest => ({
  id,
  isNew: true,
  topics: ['t'],
  owned: [],
  protocols: ['cooperative', 'eager'],
  ...differs,
})

function joined(answer: unknown): JoinAnswer {
  if (typeof answer !== 'object' || answer === null || !('generation' in answer)) throw new Error('it was refused')
  // Boundary: nothing else that is answered has a generation.
  return answer as JoinAnswer
}

function group() {
  const clock = memoryClock()
  const coordinator = new Coordinator({
    clock,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
  })
  const join = async (id: string, differs: Partial<JoinRequest> = {}) => await coordinator.join(request(id, differs))
  /** A stable group of these, the first one leading. */
  const stable = async (leader: string, ...others: readonly string[]): Promise<number> => {
    const ids = [leader, ...others]
    await join(leader)
    const answers = [...others.map(id => join(id)), join(leader, { isNew: false })]
    const { generation } = joined(await answers[0])
    const shares = new Map(ids.map((id, partition) => [id, [{ topic: 't', partition }]]))
    await Promise.all(ids.map(memberId => coordinator.sync({ memberId, generation }, shares)))
    return generation
  }
  return { clock, coordinator, join, stable }
}

describe('a round', () => {
  test('is over when everybody has joined; the leader alone is told who is there, and what it says is everybody’s share', async () => {
    const { coordinator, join, stable } = group()
    const generation = await stable('a')
    const second = join('b')
    await turn()
    expect(coordinator.describe()).toMatchObject({ state: 'preparing', generation })
    expect(coordinator.heartbeat({ memberId: 'a', generation })).toBe('rebalance')
    const answer = joined(await join('a', { isNew: false }))
    expect(answer).toMatchObject({ generation: generation + 1, protocol: 'cooperative' })
    expect(answer.members?.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(joined(await second).members).toBeNull()
    const share = coordinator.sync({ memberId: 'b', generation: generation + 1 }, null)
    await coordinator.sync(
      { memberId: 'a', generation: generation + 1 },
      new Map([['b', [{ topic: 't', partition: 7 }]]]),
    )
    expect(await share).toEqual([{ topic: 't', partition: 7 }])
    expect(coordinator.describe().state).toBe('stable')
  })

  test('expels whoever does not come to it in time, though it beats', async () => {
    const { clock, coordinator, join, stable } = group()
    const generation = await stable('a', 'b')
    const answer = join('a', { isNew: false, owned: [{ topic: 't', partition: 0 }] })
    for (let waited = 0; waited < REBALANCE_TIMEOUT_MS; waited += 1_000) {
      expect(coordinator.heartbeat({ memberId: 'b', generation })).toBe('rebalance')
      expect(coordinator.commitRefusal({ memberId: 'b', generation })).toBeNull()
      await pass(clock, 1_000)
    }
    expect(joined(await answer).members?.map(({ id }) => id)).toEqual(['a'])
    expect(coordinator.commitRefusal({ memberId: 'b', generation })).toBe('fenced')
  })

  test('is not begun by a member that says nothing new, unless it leads', async () => {
    const { coordinator, join, stable } = group()
    const generation = await stable('a', 'b')
    expect(joined(await join('b', { isNew: false }))).toMatchObject({ generation, members: null })
    expect(coordinator.describe().state).toBe('stable')
    void join('a', { isNew: false })
    expect(coordinator.describe().state).toBe('preparing')
  })

  test('is eager as long as one member is', async () => {
    const { coordinator, join } = group()
    expect(joined(await join('a')).protocol).toBe('cooperative')
    const both = [join('old', { protocols: ['eager'] }), join('a', { isNew: false })]
    expect(joined((await Promise.all(both))[1]).protocol).toBe('eager')
    coordinator.leave('old')
    expect(joined(await join('a', { isNew: false })).protocol).toBe('cooperative')
  })

  test('begins anew where the coordinator went away in the midst of it', async () => {
    const { clock, coordinator, join, stable } = group()
    const generation = await stable('a', 'b')
    let isAnswered = false
    void join('a', { isNew: false }).then(() => (isAnswered = true))
    coordinator.away()
    await pass(clock, SESSION_TIMEOUT_MS + REBALANCE_TIMEOUT_MS)
    coordinator.back()
    const answers = [join('b', { isNew: false }), join('a', { isNew: false })]
    expect(joined(await answers[0])).toMatchObject({ generation: generation + 1 })
    expect(isAnswered).toBe(false)
  })
})

describe('a member', () => {
  test.each([
    ['beats', 'heartbeat'],
    ['commits', 'commitRefusal'],
  ] as const)('that %s stays; one that is silent for a session is expelled', async (_, asks) => {
    const { clock, coordinator, stable } = group()
    const generation = await stable('a', 'b')
    for (let waited = 0; waited < SESSION_TIMEOUT_MS; waited += 1_000) {
      coordinator[asks]({ memberId: 'a', generation })
      await pass(clock, 1_000)
    }
    expect(coordinator.describe().members.map(({ id }) => id)).toEqual(['a'])
    expect(coordinator.heartbeat({ memberId: 'b', generation })).toBe('fenced')
    expect(coordinator.heartbeat({ memberId: 'a', generation })).toBe('rebalance')
  })

  test('that waits for the others needs no heartbeat', async () => {
    const { clock, coordinator, join, stable } = group()
    const generation = await stable('a')
    void join('b')
    for (let waited = 0; waited < REBALANCE_TIMEOUT_MS - 1_000; waited += 1_000) {
      coordinator.heartbeat({ memberId: 'a', generation })
      await pass(clock, 1_000)
    }
    expect(coordinator.describe().members.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  test('that leads and never shares out is expelled; the others begin anew', async () => {
    const { clock, coordinator, join, stable } = group()
    await stable('a', 'b')
    const answers = [join('a', { isNew: false }), join('b', { isNew: false })]
    const { generation } = joined((await Promise.all(answers))[1])
    const share = coordinator.sync({ memberId: 'b', generation }, null)
    expect(coordinator.commitRefusal({ memberId: 'b', generation })).toBe('rebalance')
    await pass(clock, SESSION_TIMEOUT_MS)
    expect(await share).toBe('rebalance')
    expect(joined(await join('b', { isNew: false })).members?.map(({ id }) => id)).toEqual(['b'])
  })

  test('of an old generation is told so, one that nobody knows is fenced', async () => {
    const { coordinator, join, stable } = group()
    const generation = await stable('a')
    void join('b')
    await join('a', { isNew: false })
    expect(coordinator.commitRefusal({ memberId: 'a', generation })).toBe('generation')
    expect(coordinator.heartbeat({ memberId: 'a', generation })).toBe('generation')
    expect(await coordinator.sync({ memberId: 'a', generation }, null)).toBe('generation')
    expect(coordinator.commitRefusal({ memberId: 'nobody', generation })).toBe('fenced')
    expect(await join('nobody', { isNew: false })).toBe('fenced')
  })

  test('that leaves is gone at once, and nothing is left running when the last one has', async () => {
    const { clock, coordinator, stable } = group()
    const generation = await stable('a', 'b')
    coordinator.leave('b')
    expect(coordinator.heartbeat({ memberId: 'a', generation })).toBe('rebalance')
    coordinator.leave('a')
    expect(coordinator.describe()).toEqual({ state: 'empty', generation: generation + 1, members: [] })
    expect(clock.nextAtMs()).toBeNull()
  })
})
