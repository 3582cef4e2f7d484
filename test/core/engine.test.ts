/** Readable scenarios: what an operator would tell of the engine. `0@5` is offset 5 of partition 0, `#2` a second attempt. */
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../../src/core/assert.ts'
import type { Fact } from '../../src/core/facts.ts'
import type { Assignment } from '../../src/core/record.ts'
import type { Failure } from '../../src/core/verdict.ts'
import { assignmentOf, handledBy, recordOf, WALL_START_MS } from './make.ts'
import { Scenario } from './scenario.ts'

const passing: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
const rejected: Failure = { kind: 'record', reason: 'rejected' }
const databaseAway: Failure = { kind: 'outage', dependency: 'database' }
const ours: Failure = { kind: 'ours' }
const aborted: Failure = { kind: 'aborted' }

const lanes = (...keys: (string | null)[]) => keys.map(lane => ({ lane }))

const aged = (lane: string, ageMs: number) => ({ lane, timestampMs: WALL_START_MS - ageMs })

const blockedBy = (scenario: Scenario) => scenario.status(0).blockedBy

function threeRecords(assignment: Assignment): Fact {
  const records = [0, 1, 2].map(offset => recordOf(offset, { lane: null }))
  return { type: 'fetched', assignment, records, positionBefore: 0, positionAfter: 3, highWatermark: 3, leaderEpoch: 0 }
}

/** Consuming, with these partitions. */
function consuming(partitions: number[], options: ConstructorParameters<typeof Scenario>[0] = {}): Scenario {
  const scenario = new Scenario(options)
  scenario.join(...partitions)
  return scenario
}

describe('order and concurrency', () => {
  test('a slow key does not stall others', () => {
    const scenario = consuming([0])
    expect(scenario.fetch(0, ...lanes('slow', 'slow', 'b', 'c'))).toEqual(['start 0@0 0@2 0@3'])
    scenario.ack('0@2', '0@3')
    expect(scenario.fetch(0, ...lanes('b', 'slow', 'd'))).toEqual(['start 0@4 0@6'])
    expect(scenario.ack('0@4', '0@6')).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })

  test('records without a key wait for nobody', () => {
    const scenario = consuming([0])
    expect(scenario.fetch(0, ...lanes(null, null, null))).toEqual(['start 0@0 0@1 0@2'])
  })

  test('the same key in two partitions is two lanes', () => {
    const scenario = consuming([0, 1])
    scenario.fetch(0, ...lanes('k'))
    expect(scenario.fetch(1, ...lanes('k'))).toEqual(['start 1@0'])
  })

  test('a key shared by two handlers is one lane', () => {
    const scenario = consuming([0])
    scenario.fetch(0, { disposition: handledBy('h') }, { disposition: handledBy('g') })
    expect(scenario.running).toEqual(['0@0'])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })

  test('no more run than the process may have in flight', () => {
    const scenario = consuming([0, 1], { inFlightMax: 3 })
    scenario.fetch(0, ...lanes('a', 'b', 'c'))
    scenario.fetch(1, ...lanes('a', 'b', 'c'))
    expect(scenario.running).toEqual(['0@0', '0@1', '0@2'])
    expect(scenario.ack('0@1')).toEqual(['start 1@0'])
  })

  test('no more of one handler run than its own limit, and the others go on', () => {
    const retry = { initialMs: 1, maxMs: 1, attemptsMax: 1 }
    const handlers = [
      { name: 'h', retry, concurrencyMax: 1 },
      { name: 'g', retry, concurrencyMax: null },
    ]
    const scenario = consuming([0], { handlers })
    const g = handledBy('g')
    scenario.fetch(0, { lane: 'a' }, { lane: 'b' }, { lane: 'c', disposition: g }, { lane: 'd', disposition: g })
    expect(scenario.running.toSorted()).toEqual(['0@0', '0@2', '0@3'])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })

  test('with one slot, a busy partition starves no other', () => {
    const scenario = consuming([0, 1, 2], { inFlightMax: 1 })
    const many = Array.from({ length: 5 }, (_, index) => ({ lane: `k${index}` }))
    scenario.tell(
      scenario.fetched(0, many),
      scenario.fetched(1, many.slice(0, 2)),
      scenario.fetched(2, many.slice(0, 2)),
    )
    const served: string[] = []
    for (let name = scenario.running[0]; name !== undefined; name = scenario.running[0]) {
      served.push(name)
      scenario.ack(name)
    }
    expect(served).toEqual(['0@0', '1@0', '2@0', '0@1', '1@1', '2@1', '0@2', '0@3', '0@4'])
  })

  test('with one slot, every partition is served in whatever order the assignments were named', () => {
    const scenario = new Scenario({ inFlightMax: 1 })
    const assignments = [assignmentOf(0, 9), assignmentOf(1, 3), assignmentOf(2, 6)]
    scenario.tell({ type: 'joined', assignments })
    scenario.tell(...assignments.map(threeRecords))
    const served: string[] = []
    for (let name = scenario.running[0]; name !== undefined; name = scenario.running[0]) {
      served.push(name.slice(0, 1))
      scenario.ack(name)
    }
    for (const turn of [0, 3, 6]) expect(served.slice(turn, turn + 3).toSorted()).toEqual(['0', '1', '2'])
  })

  test('two handlers of one partition take turns', () => {
    const scenario = consuming([0], { inFlightMax: 1 })
    const g = { disposition: handledBy('g') }
    scenario.fetch(0, ...lanes('a', 'b', 'c'), { lane: 'd', ...g }, { lane: 'e', ...g }, { lane: 'f', ...g })
    const served: string[] = []
    for (let name = scenario.running[0]; name !== undefined; name = scenario.running[0]) {
      served.push(name)
      scenario.ack(name)
    }
    expect(served).toEqual(['0@0', '0@3', '0@1', '0@4', '0@2', '0@5'])
  })

  test('nothing starts beyond the window, and it moves with what may be committed', () => {
    const scenario = consuming([0], { windowMax: 3 })
    scenario.fetch(0, ...lanes('a', 'b', 'c', 'd', 'e'))
    expect(scenario.running).toEqual(['0@0', '0@1', '0@2'])
    expect(scenario.ack('0@1', '0@2')).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['start 0@3 0@4'])
  })
})

