/** What the group has stored comes back: the part of the contract of a record source that restarts and hand-overs stand on. */
import { expect, test } from 'vitest'
import { type Consuming, type Context, numbered } from './source-context.ts'

/** As much as a broker takes by default. */
const METADATA_CHARACTERS_MAX = 4_096

async function commitAs({ source, listening }: Consuming, nextOffset: number, metadata: string): Promise<void> {
  const [assignment] = listening.assignments
  if (assignment === undefined) throw new Error('no assignment')
  expect(await source.commit([{ assignment, nextOffset, metadata }])).toEqual({ ok: true })
}

export function restores({ harness, begin, leave, topicOf, until }: Context): void {
  test('where the group has stored nothing, that is said once for each partition, before its first answer', async () => {
    const topic = await topicOf(3)
    await harness().append(topic, 0, numbered(5))
    const { listening } = await begin({ topics: [topic] })
    await until('all three', () => listening.restores.length === 3)
    await until('five records', () => listening.records.length === 5)
    expect(new Set(listening.restores.map(({ assignment }) => assignment.partition))).toEqual(new Set([0, 1, 2]))
    for (const { committed, metadata } of listening.restores)
      expect({ committed, metadata }).toEqual({ committed: null, metadata: '' })
  })

  test('offset and metadata come back to another member as they were committed, and reading begins there', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(10))
    const first = await begin({ topics: [topic] })
    await until('ten records', () => first.listening.records.length === 10)
    const metadata = 'aZ09+/= {"x":"€"} '.padEnd(METADATA_CHARACTERS_MAX / 2, 'm')
    await commitAs(first, 6, metadata)
    await leave(first)
    const second = await begin({ topics: [topic], group: first.group })
    await until('the four behind it', () => second.listening.records.length === 4)
    const [assignment] = second.listening.assignments
    expect(second.listening.restores).toEqual([{ assignment, committed: 6, metadata }])
    expect(second.listening.answers[0]?.positionBefore).toBe(6)
  })

  test('metadata of 4,096 characters comes back whole; none comes back as none', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(3))
    const first = await begin({ topics: [topic] })
    await until('three records', () => first.listening.records.length === 3)
    const metadata = Array.from({ length: METADATA_CHARACTERS_MAX }, (_, index) => String(index % 10)).join('')
    await commitAs(first, 1, metadata)
    await leave(first)
    const second = await begin({ topics: [topic], group: first.group })
    await until('it reads on', () => second.listening.records.length === 2)
    expect(second.listening.restores[0]).toMatchObject({ committed: 1, metadata })
    await commitAs(second, 2, '')
    await leave(second)
    const third = await begin({ topics: [topic], group: first.group })
    await until('it is back', () => third.listening.restores.length === 1)
    expect(third.listening.restores[0]).toMatchObject({ committed: 2, metadata: '' })
  })

  test('partitions that stay over a join are not restored again', async () => {
    const topic = await topicOf(2)
    const { source, listening } = await begin({ topics: [topic] })
    await until('both', () => listening.restores.length === 2)
    source.rejoin('a test')
    await until('the second join', () => listening.joins.length >= 2)
    await harness().append(topic, 0, numbered(1))
    await until('a record', () => listening.records.length === 1)
    expect(listening.restores.length).toBe(2)
  })

  test('what is committed in a hand-over is what the next owner is given', async () => {
    const topic = await topicOf(2)
    for (const partition of [0, 1]) await harness().append(topic, partition, numbered(5))
    const first = await begin({ topics: [topic] })
    await until('ten records', () => first.listening.records.length === 10)
    first.listening.onRevoking = async leaving => {
      const offsets = leaving.map(assignment => ({
        assignment,
        nextOffset: 3,
        metadata: `was ${assignment.partition}`,
      }))
      expect(await first.source.commit(offsets)).toEqual({ ok: true })
    }
    const second = await begin({ topics: [topic], group: first.group })
    await until('the two that were left', () => second.listening.records.length === 2)
    const [assignment] = second.listening.assignments
    expect(second.listening.restores).toEqual([{ assignment, committed: 3, metadata: `was ${assignment?.partition}` }])
    expect(second.listening.values).toEqual(['v3', 'v4'])
  })
}
