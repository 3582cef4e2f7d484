/** What can be wrong between a memory source and its broker, and what it then sees; all of it can be taken back. */
import { describe, expect, test } from 'vitest'
import type { CommitResult } from '../../../src/consumer/ports.ts'
import { range } from '../../support/floor.ts'
import { freezable } from '../../support/memory-time.ts'
import { type Reader, SourceBench } from '../../support/source-bench.ts'

const read = ({ listening }: Reader): number => listening.records.length

/** A commit of all that was read, and what became of it. */
function committing({ source, listening }: Reader): { result: CommitResult | null } {
  const committed: { result: CommitResult | null } = { result: null }
  void source.commit(listening.everything()).then(result => (committed.result = result))
  return committed
}

async function reading(bench: SourceBench, count = 3): Promise<Reader> {
  bench.append(0, count)
  const reader = await bench.joined()
  await bench.until('all is read', () => read(reader) === count)
  return reader
}

describe('commits', () => {
  test.each(['refused', 'generation', 'fenced'] as const)('fail as %s, without an effect', async cause => {
    const bench = new SourceBench(1)
    const reader = await reading(bench)
    reader.source.faults.commits = cause
    expect(await bench.outcome(reader.source.commit(reader.listening.everything()))).toMatchObject({ ok: false, cause })
    expect(bench.committed()).toBeNull()
    reader.source.faults.commits = null
    expect(await bench.outcome(reader.source.commit(reader.listening.everything()))).toEqual({ ok: true })
    expect(bench.committed()).toBe(3)
  })

  test('that hang have no answer in time; they arrive when it is over, in their order', async () => {
    const bench = new SourceBench(1)
    const reader = await reading(bench)
    bench.broker.faults.hangCommits = true
    const first = committing(reader)
    await bench.until('its time is up', () => first.result !== null)
    expect(first.result).toEqual({ ok: false, cause: 'refused', error: 'no answer in time' })
    expect(bench.committed()).toBeNull()
    bench.append(0, 2, 'later-')
    await bench.until('more is read', () => read(reader) === 5)
    const second = committing(reader)
    await bench.pass(100)
    bench.broker.faults.hangCommits = false
    await bench.until('the second is answered', () => second.result !== null)
    expect(second.result).toEqual({ ok: true })
    expect(bench.committed()).toBe(5)
    expect(bench.stored.map(({ nextOffset }) => nextOffset)).toEqual([3, 5])
  })

  test('whose answer is lost are stored', async () => {
    const bench = new SourceBench(1)
    const reader = await reading(bench)
    bench.broker.faults.holdCommitAnswers = true
    const commit = committing(reader)
    await bench.until('its time is up', () => commit.result !== null)
    expect(commit.result).toMatchObject({ ok: false, cause: 'refused' })
    expect(bench.committed()).toBe(3)
  })

  test('of the member that it was before it was expelled do not fence the one that came back', async () => {
    const bench = new SourceBench(1)
    const reader = await reading(bench)
    reader.source.faults.hangCommits = true
    const commit = committing(reader)
    await bench.pass(100)
    reader.source.expel()
    await bench.until('it came back', () => reader.listening.joins.length === 2)
    reader.source.faults.hangCommits = false
    await bench.until('it is answered', () => commit.result !== null)
    expect(commit.result).toMatchObject({ ok: false, cause: 'generation' })
    expect(bench.committed()).toBeNull()
  })

  test('of a member are taken for any partition, whoever has it: nobody asks whose it is', async () => {
    const bench = new SourceBench(2)
    const reader = await reading(bench)
    const other = await bench.joined()
    await bench.until('one each', () => other.listening.assignments.length === 1)
    expect(bench.broker.describe('group').members.map(({ assigned }) => assigned.length)).toEqual([1, 1])
    expect(bench.stored).toEqual([])
    await bench.outcome(
      other.source.commit(
        other.listening.assignments.map(assignment => ({ assignment, nextOffset: 9, metadata: 'beyond' })),
      ),
    )
    expect(bench.stored).toMatchObject([{ nextOffset: 9, metadata: 'beyond', memberId: other.source.memberId }])
    expect(reader.listening.violations).toEqual([])
  })

  test('carry too much metadata where the broker takes less: the offset is stored without', async () => {
    const bench = new SourceBench(1, { metadataCharactersMax: 10 })
    const { source, listening } = await reading(bench)
    expect(await bench.outcome(source.commit(listening.everything('x'.repeat(11))))).toEqual({ ok: true })
    expect(bench.broker.committed('group', 'topic', 0)).toEqual({ nextOffset: 3, metadata: '' })
  })
})

describe('a broker that is down', () => {
  test('for longer than a session expels nobody: the same member goes on with the same partitions', async () => {
    const bench = new SourceBench(2)
    const reader = await reading(bench)
    const { memberId } = reader.source
    bench.broker.faults.down = true
    await bench.pass(60_000)
    bench.append(0, 1, 'later-')
    expect(reader.listening.waits).toEqual(['no broker answers'])
    bench.broker.faults.down = false
    await bench.until('it reads on', () => read(reader) === 4)
    expect(reader.listening.waits.at(-1)).toBeNull()
    expect([reader.source.memberId, reader.listening.losses]).toEqual([memberId, []])
    expect(bench.violations).toEqual([])
  })

  test('in the midst of a join is asked again soon after', async () => {
    const bench = new SourceBench(2)
    const first = await reading(bench)
    first.source.faults.loseHeartbeats = true
    const second = bench.begin()
    await bench.pass(100)
    expect(bench.broker.describe('group').state).toBe('preparing')
    bench.broker.faults.down = true
    bench.broker.faults.down = false
    first.source.faults.loseHeartbeats = false
    await bench.until('both share', () => second.listening.assignments.length === 1)
    expect(bench.clock.nowMs()).toBeLessThan(5_000)
  })
})