describe('retries', () => {
  test('a retrying record closes its lane only', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'a', 'b', 'b'))
    expect(scenario.fail('0@0', passing)).toEqual([])
    expect(scenario.ack('0@2')).toEqual(['start 0@3'])
    expect(scenario.pass(49)).toEqual([])
    expect(scenario.pass(1)).toEqual(['start 0@0#2'])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })

  test('the attempts are spent, then the record is dead-lettered with their number', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {}, {})
    scenario.fail('0@0', passing)
    expect(scenario.pass(100)).toEqual(['start 0@0#2'])
    scenario.fail('0@0', passing)
    expect(scenario.pass(200)).toEqual(['start 0@0#3'])
    expect(scenario.fail('0@0', passing)).toEqual(['deadLetter 0@0#3 attempts-exhausted'])
    expect(scenario.lettersTaken()).toEqual(['start 0@1'])
  })

  test('what waits for a claim of others is tried again soon, and no attempt is spent', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    for (let time = 0; time < 10; time++) {
      expect(scenario.fail('0@0', { kind: 'waiting' })).toEqual([])
      expect(scenario.pass(250)).toEqual(['start 0@0'])
    }
  })

  test('a task answers once', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    const task = scenario.task('0@0')
    scenario.tell({ type: 'settled', task, outcome: 'acked' })
    expect(() => scenario.tell({ type: 'settled', task, outcome: 'acked' })).toThrow(BrokenInvariant)
  })
})

