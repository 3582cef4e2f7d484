/** How members share a group: the part of the contract of a record source that hand-overs without repetition stand on. */
import { expect, test } from 'vitest'
import type { Assignment, CommitResult } from '../../src/consumer/ports.ts'
import { type Consuming, type Context, numbered } from './source-context.ts'

const together = (members: readonly Consuming[]): readonly string[] =>
  members.flatMap(({ listening }) => [...listening.values])

/** All of `partitions`, each with one of them, and nothing on its way from one to another. */
const isShared = (members: readonly Consuming[], partitions: number): boolean => {
  const held = members.flatMap(({ listening }) => listening.partitions)
  const isStill = members.every(({ listening }) => listening.leaving.length === 0)
  return isStill && held.length === partitions && new Set(held).size === partitions
}

/** What was read is committed, and nothing more comes: as a consumer does that has finished it. */
function finish({ source, listening }: Consuming, assignments: readonly Assignment[]): Promise<CommitResult> {
  source.pause(assignments)
  return source.commit(listening.everything())
}

/** At every hand-over. */
function finishesWhatLeaves(member: Consuming): CommitResult[] {
  const results: CommitResult[] = []
  member.listening.onRevoking = async leaving => void results.push(await finish(member, leaving))
  return results
}

export function sharesAGroup({ harness, begin, leave, topicOf, until, pass }: Context): void {
  test('partitions that stay keep their epoch and position over a join; nothing is revoked, nothing comes twice', async () => {
    const topic = await topicOf(3)
    for (const partition of [0, 1, 2]) await harness().append(topic, partition, numbered(20))
    const { source, listening } = await begin({ topics: [topic] })
    await until('sixty records', () => listening.records.length === 60)
    const before = listening.assignments
    source.rejoin('a test')
    await until('the second join', () => listening.joins.length >= 2)
    expect(listening.assignments).toEqual(before)
    await harness().append(topic, 0, numbered(1, 'after-'))
    await until('the record after it', () => listening.values.includes('after-0'))
    await pass(1_000)
    expect(listening.records.length).toBe(61)
    expect(listening.revokings).toEqual([])
    expect(listening.losses).toEqual([])
  })

  test('revoking names what leaves and nothing else; what stays keeps its epoch and is never named', async () => {
    const topic = await topicOf(6)
    const first = await begin({ topics: [topic] })
    await until('all six', () => first.listening.assignments.length === 6)
    const before = first.listening.assignments
    const second = await begin({ topics: [topic], group: first.group })
    await until('three each', () => isShared([first, second], 6) && second.listening.assignments.length === 3)
    const left = first.listening.revokings.flat().map(({ partition }) => partition)
    expect(new Set(left)).toEqual(new Set(second.listening.partitions))
    expect(left.length).toBe(3)
    expect(first.listening.revocations.flat()).toEqual(first.listening.revokings.flat())
    expect(first.listening.assignments).toEqual(before.filter(({ partition }) => !left.includes(partition)))
    expect(second.listening.revokings).toEqual([])
    expect(first.listening.losses).toEqual([])
  })

  test('twelve partitions are handed over: what is committed then is taken, nothing is lost or comes twice', async () => {
    const topic = await topicOf(12)
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(10, `${partition}-`))
    const first = await begin({ topics: [topic] })
    const commits = finishesWhatLeaves(first)
    await until('everything', () => first.listening.records.length === 120)
    const second = await begin({ topics: [topic], group: first.group })
    await until('six each', () => isShared([first, second], 12) && second.listening.assignments.length === 6)
    expect(commits).toEqual([{ ok: true }])
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(5, `${partition}-later-`))
    await until('sixty more', () => together([first, second]).length === 180)
    expect(second.listening.values.every(value => value.includes('later'))).toBe(true)
    await finish(first, first.listening.assignments)
    await leave(first)
    await until('all twelve', () => second.listening.assignments.length === 12)
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(1, `${partition}-last-`))
    await until('the last twelve', () => second.listening.values.filter(value => value.includes('last')).length === 12)
    expect(new Set(together([first, second])).size).toBe(192)
    expect(together([first, second]).length).toBe(192)
  })

  test('three members come and go under load: a partition is never with two of them, nothing is lost or comes twice', async () => {
    const topic = await topicOf(9)
    let sent = 0
    const append = async (): Promise<void> => {
      for (let partition = 0; partition < 9; partition++)
        await harness().append(topic, partition, numbered(4, `${sent}-${partition}-`))
      sent += 36
    }
    const members: Consuming[] = []
    const commits: CommitResult[][] = []
    const group = harness().freshName()
    for (let comes = 0; comes < 3; comes++) {
      await append()
      const member = await begin({ topics: [topic], group })
      members.push(member)
      commits.push(finishesWhatLeaves(member))
      await until('it is a member', () => member.listening.joins.length > 0)
    }
    await until('three each', () => isShared(members, 9) && members.every(m => m.listening.assignments.length === 3))
    const [first, ...others] = members
    if (first === undefined) throw new Error('three have come')
    for (const member of others) {
      await append()
      await finish(member, member.listening.assignments)
      await leave(member)
    }
    await until('all with the first', () => first.listening.assignments.length === 9)
    await until('all that was sent', () => together(members).length === sent)
    await pass(500)
    expect(new Set(together(members)).size).toBe(sent)
    expect(together(members).length).toBe(sent)
    expect(new Set(commits.flat().map(({ ok }) => ok))).toEqual(new Set([true]))
  })

  test('a member that was expelled loses everything and comes back with new epochs', async () => {
    const topic = await topicOf(2)
    await harness().append(topic, 0, numbered(3))
    const { source, listening, group } = await begin({ topics: [topic] })
    await until('three records', () => listening.records.length === 3)
    const before = listening.assignments
    const committing = listening.everything()
    await harness().expelAll(group)
    await until('the loss', () => listening.losses.length === 1)
    await until('a new assignment', () => listening.assignments.length === 2)
    const epochs = new Set(before.map(({ epoch }) => epoch))
    expect(listening.assignments.some(({ epoch }) => epochs.has(epoch))).toBe(false)
    expect(await source.commit(committing)).toEqual({ ok: true })
    expect(await harness().committed(group, topic, 0)).toBeNull()
    await until('the records again', () => listening.records.length === 6)
    expect(listening.revokings).toEqual([])
  })
}

