/** Partitions change hands one by one: only what leaves stops, what is kept goes on, and every hand-over is answered once. */
import { describe, expect, test } from 'vitest'
import type { Fact } from '../../src/core/facts.ts'
import { assignmentOf } from './make.ts'
import { Scenario } from './scenario.ts'

const lanes = (...keys: string[]) => keys.map(lane => ({ lane }))

function consuming(...partitions: number[]): Scenario {
  const scenario = new Scenario()
  scenario.join(...partitions)
  return scenario
}

/** One record of partition 0 is in its handler, another one of its lane waits, and the partition is to go. */
function leaving(): Scenario {
  const scenario = consuming(0, 1)
  scenario.fetch(0, ...lanes('a', 'a'))
  expect(scenario.revoking(0)).toEqual([])
  return scenario
}

const handedOver = (commands: readonly string[]) => commands.filter(command => command.startsWith('handedOver'))

describe('what leaves', () => {
  test('starts nothing, finishes what is in flight, commits at once, and is handed over', () => {
    const scenario = consuming(0)
    scenario.fetch(0, ...lanes('a', 'b', 'a'))
    scenario.ack('0@1')
    expect(scenario.revoking(0)).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['commit 0→2'])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
    expect(scenario.fetch(0, ...lanes('d'))).toEqual([])
    expect(scenario.pass(5_000)).toEqual([])
    expect(scenario.revoked(0)).toEqual([])
    expect(scenario.engine.status(scenario.now)).toMatchObject({ partitions: [], buffered: 0, bufferedBytes: 0 })
  })

  test('with nothing in flight and nothing to commit is handed over at once', () => {
    const scenario = consuming(0, 1)
    expect(scenario.revoking(0)).toEqual(['handedOver 0'])
  })

  test('is handed over with what settled above the committable offset', () => {
    const scenario = consuming(0)
    scenario.fetch(0, ...lanes('a', 'b', 'b'))
    scenario.ack('0@1')
    scenario.ack('0@2')
    scenario.fail('0@0', { kind: 'passing', reason: 'attempts-exhausted', timedOut: false })
    expect(scenario.revoking(0)).toEqual(['commit 0→0+1+2'])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
    expect(scenario.pass(60_000), 'its retry is for the next one').toEqual([])
  })

  test('waits for the commit that is under way, and for another one with what settled since', () => {
    const scenario = consuming(0)
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@0')
    expect(scenario.pass(1_000)).toEqual(['commit 0→1'])
    expect(scenario.revoking(0)).toEqual([])
    expect(scenario.ack('0@1')).toEqual([])
    expect(scenario.commitTaken()).toEqual(['commit 0→2'])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
  })

  test('writes no dead letter that is not being written, and waits for one that is', () => {
    const poison = { kind: 'dead-letter', reason: 'framing', error: 'no', handler: null } as const
    const scenario = consuming(0)
    expect(scenario.fetch(0, { lane: 'a', disposition: poison })).toEqual(['deadLetter 0@0 framing'])
    expect(scenario.revoking(0)).toEqual([])
    expect(scenario.fetch(0, { lane: 'b', disposition: poison })).toEqual([])
    expect(scenario.lettersTaken()).toEqual(['commit 0→1'])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
  })

  test('is not waited for when its dead letter is refused: the next one writes it', () => {
    const poison = { kind: 'dead-letter', reason: 'framing', error: 'no', handler: null } as const
    const scenario = consuming(0)
    scenario.fetch(0, { disposition: poison })
    scenario.revoking(0)
    expect(scenario.lettersRefused()).toEqual(['handedOver 0'])
    expect(scenario.pass(60_000)).toEqual([])
  })

  test('stays what it is while others join: a join that does not name it takes nothing from it', () => {
    const scenario = leaving()
    expect(scenario.join(1, 2)).toEqual([])
    expect(scenario.ack('0@0')).toEqual(['commit 0→1'])
    expect(scenario.join(1)).toEqual([])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
    expect(scenario.join(1)).toEqual([])
    expect(scenario.status(0)).toMatchObject({ committed: 1, buffered: 1 })
  })
})