describe('outages', () => {
  test('a breaker opens on an outage, sends one probe at a time, and closes with the first that gets through', () => {
    const scenario = consuming([0], { inFlightMax: 2 })
    scenario.fetch(0, ...lanes('a', 'b', 'c', 'd'))
    expect(scenario.fail('0@0', databaseAway)).toEqual([])
    expect(scenario.fail('0@1', databaseAway)).toEqual([])
    expect(scenario.pass(374)).toEqual([])
    expect(scenario.pass(1)).toEqual(['start 0@2'])
    expect(scenario.fail('0@2', databaseAway)).toEqual([])
    expect(scenario.pass(750)).toEqual(['start 0@3'])
    expect(scenario.ack('0@3')).toEqual(['start 0@0 0@1', 'commit 0→0+3'])
    expect(scenario.engine.status(scenario.now).breakers).toEqual([])
  })

  test('it spends no attempt and dead-letters nothing, however long it lasts', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    for (let probe = 0; probe < 100; probe++) {
      expect(scenario.fail('0@0', databaseAway)).toEqual([])
      expect(scenario.pass(10_000)).toEqual(['start 0@0'])
    }
  })

  test('handlers that do not feel it go on', () => {
    const scenario = consuming([0])
    const g = handledBy('g')
    scenario.fetch(0, { lane: 'a' }, { lane: 'b', disposition: g }, { lane: 'b', disposition: g }, { lane: 'c' })
    scenario.fail('0@0', databaseAway)
    expect(scenario.ack('0@1')).toEqual(['start 0@2'])
    expect(scenario.engine.status(scenario.now).handlers).toEqual([
      { name: 'h', inFlight: 1, heldBy: 'database' },
      { name: 'g', inFlight: 1, heldBy: null },
    ])
  })

  test('a fault of ours holds its handler, and never dead-letters', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.fail('0@0', ours, 'relation "orders" does not exist')
    scenario.fail('0@1', ours)
    expect(scenario.engine.status(scenario.now).breakers).toMatchObject([{ dependency: 'handler h', ours: true }])
    expect(scenario.pass(1_499)).toEqual([])
    expect(scenario.pass(1)).toEqual(['start 0@0'])
  })

  test('a probe that ends in the outage of something else holds nothing for ever', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', databaseAway)
    expect(scenario.pass(400)).toEqual(['start 0@0'])
    scenario.fail('0@0', { kind: 'outage', dependency: 'search' })
    expect(scenario.pass(400)).toEqual(['start 0@0'])
    scenario.ack('0@0')
    expect(scenario.engine.status(scenario.now).breakers).toEqual([])
  })

  test('a breaker does not stay open when all that could probe it has moved away', () => {
    const scenario = new Scenario()
    scenario.join(0, 1)
    scenario.fetch(0, { lane: 'a' })
    scenario.fetch(1, { lane: 'b' })
    scenario.fail('0@0', { kind: 'outage', dependency: 'database' })
    scenario.join(0)
    expect(scenario.engine.status(scenario.now).breakers).toMatchObject([{ dependency: 'database' }])
    scenario.join()
    expect(scenario.engine.status(scenario.now).breakers).toEqual([])
  })

  test('a breaker that has nothing to probe with delays the probe of no other', () => {
    const scenario = consuming([0, 1])
    const g = handledBy('g')
    scenario.fetch(0, {})
    scenario.fetch(1, { disposition: g })
    scenario.fail('0@0', databaseAway)
    scenario.join(1)
    scenario.pass(10_000)
    scenario.fail('1@0', { kind: 'outage', dependency: 'search' })
    expect(scenario.pass(375)).toEqual(['start 1@0'])
  })

  test('an attempt whose partition was lost still says that its dependency is away', () => {
    const scenario = consuming([0, 1], { inFlightMax: 1 })
    scenario.fetch(0, {})
    scenario.fetch(1, {})
    expect(scenario.join(1)).toEqual(['abort 0@0'])
    expect(scenario.fail('0@0', databaseAway)).toEqual([])
    expect(scenario.pass(375)).toEqual(['start 1@0'])
  })

  test('with nothing in hand that could probe, nothing is said to be away', () => {
    const scenario = consuming([0, 1])
    scenario.fetch(0, {})
    scenario.join(1)
    scenario.fail('0@0', databaseAway)
    expect(scenario.engine.status(scenario.now).breakers).toEqual([])
    expect(scenario.fetch(1, {})).toEqual(['start 1@0'])
  })
})