export function handsOver({ harness, begin, leave, topicOf, until, pass }: Context): void {
  /** One member with two partitions, and another that is to have one of them, for which the hand-over does not end before `finish`. */
  const handingOver = async () => {
    const topic = await topicOf(2)
    for (const partition of [0, 1]) await harness().append(topic, partition, numbered(3, `${partition}-`))
    const first = await begin({ topics: [topic] })
    await until('six records', () => first.listening.records.length === 6)
    const gate = Promise.withResolvers<void>()
    first.listening.onRevoking = () => gate.promise
    const second = await begin({ topics: [topic], group: first.group })
    await until('one is to leave', () => first.listening.leaving.length === 1)
    const [leaving] = first.listening.leaving
    const [staying] = first.listening.assignments
    if (leaving === undefined || staying === undefined) throw new Error('one stays, the other leaves')
    return { topic, first, second, leaving, staying, finish: gate.resolve }
  }

  test('while one partition leaves, those that stay get answers; nobody has the other before it was let go of', async () => {
    const { topic, first, second, leaving, staying, finish } = await handingOver()
    await harness().append(topic, staying.partition, numbered(2, 'meanwhile-'))
    await until('what came meanwhile', () => first.listening.values.includes('meanwhile-1'))
    expect(first.listening.leaving).toEqual([leaving])
    expect(second.listening.assignments).toEqual([])
    finish()
    await until('the other has it', () => second.listening.partitions.includes(leaving.partition))
    expect(first.listening.revocations).toEqual([[leaving]])
    expect(first.listening.assignments).toEqual([staying])
  })

  test('a commit of what is leaving is carried; once it is gone it is passed over', async () => {
    const { topic, first, second, leaving, finish } = await handingOver()
    const { group } = first
    expect(await first.source.commit([{ assignment: leaving, nextOffset: 2, metadata: 'm' }])).toEqual({ ok: true })
    expect(await harness().committed(group, topic, leaving.partition)).toEqual({ nextOffset: 2, metadata: 'm' })
    finish()
    await until('it is gone', () => first.listening.revocations.length === 1)
    expect(await first.source.commit([{ assignment: leaving, nextOffset: 3, metadata: '' }])).toEqual({ ok: true })
    await until('the other reads on', () => second.listening.records.length === 1)
    expect(second.listening.values).toEqual([`${leaving.partition}-2`])
    expect(await harness().committed(group, topic, leaving.partition)).toEqual({ nextOffset: 2, metadata: 'm' })
  })

  test('a hand-over that does not end is not waited for beyond its time', async () => {
    const { first, second, leaving, finish } = await handingOver()
    await until('it is gone all the same', () => first.listening.revocations.length === 1)
    await until('the other has it', () => second.listening.partitions.includes(leaving.partition))
    finish()
    await pass(500)
    expect(first.listening.revocations).toEqual([[leaving]])
  })

  test('a partition that comes back before it has left is ours as before: its epoch, its position, its commits', async () => {
    const { topic, first, second, leaving, staying, finish } = await handingOver()
    await leave(second)
    await until('both are ours', () => first.listening.assignments.length === 2)
    expect(first.listening.partitions).toEqual([0, 1])
    expect(first.listening.assignments).toEqual(expect.arrayContaining([leaving, staying]))
    finish()
    await harness().append(topic, leaving.partition, numbered(2, 'later-'))
    await until('what came later', () => first.listening.values.includes('later-1'))
    await pass(500)
    expect(first.listening.records.length).toBe(8)
    expect(first.listening.revocations).toEqual([])
    expect(await first.source.commit(first.listening.everything())).toEqual({ ok: true })
    expect((await harness().committed(first.group, topic, leaving.partition))?.nextOffset).toBe(5)
  })

  test('a join in the midst of a hand-over does not end it', async () => {
    const { topic, first, second, leaving, staying, finish } = await handingOver()
    const joins = first.listening.joins.length
    const third = await begin({ topics: [topic], group: first.group })
    await until('another join', () => first.listening.joins.length > joins)
    expect(first.listening.leaving).toEqual([leaving])
    expect(first.listening.revokings).toEqual([[leaving]])
    finish()
    await until('it is another’s', () => isShared([first, second, third], 2))
    expect(first.listening.revocations).toEqual([[leaving]])
    expect(first.listening.assignments).toEqual([staying])
  })
}