describe('what is kept', () => {
  test('goes on starting while others leave, and is not in their way', () => {
    const scenario = leaving()
    expect(scenario.fetch(1, ...lanes('a', 'b', 'a'))).toEqual(['start 1@0 1@1'])
    expect(scenario.ack('1@0')).toEqual(['start 1@2'])
    expect(scenario.ack('0@0')).toEqual(['commit 1→1 0→1'])
    expect(scenario.commitTaken(), 'what runs elsewhere is not waited for').toEqual(['handedOver 0'])
    expect(scenario.revoked(0)).toEqual([])
    expect(scenario.join(1)).toEqual([])
    expect(scenario.ack('1@1', '1@2')).toEqual([])
    expect(scenario.pass(1_000)).toEqual(['commit 1→3'])
  })

  test('commits on its interval: nobody waits for it', () => {
    const scenario = leaving()
    scenario.fetch(1, {})
    expect(scenario.ack('1@0')).toEqual([])
    expect(scenario.pass(1_000)).toEqual(['commit 1→1'])
  })

  test('says nothing of the hand-over of others', () => {
    const scenario = leaving()
    expect(scenario.status(0).blockedBy).toMatch(/^rebalancing: another member is to have it/)
    expect(scenario.status(1).blockedBy).toBeNull()
    expect(scenario.engine.status(scenario.now).standingStill).toBeNull()
  })
})

describe('a hand-over is answered once', () => {
  const answers: [what: string, between: (scenario: Scenario) => string[]][] = [
    ['it is joined again', scenario => scenario.join(0, 1)],
    ['it is revoked before it was done', scenario => scenario.revoked(0)],
    ['its log is another one', scenario => scenario.renew(0)],
    ['all is lost', scenario => scenario.lose()],
    [
      'the time to stop is over',
      scenario => [...scenario.tell({ type: 'stopRequested' }), ...scenario.tell({ type: 'drainTimedOut' })],
    ],
    ['it finishes', scenario => [...scenario.ack('0@0'), ...scenario.commitTaken(), ...scenario.pass(10_000)]],
    [
      'it finishes while the process stops',
      scenario => [
        ...scenario.tell({ type: 'stopRequested' }),
        ...scenario.ack('0@0'),
        ...scenario.commitTaken(),
        ...scenario.tell({ type: 'drainTimedOut' }),
      ],
    ],
    [
      'the coordinator does not know us any more',
      scenario => [...scenario.ack('0@0'), ...scenario.commitFailed('fenced'), ...scenario.pass(10_000)],
    ],
    [
      'it is asked for twice before it is done',
      scenario => [...scenario.revoking(0), ...scenario.ack('0@0'), ...scenario.commitTaken()],
    ],
  ]

  test.each(answers)('when %s', (_, between) => {
    const scenario = leaving()
    expect(handedOver(between(scenario))).toEqual(['handedOver 0'])
    expect(handedOver([...scenario.pass(10_000), ...scenario.lose()])).toEqual([])
  })

  test('when its commits fail: after five it goes on without', () => {
    const scenario = consuming(0)
    scenario.fetch(0, {})
    scenario.ack('0@0')
    expect(scenario.revoking(0)).toEqual(['commit 0→1'])
    for (let failure = 1; failure < 5; failure++) {
      expect(scenario.commitFailed('generation')).toEqual([])
      expect(scenario.pass(200)).toEqual(['commit 0→1'])
    }
    expect(scenario.commitFailed('generation')).toEqual(['handedOver 0'])
  })

  test('when its commits failed before it was asked for: those do not count', () => {
    const scenario = consuming(0)
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@0')
    for (let failure = 0; failure < 6; failure++) {
      expect(scenario.pass(1_000)).toEqual(['commit 0→1'])
      scenario.commitFailed('generation')
    }
    expect(scenario.revoking(0)).toEqual([])
    expect(scenario.ack('0@1')).toEqual([])
    expect(scenario.pass(200)).toEqual(['commit 0→2'])
    expect(scenario.commitTaken()).toEqual(['handedOver 0'])
  })

  test('for all that it was asked for, each when it can be', () => {
    const scenario = consuming(0, 1, 2)
    scenario.fetch(0, {})
    scenario.fetch(1, {})
    expect(scenario.revoking(0, 1, 2)).toEqual(['handedOver 2'])
    expect(scenario.ack('1@0')).toEqual(['commit 1→1'])
    expect(scenario.commitTaken()).toEqual(['handedOver 1'])
    expect(scenario.lose()).toEqual(['handedOver 0', 'abort 0@0'])
  })

  test('and again when it is asked for again, before the next join', () => {
    const scenario = consuming(0)
    expect(scenario.revoking(0)).toEqual(['handedOver 0'])
    expect(scenario.revoking(0)).toEqual(['handedOver 0'])
    scenario.join(0)
    expect(scenario.revoking(0)).toEqual(['handedOver 0'])
  })

  test('at once for what is unknown, out of the group and after the end too', () => {
    const unknown: Fact = { type: 'revoking', assignments: [assignmentOf(7, 77)] }
    const scenario = new Scenario()
    expect(scenario.tell(unknown)).toEqual(['handedOver 7'])
    scenario.join(0)
    expect(scenario.tell(unknown)).toEqual(['handedOver 7'])
    const gone: Fact = { type: 'revoking', assignments: [scenario.assignment(0)] }
    scenario.lose()
    expect(scenario.tell(gone)).toEqual(['handedOver 0'])
    scenario.join(0)
    scenario.tell({ type: 'stopRequested' })
    expect(scenario.revoking(0), 'nothing will be handed over any more').toEqual(['handedOver 0'])
  })
})