describe('dead letters', () => {
  test('a dead letter is written before its offset is committed', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@1')
    expect(scenario.fail('0@0', rejected)).toEqual(['deadLetter 0@0 rejected'])
    expect(scenario.pass(5_000)).toEqual(['commit 0→0+1'])
    scenario.commitTaken()
    expect(scenario.pass(5_000)).toEqual([])
    expect(scenario.lettersTaken()).toEqual(['commit 0→2'])
  })

  test('what no handler may see goes with no attempt, in its lane and in order', () => {
    const scenario = consuming([0])
    const poison = { kind: 'dead-letter', reason: 'undecodable', error: 'no Avro', handler: null } as const
    expect(scenario.fetch(0, {}, { disposition: poison }, {})).toEqual(['start 0@0'])
    expect(scenario.ack('0@0')).toEqual(['deadLetter 0@1 undecodable'])
    expect(scenario.lettersTaken()).toEqual(['start 0@2'])
  })

  test('what is ignored by policy is settled as it comes, and closes no lane', () => {
    const scenario = consuming([0])
    expect(scenario.fetch(0, { disposition: { kind: 'ignore' } }, {})).toEqual(['start 0@1'])
    expect(scenario.pass(1_000)).toEqual(['commit 0→1'])
  })

  test('one that is refused holds its partition only, until it is taken', () => {
    const scenario = consuming([0, 1])
    scenario.fetch(0, ...lanes('a', 'b', 'a'))
    scenario.fail('0@0', rejected)
    expect(scenario.lettersRefused()).toEqual([])
    expect(scenario.ack('0@1')).toEqual([])
    expect(scenario.fetch(0, ...lanes('c'))).toEqual([])
    expect(scenario.fetch(1, ...lanes('a'))).toEqual(['start 1@0'])
    expect(scenario.pass(375)).toEqual(['deadLetter 0@0 rejected'])
    expect(scenario.lettersRefused()).toEqual([])
    expect(scenario.pass(749)).toEqual(['commit 0→0+1'])
    scenario.commitTaken()
    expect(scenario.pass(1)).toEqual(['deadLetter 0@0 rejected'])
    expect(scenario.lettersTaken()).toEqual(['start 0@2 0@3'])
    expect(scenario.pass(1_000)).toEqual(['commit 0→2'])
  })

  test('there is one write of a partition at a time, and it carries at most a hundred', () => {
    const scenario = consuming([0])
    const poison = { kind: 'dead-letter', reason: 'framing', error: 'no', handler: null } as const
    const many = Array.from({ length: 150 }, () => ({ lane: null, disposition: poison }))
    const sizes = [scenario.fetch(0, ...many), scenario.lettersTaken(), scenario.lettersTaken()].map(commands =>
      commands.map(command => (command.startsWith('deadLetter') ? command.split(',').length : command)),
    )
    expect(sizes).toEqual([[100], [50], []])
  })
})

describe('commits', () => {
  test('come once an interval, with what settled without a gap, and beside it what settled beyond one', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b', 'c'))
    scenario.ack('0@0', '0@2')
    expect(scenario.pass(1_000)).toEqual(['commit 0→1+2'])
    scenario.ack('0@1')
    expect(scenario.pass(10_000)).toEqual([])
    expect(scenario.commitTaken()).toEqual(['commit 0→3'])
    scenario.commitTaken()
    expect(scenario.pass(10_000)).toEqual([])
  })

  test('carry the end of the range that was fetched, so that lag reaches 0 behind markers', () => {
    const scenario = consuming([0])
    const assignment = scenario.assignment(0)
    const range = { positionBefore: 0, positionAfter: 7, highWatermark: 7, leaderEpoch: 0 }
    scenario.tell({ type: 'fetched', assignment, records: [], ...range })
    expect(scenario.pass(1_000)).toEqual(['commit 0→7'])
    scenario.commitTaken()
    expect(scenario.status(0)).toMatchObject({ committed: 7, lagRecords: 0, lagSeconds: 0 })
  })

  test('never carry a partition that is gone', () => {
    const scenario = consuming([0, 1])
    scenario.fetch(0, {})
    scenario.fetch(1, {})
    scenario.ack('0@0', '1@0')
    scenario.join(1)
    expect(scenario.pass(1_000)).toEqual(['commit 1→1'])
  })

  test('two that are refused in a row ask for a rejoin', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.ack('0@0')
    scenario.pass(1_000)
    expect(scenario.commitFailed('refused')).toEqual([])
    expect(scenario.pass(1_000)).toEqual(['commit 0→1'])
    expect(scenario.commitFailed('refused')).toEqual(['rejoin'])
  })

  test('a partition that nothing was committed of or fetched from lags by its whole log', () => {
    const scenario = consuming([0, 1])
    const known = (partition: number, logStart: number, highWatermark: number) => {
      return { assignment: scenario.assignment(partition), committed: null, logStart, highWatermark }
    }
    scenario.tell({ type: 'offsetsKnown', offsets: [known(0, 3, 10), known(1, 0, 0)] })
    expect(scenario.status(0)).toMatchObject({ committed: null, lagRecords: 7 })
    expect(scenario.status(1)).toMatchObject({ committed: null, lagRecords: 0 })
  })

  test('what the broker holds already is not committed again, and committed never falls', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@0')
    scenario.tell({
      type: 'offsetsKnown',
      offsets: [{ assignment: scenario.assignment(0), committed: 1, highWatermark: 9, logStart: 0 }],
    })
    expect(scenario.pass(5_000)).toEqual([])
    scenario.tell({
      type: 'offsetsKnown',
      offsets: [{ assignment: scenario.assignment(0), committed: null, highWatermark: 3, logStart: 0 }],
    })
    expect(scenario.status(0)).toMatchObject({ committed: 1, highWatermark: 9, lagRecords: 8 })
  })
})

