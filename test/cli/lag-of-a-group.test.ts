/** The brokers' word on a group, as a person and as a script see it. */
import { expect, test } from 'vitest'
import type { Oldest } from '../../src/adapters/kafka/oldest.ts'
import { type GroupSeen, groupLook } from '../../src/cli/lag/group.ts'
import { standingOf } from '../../src/cli/lag/partition.ts'
import { Speeds } from '../../src/cli/lag/speeds.ts'
import { encodeCompletions } from '../../src/core/completions.ts'

const WALL_MS = Date.UTC(2026, 0, 5, 9)

interface Told {
  readonly topic?: string
  readonly committed: number | null
  readonly end: number
  readonly ageMs?: number | null
  readonly metadata?: string
}

function partitionOf(
  { topic = 'user-activity', committed, end, ageMs = null, metadata = '' }: Told,
  partition: number,
) {
  const ends = { topic, partition, logStart: 0, end, written: end }
  const oldest: Oldest =
    ageMs === null ? { kind: 'none' } : { kind: 'record', offset: committed ?? 0, timestampMs: WALL_MS - ageMs }
  return { standing: standingOf(ends, { committed, metadata }, false), oldest }
}

const seenOf = (told: readonly Told[], more: Partial<GroupSeen> = {}): GroupSeen => ({
  group: 'sluice',
  seen: { state: 'Empty', protocol: '', members: [] },
  partitions: told.map(partitionOf),
  problems: [],
  wallMs: WALL_MS,
  ...more,
})

const OWNED = {
  state: 'Stable',
  protocol: 'sluice-cooperative-sticky',
  members: ['10.1.20.30', 'fe80:1234:1234:1234:1234:1234:1234:1234'].map((host, at) => ({
    clientId: 'sluice',
    host,
    owned: [{ topic: 'user-activity', partition: at }],
    topics: [],
  })),
}

test('a table, the notes below it', () => {
  const metadata = encodeCompletions({ base: 10, leaderEpoch: 0, settled: [12, 13] })
  const told = [
    { committed: 10, end: 25, ageMs: 2_540, metadata },
    { committed: null, end: 7, ageMs: 100 },
    { committed: null, end: 9, ageMs: 7_500_000 },
  ]
  expect(groupLook(seenOf(told, { seen: OWNED })).text(null)).toEqual([
    'group sluice: Stable, 2 members, 3 partitions, lag 31 records, the oldest 2 h 5 min old',
    '',
    'partition        committed  end  lag  seconds  ahead  owner',
    'user-activity/0         10   25   15      2.5      2  sluice@10.1.20.30',
    'user-activity/1          –    7    7      0.1      0  …:1234:1234:1234:1234:1234',
    'user-activity/2          –    9    9   7500.0      0  –',
    '',
    'user-activity/1, 2: no commit: it begins at the start of the log',
  ])
})

test('nobody is there, and nothing is late', () => {
  expect(groupLook(seenOf([{ committed: 25, end: 25 }])).text(null)).toEqual([
    'group sluice: Empty, 0 members, 1 partition, lag 0 records',
    '',
    'partition        committed  end  lag  seconds  ahead',
    'user-activity/0         25   25    0      0.0      0',
  ])
})

test('a group without anything to show says so, and one whose members cannot be seen', () => {
  const [said, , why] = groupLook(seenOf([], { seen: { state: 'Dead', protocol: '', members: [] } })).text(null)
  expect(said).toBe('group sluice: members not known, 0 partitions, lag 0 records')
  expect(why).toContain('no commits')
})

test('with large numbers, rates and owners the sample topics stay within 120 columns', () => {
  const huge = 9_999_999_999
  const told = Array.from({ length: 12 }, (_, at) => ({
    committed: huge - 9_999_999 + at,
    end: huge,
    ageMs: 864_000_000,
  }))
  const owner = {
    clientId: 'sluice',
    host: '10.100.200.131',
    topics: [],
    owned: told.map((_, partition) => ({ topic: 'user-activity', partition })),
  }
  const look = groupLook(seenOf(told, { seen: { ...OWNED, members: [owner] } }))
  const speeds = new Speeds()
  for (const atMs of [0, 2_000]) speeds.add(atMs, look.partitions)
  const lines = look.text(speeds)
  expect(lines[2]).toMatch(/rate\/s +drains in +owner$/)
  expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(120)
})

test('the age is not known where the record is not, and the log is right all the same', () => {
  const seen = seenOf([{ committed: 3, end: 9 }])
  const [partition] = seen.partitions
  const why: Oldest = { kind: 'unknown', why: 'it is late' }
  const look = groupLook({ ...seen, partitions: partition === undefined ? [] : [{ ...partition, oldest: why }] })
  expect(look.text(null).slice(3)).toEqual([
    'user-activity/0          3    9    6        –      0',
    '',
    'user-activity/0: its age is not known: it is late',
  ])
  expect(look.json(null)).toMatchObject({ lagSeconds: null, partitions: [{ lagSeconds: null, oldestUnsettled: null }] })
})

test('records without a time have no age, and those of a clock that is ahead are of now', () => {
  const look = groupLook(seenOf([WALL_MS + 1, -5_000].map(ageMs => ({ committed: 3, end: 9, ageMs }))))
  expect(look.json(null)).toMatchObject({ partitions: [{ lagSeconds: null }, { lagSeconds: 0 }] })
})

test('for a script, as the help says it', () => {
  const look = groupLook(seenOf([{ committed: 10, end: 25, ageMs: 2_500 }], { seen: OWNED, problems: ['that'] }))
  const partition = {
    topic: 'user-activity',
    partition: 0,
    committed: 10,
    logStart: 0,
    end: 25,
    lagRecords: 15,
    lagSeconds: 2.5,
    settledAbove: 0,
    oldestUnsettled: 10,
    owner: { clientId: 'sluice', host: '10.1.20.30' },
    notes: [],
  }
  expect(look.json(null)).toEqual({
    at: '2026-01-05T09:00:00.000Z',
    group: 'sluice',
    state: 'Stable',
    protocol: 'sluice-cooperative-sticky',
    lagRecords: 15,
    lagSeconds: 2.5,
    members: OWNED.members.map(({ clientId, host }) => ({ clientId, host, partitions: 1 })),
    partitions: [partition],
    problems: ['that'],
  })
  expect(look.json(new Speeds())).toMatchObject({
    partitions: [{ ...partition, consumedPerSecond: null, drainSeconds: null }],
  })
})