describe('what is given back', () => {
  test('goes on where it was', () => {
    const scenario = leaving()
    expect(scenario.ack('0@0')).toEqual(['commit 0→1'])
    expect(scenario.join(0, 1)).toEqual(['handedOver 0', 'start 0@1'])
    expect(scenario.status(0).blockedBy).toMatch(/^offset 1 in attempt 1/)
  })

  test('goes on when it was handed over already', () => {
    const scenario = leaving()
    scenario.ack('0@0')
    scenario.commitTaken()
    expect(scenario.join(1)).toEqual([])
    expect(scenario.join(0, 1)).toEqual(['start 0@1'])
  })

  test('what was read of it meanwhile is in its place', () => {
    const scenario = leaving()
    scenario.join(1)
    expect(scenario.fetch(0, ...lanes('c'))).toEqual([])
    expect(scenario.join(0, 1)).toEqual(['handedOver 0', 'start 0@2'])
    expect(scenario.ack('0@0')).toEqual(['start 0@1'])
  })
})

describe('what is gone', () => {
  test('with its attempt still under way is aborted, and its late end settles nothing', () => {
    const scenario = leaving()
    const task = scenario.task('0@0')
    expect(scenario.revoked(0)).toEqual(['handedOver 0', 'abort 0@0'])
    expect(scenario.tell({ type: 'settled', task, outcome: 'acked' })).toEqual([])
    expect(scenario.pass(10_000)).toEqual([])
  })

  test('leaves the others as they are, also when nothing was asked before', () => {
    const scenario = consuming(0, 1)
    scenario.fetch(0, {})
    scenario.fetch(1, ...lanes('a', 'a'))
    expect(scenario.revoked(0)).toEqual(['abort 0@0'])
    expect(scenario.ack('1@0')).toEqual(['start 1@1'])
  })

  test('is told again in vain', () => {
    const scenario = consuming(0, 1)
    const gone: Fact = { type: 'revoked', assignments: [scenario.assignment(0)] }
    scenario.revoked(0)
    expect(scenario.tell(gone)).toEqual([])
  })
})

describe('a log that is another one', () => {
  test('begins anew beside the others, and its key waits for the old attempt', () => {
    const scenario = consuming(0, 1)
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@1')
    const old = scenario.task('0@0')
    expect(scenario.renew(0)).toEqual(['abort 0@0'])
    expect(scenario.fetch(0, ...lanes('a', 'b'))).toEqual(['start 0@1'])
    expect(scenario.tell({ type: 'failed', task: old, failure: { kind: 'aborted' }, error: 'gone' })).toEqual([
      'start 0@0',
    ])
    expect(scenario.fetch(1, {})).toEqual(['start 1@0'])
  })

  test('nothing is committed for the old one', () => {
    const scenario = consuming(0)
    scenario.fetch(0, ...lanes('a', 'b'))
    scenario.ack('0@0', '0@1')
    scenario.renew(0)
    expect(scenario.pass(10_000)).toEqual([])
    scenario.fetch(0, ...lanes('a'))
    expect(scenario.ack('0@0')).toEqual(['commit 0→1'])
  })
})