describe('the group', () => {
  test('a partition that stays keeps its records, its position and what runs', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'a'))
    expect(scenario.join(0, 1)).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })

  test('a partition that is lost and regained waits, in that key, for the old attempt', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b'))
    const old = scenario.task('0@0')
    expect(scenario.lose()).toEqual(['abort 0@0 0@1'])
    scenario.fail('0@1', aborted)
    scenario.rewind(0, 0)
    scenario.join(0)
    expect(scenario.fetch(0, ...lanes('a', 'b'))).toEqual(['start 0@1'])
    expect(scenario.tell({ type: 'settled', task: old, outcome: 'acked' })).toEqual(['start 0@0'])
    expect(scenario.status(0).oldestUnsettled).toBe(0)
  })

  test('an old attempt settles nothing of the new assignment', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    const old = scenario.task('0@0')
    scenario.lose()
    scenario.rewind(0, 0)
    scenario.join(0)
    scenario.fetch(0, {})
    scenario.tell({ type: 'settled', task: old, outcome: 'acked' })
    expect(scenario.pass(2_000)).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['commit 0→1'])
  })

  test('silence of the coordinator fences: nothing starts until it answers again', () => {
    const scenario = consuming([0], { sessionTimeoutMs: 30_000 })
    scenario.fetch(0, ...lanes('a', 'a'))
    scenario.pass(30_000)
    expect(scenario.ack('0@0')).not.toContain('start 0@1')
    expect(scenario.status(0).blockedBy).toBe(
      'fenced: the coordinator has been silent for 30 s; another member may own what we hold',
    )
    expect(scenario.tell({ type: 'membershipConfirmed', askedAtMs: scenario.now.nowMs })).toEqual(['start 0@1'])
  })

  test('an answer to what was sent before the silence confirms nothing, however late it is read', () => {
    const scenario = consuming([0], { sessionTimeoutMs: 30_000 })
    scenario.fetch(0, ...lanes('a', 'a'))
    const askedAtMs = scenario.now.nowMs
    scenario.pass(30_000)
    scenario.ack('0@0')
    expect(scenario.tell({ type: 'membershipConfirmed', askedAtMs })).not.toContain('start 0@1')
    expect(scenario.status(0).blockedBy).toContain('fenced: the coordinator has been silent')
  })

  test('a coordinator that does not know us fences: nothing starts or is committed until the next join', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'a', 'b'))
    scenario.ack('0@2')
    scenario.ack('0@0')
    scenario.pass(1_000)
    expect(scenario.commitFailed('fenced')).toEqual([])
    expect(scenario.ack('0@1')).toEqual([])
    expect(scenario.fetch(0, ...lanes('z'))).toEqual([])
    expect(scenario.tell({ type: 'membershipConfirmed', askedAtMs: scenario.now.nowMs })).toEqual([])
    expect(scenario.pass(5_000)).toEqual([])
    expect(scenario.join(0)).toEqual(['start 0@3', 'commit 0→3'])
  })
})