test('a coordinator that moves refuses for a moment; then the same members go on with what they had', async () => {
  const bench = new SourceBench(2)
  const members = [await reading(bench), await bench.joined()]
  await bench.until('one each', () => members.every(({ listening }) => listening.assignments.length === 1))
  const epochs = members.map(({ listening }) => listening.assignments)
  bench.broker.faults.coordinatorMoving = true
  const refused = { ok: false, cause: 'refused', error: 'NOT_COORDINATOR' }
  for (const { source, listening } of members.slice(0, 1))
    expect(await bench.outcome(source.commit(listening.everything()))).toEqual(refused)
  await bench.pass(20_000)
  bench.broker.faults.coordinatorMoving = false
  await bench.pass(5_000)
  expect(members.map(({ listening }) => listening.assignments)).toEqual(epochs)
  expect(members.map(({ listening }) => listening.losses)).toEqual([[], []])
  expect(bench.broker.describe('group').state).toBe('stable')
})

test('a member whose heartbeats are lost is expelled after its session, and comes back as another', async () => {
  const bench = new SourceBench(2)
  const members = [await reading(bench), await bench.joined()]
  await bench.until('one each', () => members.every(({ listening }) => listening.assignments.length === 1))
  const [first, second] = members
  if (first === undefined || second === undefined) throw new Error('two have joined')
  const { memberId } = first.source
  first.source.faults.loseHeartbeats = true
  await bench.until('the other has both', () => second.listening.assignments.length === 2)
  expect(first.listening.losses).toEqual([])
  expect(await bench.outcome(first.source.commit(first.listening.everything()))).toMatchObject({ cause: 'fenced' })
  first.source.faults.loseHeartbeats = false
  await bench.until('they share again', () => members.every(({ listening }) => listening.assignments.length === 1))
  expect(first.listening.losses).toEqual(['the coordinator had expelled this member'])
  expect(first.source.memberId).not.toBe(memberId)
})

test('a process that is frozen past its session reads on as if nothing had been, until the coordinator tells it', async () => {
  const bench = new SourceBench(2)
  const clock = freezable(bench.clock)
  const zombie = await bench.joined({ clock })
  await bench.until('both partitions', () => zombie.listening.restores.length === 2)
  clock.freeze()
  const heard = JSON.stringify(zombie.listening)
  const other = await bench.joined()
  await bench.until('the other has both', () => other.listening.assignments.length === 2)
  bench.append(0, 3)
  await bench.until('the other reads it', () => read(other) === 3)
  expect(JSON.stringify(zombie.listening)).toBe(heard)
  clock.thaw()
  await bench.until('the zombie reads it too', () => read(zombie) === 3)
  expect(await bench.outcome(zombie.source.commit(zombie.listening.everything()))).toMatchObject({ ok: false })
  expect(bench.committed()).toBeNull()
  await bench.until('it is told', () => zombie.listening.losses.length === 1)
  await bench.until('they share', () => zombie.listening.assignments.length === 1)
  expect(bench.violations).toEqual([])
})

test('a process that is killed tells nobody: its session has to end first, and its partitions go on where it had committed', async () => {
  const bench = new SourceBench(1)
  const killed = await reading(bench, 5)
  await bench.outcome(killed.source.commit([{ ...killed.listening.everything()[0]!, nextOffset: 2 }]))
  killed.source.kill()
  const other = bench.begin()
  await bench.pass(8_000)
  expect(other.listening.joins).toEqual([])
  await bench.until('the other reads', () => read(other) === 3)
  expect(killed.listening.losses).toEqual([])
})

test('answers hold as little as is wanted, and take as long', async () => {
  const bench = new SourceBench(1)
  bench.append(0, 10)
  bench.broker.faults.answerOffsetsMax = 1
  const reader = bench.begin()
  reader.source.faults.latencyMs = { min: 400, max: 400 }
  await bench.until('all is read', () => read(reader) === 10)
  expect(reader.listening.answers.length).toBe(10)
  expect(bench.clock.nowMs()).toBeGreaterThan(10 * 400)
})

/** A wild minute; answers all that was heard in it. */
async function wildMinute(): Promise<string> {
  let draws = 0
  const bench = new SourceBench(5, { random: () => (draws += 0.381966) % 1 })
  bench.broker.faults.latencyMs = { min: 0, max: 300 }
  bench.broker.faults.answerOffsetsMax = 3
  const members = range(3).map(() => bench.begin())
  for (const number of range(60)) {
    bench.append(number % 5, number)
    await bench.pass(100)
    const member = members[number % 3]
    if (number % 7 === 0) member?.source.rejoin('a test')
    if (number === 20) member?.source.expel()
    if (number % 10 === 0) bench.broker.faults.down = !bench.broker.faults.down
    if (number === 40) member?.source.crash()
  }
  await bench.until('it is shared', () => members.flatMap(({ listening }) => listening.assignments).length === 5)
  const heard = JSON.stringify([members.map(({ listening }) => listening), bench.clock.nowMs()])
  for (const { source } of members) void source.stop()
  await bench.pass(1_000)
  expect(bench.clock.nextAtMs()).toBeNull()
  expect(bench.violations).toEqual([])
  return heard
}

test('the same calls at the same times give the same, and nothing is left running after the end', async () => {
  expect(await wildMinute()).toBe(await wildMinute())
})