describe('stopping', () => {
  test('starts nothing, finishes what is in flight, commits, then stops', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'a', 'b'))
    expect(scenario.tell({ type: 'stopRequested' })).toEqual(['pause 0'])
    expect(scenario.ack('0@0')).toEqual(['commit 0→1'])
    expect(scenario.commitTaken()).toEqual([])
    expect(scenario.ack('0@2')).toEqual(['commit 0→1+2'])
    expect(scenario.commitTaken()).toEqual(['stopped, 0 unfinished, committed'])
  })

  test('what the broker turned out to hold already is not waited for', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.ack('0@0')
    scenario.pass(1_000)
    scenario.commitFailed('refused')
    const offsets = [{ assignment: scenario.assignment(0), committed: 1, highWatermark: 1, logStart: 0 }]
    scenario.tell({ type: 'offsetsKnown', offsets })
    expect(scenario.tell({ type: 'stopRequested' })).toEqual(['pause 0', 'stopped, 0 unfinished, committed'])
  })

  test('before the first join there is nothing to wait for', () => {
    expect(new Scenario().tell({ type: 'stopRequested' })).toEqual(['stopped, 0 unfinished, committed'])
  })

  test('past its time the signals go off, and what did not finish is told, also when a last commit is awaited', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b', 'c'))
    scenario.ack('0@0')
    expect(scenario.tell({ type: 'stopRequested' })).toEqual(['pause 0', 'commit 0→1'])
    expect(scenario.tell({ type: 'drainTimedOut' })).toEqual(['abort 0@1 0@2'])
    expect(scenario.fail('0@1', aborted)).toEqual([])
    expect(scenario.ack('0@2')).toEqual([])
    expect(scenario.commitTaken()).toEqual(['commit 0→1+2'])
    expect(scenario.commitTaken()).toEqual(['stopped, 1 unfinished, committed'])
  })

  test('past its time one failed commit is the last', () => {
    const scenario = consuming([0])
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@0')
    scenario.tell({ type: 'stopRequested' })
    expect(scenario.commitFailed('refused')).toEqual([])
    expect(scenario.tell({ type: 'drainTimedOut' })).toEqual(['abort 0@1'])
    expect(scenario.pass(200)).toEqual(['commit 0→1'])
    expect(scenario.commitFailed('generation')).toEqual(['stopped, 1 unfinished, not committed'])
  })

  test('a record that rests until its next attempt is not waited for', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', passing)
    expect(scenario.tell({ type: 'stopRequested' })).toEqual(['pause 0', 'stopped, 0 unfinished, committed'])
  })

  test('a dead letter under way is waited for', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', rejected)
    expect(scenario.tell({ type: 'stopRequested' })).toEqual(['pause 0'])
    expect(scenario.lettersTaken()).toEqual(['commit 0→1'])
    expect(scenario.commitTaken()).toEqual(['stopped, 0 unfinished, committed'])
  })
})

describe('backpressure', () => {
  test('a full window pauses, half of it free resumes', () => {
    const scenario = consuming([0], { windowMax: 4 })
    expect(scenario.fetch(0, ...lanes('a', 'b', 'c', 'd'))).toContain('pause 0')
    expect(scenario.ack('0@0')).toEqual([])
    expect(scenario.ack('0@1')).toEqual([])
    expect(scenario.ack('0@2')).toEqual(['resume 0'])
  })

  test('the greedy partition is paused first, and the other goes on', () => {
    const scenario = consuming([0, 1], { budget: { recordsMax: 10, bytesMax: 1_000_000 }, inFlightMax: 1 })
    expect(scenario.fetch(0, ...lanes('a', 'b', 'c', 'd', 'e'))).toContain('pause 0')
    expect(scenario.fetch(1, ...lanes('a'))).toEqual([])
    expect([scenario.status(0).paused, scenario.status(1).paused]).toEqual(['budget', null])
  })

  test('what was dropped with its assignment is out of the budget', () => {
    const scenario = consuming([0, 1], { budget: { recordsMax: 4, bytesMax: 1_000_000 } })
    scenario.fetch(0, ...lanes('a', 'b', 'c', 'd'))
    expect(scenario.status(1).paused).toBe('budget')
    expect(scenario.join(1)).toContain('resume 1')
    expect(scenario.engine.status(scenario.now)).toMatchObject({ buffered: 0, bufferedBytes: 0 })
  })

  test('what intake cannot go on with pauses its partition, and says why', () => {
    const scenario = consuming([0, 1])
    const assignment = scenario.assignment(0)
    const why = 'the registry is away: schema 7 is not known'
    expect(scenario.tell({ type: 'intakeHeld', assignment, why })).toEqual(['pause 0'])
    expect(scenario.status(0)).toMatchObject({ paused: 'intake', blockedBy: why })
    expect(scenario.tell({ type: 'intakeHeld', assignment, why: null })).toEqual(['resume 0'])
    const gone = assignmentOf(0, 99)
    expect(scenario.tell({ type: 'intakeHeld', assignment: gone, why }), 'an assignment that is gone').toEqual([])
  })

  test('what the source holds is not paused, or it could never find out that it can go on', () => {
    const scenario = consuming([0, 1])
    const assignment = scenario.assignment(0)
    const why = 'a batch at offset 7 can not be read'
    expect(scenario.tell({ type: 'held', assignment, why })).toEqual([])
    expect(scenario.status(0)).toMatchObject({ paused: 'source', blockedBy: why })
    expect(scenario.tell({ type: 'held', assignment, why: null })).toEqual([])
    expect(scenario.status(0)).toMatchObject({ paused: null, blockedBy: null })
    expect(scenario.tell({ type: 'held', assignment: assignmentOf(0, 99), why }), 'one that is gone').toEqual([])
  })

  test('a log that can not be read on says so after what is in hand, which goes on', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {}, {})
    scenario.tell({ type: 'held', assignment: scenario.assignment(0), why: 'a batch at offset 2 can not be read' })
    expect(blockedBy(scenario)).toMatch(/^offset 0 in attempt 1/)
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
    scenario.ack('0@1')
    expect(blockedBy(scenario)).toBe('a batch at offset 2 can not be read')
  })
})

describe('sleep', () => {
  test('with nothing to do the engine asks for no wake, and for one time it asks once', () => {
    const scenario = consuming([0])
    const wakes = () =>
      scenario.engine.decide([{ type: 'membershipConfirmed', askedAtMs: scenario.now.nowMs }], scenario.now)
    expect(wakes()).toEqual([])
    scenario.fetch(0, {})
    scenario.ack('0@0')
    expect(wakes()).toEqual([])
    expect(scenario.pass(1_000)).toEqual(['commit 0→1'])
    expect(wakes()).toEqual([])
  })
})

describe('the truth about lag', () => {
  test('lagSeconds is the age of the oldest unsettled record, whatever is settled above it', () => {
    const scenario = consuming([0])
    scenario.fetch(0, aged('a', 5_000), aged('b', 90_000), aged('c', 2_000))
    scenario.ack('0@1')
    expect(scenario.status(0).lagSeconds).toBe(5)
    scenario.pass(1_500)
    expect(scenario.status(0).lagSeconds).toBe(6.5)
    scenario.ack('0@0')
    expect(scenario.status(0).lagSeconds).toBe(3.5)
    scenario.ack('0@2')
    expect(scenario.status(0).lagSeconds).toBe(0)
  })

  test('while nothing is in hand but the log has more, it grows from the last known record', () => {
    const scenario = consuming([0])
    scenario.tell(scenario.fetched(0, [{ timestampMs: WALL_START_MS - 1_000 }], { behind: 50 }))
    scenario.ack('0@0')
    expect(scenario.status(0)).toMatchObject({ lagSeconds: 1, lagRecords: 51 })
    scenario.pass(9_000)
    scenario.commitTaken()
    expect(scenario.status(0)).toMatchObject({ lagSeconds: 10, lagRecords: 50 })
  })

  test('a timestamp in the future is no negative lag', () => {
    const scenario = consuming([0])
    scenario.fetch(0, { timestampMs: WALL_START_MS + 60_000 })
    expect(scenario.status(0).lagSeconds).toBe(0)
  })
})

describe('why a partition stands still', () => {
  test('nothing to do: no reason', () => {
    const scenario = consuming([0])
    expect(blockedBy(scenario)).toBeNull()
    scenario.fetch(0, {})
    scenario.ack('0@0')
    expect(blockedBy(scenario)).toBeNull()
  })

  test('a handler that is busy with the oldest record', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', passing)
    scenario.pass(50)
    scenario.nowMs += 12_345
    expect(blockedBy(scenario)).toMatch(/^offset 0 in attempt 2 of handler h for 12 s; the last one ended with /)
  })

  test('its window is full behind that record', () => {
    const scenario = consuming([0], { windowMax: 2 })
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@1')
    scenario.nowMs += 1_500
    expect(blockedBy(scenario)).toBe('its window is full behind offset 0 in attempt 1 of handler h for 1.5 s')
  })

  test('a record that rests', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', passing, 'Error: deadlock')
    expect(blockedBy(scenario)).toBe(
      'offset 0: attempt 2 of handler h follows in 0.1 s, the last one ended with Error: deadlock',
    )
  })

  test('a breaker, of a dependency or of a fault of ours', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', databaseAway, 'connection refused')
    scenario.nowMs += 200
    expect(blockedBy(scenario)).toBe('offset 0 is held by the breaker of database for 0.2 s: connection refused')
    const fault = consuming([0])
    fault.fetch(0, {})
    fault.fail('0@0', ours, 'no such table')
    expect(blockedBy(fault)).toBe('offset 0 is held by a fault of ours for 0.0 s: no such table')
  })

  test('a dead letter under way, and one that is refused', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.fail('0@0', rejected)
    expect(blockedBy(scenario)).toBe('offset 0: its dead letter is being written')
    scenario.lettersRefused('disk full')
    scenario.nowMs += 300
    expect(blockedBy(scenario)).toBe(
      'the dead letter topic has refused for 0.3 s: disk full; the partition is held until it takes the record',
    )
  })

  test('all slots are taken, or all that its handler may have', () => {
    const scenario = consuming([1, 0], { inFlightMax: 1 })
    scenario.fetch(1, {})
    scenario.fetch(0, {})
    expect(blockedBy(scenario)).toBe('offset 0 waits for its turn: as many records as may be are in handlers')
    const retry = { initialMs: 1, maxMs: 1, attemptsMax: 1 }
    const limited = consuming([1, 0], { handlers: [{ name: 'h', retry, concurrencyMax: 1 }] })
    limited.fetch(1, {})
    limited.fetch(0, {})
    expect(blockedBy(limited)).toBe('offset 0 waits for its turn: handler h has as many records as its limit allows')
  })

  test('an attempt of an earlier assignment that has not ended', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.lose()
    scenario.rewind(0, 0)
    scenario.join(0)
    scenario.fetch(0, {})
    expect(blockedBy(scenario)).toBe('offset 0 waits for an attempt of an earlier assignment to end in its lane')
  })

  test('the broker, also before its first answer', () => {
    const scenario = consuming([0])
    const assignment = scenario.assignment(0)
    scenario.tell({ type: 'offsetsKnown', offsets: [{ assignment, committed: 3, highWatermark: 10, logStart: 0 }] })
    expect(blockedBy(scenario)).toBe('waiting for the broker: the log has more than was fetched')
    scenario.tell(scenario.fetched(0, [], { from: 4, behind: 6 }))
    expect(blockedBy(scenario)).toBe('waiting for the broker: the log has more than was fetched')
  })

  test('the group: not joined, handing over, fenced', () => {
    const scenario = consuming([0], { sessionTimeoutMs: 30_000 })
    scenario.fetch(0, {})
    scenario.revoking(0)
    expect(blockedBy(scenario)).toBe(
      'rebalancing: another member is to have it; what is in flight is finished and committed first',
    )
    // A join that a silent broker never answers is no rebalance any more.
    scenario.nowMs += 30_000
    expect(blockedBy(scenario)).toBe(
      'fenced: the coordinator has been silent for 30 s; another member may own what we hold',
    )
    expect(new Scenario().engine.status(scenario.now).standingStill).toBe('waiting to join the group')
    const fenced = consuming([0])
    fenced.tell({ type: 'commitFailed', cause: 'fenced', error: 'unknown member' })
    expect(blockedBy(fenced)).toBe(
      'fenced: the coordinator does not know this member any more; waiting for the next join',
    )
  })

  test('a stop', () => {
    const scenario = consuming([0])
    scenario.fetch(0, {})
    scenario.tell({ type: 'stopRequested' })
    expect(blockedBy(scenario)).toBe('stopping: nothing new is started')
  })
})
