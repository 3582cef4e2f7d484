/** What the brokers say of a group, as a table and as JSON. */
import type { SeenGroup } from '../../adapters/kafka/members.ts'
import type { Oldest } from '../../adapters/kafka/oldest.ts'
import { placeOf } from '../../core/record.ts'
import { type Column, counted, lengthOf, notesOf, tableOf, wrapped } from '../text.ts'
import { type Look, lagOf } from './look.ts'
import type { Standing } from './partition.ts'
import { paceText, type Seen, type Speeds, speedColumns } from './speeds.ts'

export interface PartitionSeen {
  readonly standing: Standing
  readonly oldest: Oldest
}

export interface GroupSeen {
  readonly group: string
  readonly seen: SeenGroup
  readonly partitions: readonly PartitionSeen[]
  readonly problems: readonly string[]
  /** When it was seen. */
  readonly wallMs: number
}

/** One partition, as `--json` has it. */
interface Told {
  readonly topic: string
  readonly partition: number
  readonly committed: number | null
  readonly logStart: number
  readonly end: number
  readonly lagRecords: number
  readonly lagSeconds: number | null
  readonly settledAbove: number
  readonly oldestUnsettled: number | null
  readonly owner: { readonly clientId: string; readonly host: string } | null
  readonly notes: readonly string[]
}

interface Row extends Seen {
  readonly told: Told
}

export function groupLook({ group, seen, partitions, problems, wallMs }: GroupSeen): Look {
  const owners = new Map(
    seen.members.flatMap(({ owned, clientId, host }) => owned.map(place => [placeOf(place), { clientId, host }])),
  )
  const rows = partitions.map(each => rowOf(each, owners, wallMs))
  const lagRecords = lagOf({ partitions: rows })
  const summary = { group, state: seen.state, members: seen.members, lagRecords, lagSeconds: longestOf(rows) }
  return {
    partitions: rows,
    problems,
    text: speeds => [
      ...wrapped(sentenceOf(summary, rows.length) + paceText(speeds, rows), 2),
      '',
      ...(rows.length === 0 ? [NOTHING_SEEN] : tableOf(columnsOf(speeds, owners.size > 0), rows)),
      ...separated(
        notesOf(rows.flatMap(({ topic, partition, told }) => told.notes.map(note => ({ topic, partition, note })))),
      ),
    ],
    json: speeds => ({
      at: new Date(wallMs).toISOString(),
      group,
      state: seen.state,
      protocol: seen.protocol,
      lagRecords,
      lagSeconds: summary.lagSeconds,
      members: seen.members.map(({ clientId, host, owned }) => ({ clientId, host, partitions: owned.length })),
      partitions: rows.map(row => speeds?.beside(row.told) ?? row.told),
      problems,
    }),
  }
}

const NOTHING_SEEN = 'it has no commits, or none of topics that this user may describe'

function rowOf({ standing, oldest }: PartitionSeen, owners: ReadonlyMap<string, Told['owner']>, wallMs: number): Row {
  const { ends, commit, completions, from, lagRecords, notes } = standing
  const { topic, partition, logStart, end } = ends
  const settledAbove = completions?.size ?? 0
  const told = {
    topic,
    partition,
    committed: commit.committed,
    logStart,
    end,
    lagRecords,
    lagSeconds: secondsSince(oldest, wallMs),
    settledAbove,
    oldestUnsettled: oldest.kind === 'record' ? oldest.offset : null,
    owner: owners.get(placeOf(ends)) ?? null,
    notes: [...notes, ...noteOf(oldest, lagRecords)],
  }
  return { topic, partition, lagRecords, progress: from + settledAbove, left: lagRecords - settledAbove, told }
}

/** Never below 0: clocks differ. Null where nobody knows the record, or it has no time. */
function secondsSince(oldest: Oldest, wallMs: number): number | null {
  switch (oldest.kind) {
    case 'record':
      return oldest.timestampMs < 0 ? null : Math.max(0, wallMs - oldest.timestampMs) / 1_000
    case 'none':
      return 0
    case 'unknown':
      return null
    default:
      return oldest satisfies never
  }
}

function noteOf(oldest: Oldest, lagRecords: number): readonly string[] {
  if (oldest.kind === 'unknown') return [`its age is not known: ${oldest.why}`]
  return oldest.kind === 'none' && lagRecords > 0
    ? ['there is no record in its lag: markers, aborted transactions or gaps that compaction left']
    : []
}

/** Null where one is not known: the longest may be that one. */
function longestOf(rows: readonly Row[]): number | null {
  return rows.reduce<number | null>(
    (so, { told: { lagSeconds } }) => (so === null || lagSeconds === null ? null : Math.max(so, lagSeconds)),
    0,
  )
}

interface Summary {
  readonly group: string
  readonly state: string
  readonly members: readonly unknown[]
  readonly lagRecords: number | null
  readonly lagSeconds: number | null
}

function sentenceOf({ group, state, members, lagRecords, lagSeconds }: Summary, partitions: number): string {
  const oldest = lagSeconds === null || lagSeconds === 0 ? '' : `, the oldest ${lengthOf(lagSeconds)} old`
  // The coordinator's word for a group that is not of its classic kind, whose commits we do see.
  const shown = state === 'Dead' ? 'members not known' : `${state}, ${counted(members.length, 'member')}`
  return `group ${group}: ${shown}, ${counted(partitions, 'partition')}, lag ${counted(lagRecords ?? 0, 'record')}${oldest}`
}

function columnsOf(speeds: Speeds | null, hasOwners: boolean): readonly Column<Row>[] {
  return [
    { title: 'partition', isWords: true, cell: placeOf },
    { title: 'committed', cell: ({ told }) => known(told.committed) },
    { title: 'end', cell: ({ told }) => String(told.end) },
    { title: 'lag', cell: ({ told }) => String(told.lagRecords) },
    { title: 'seconds', cell: ({ told }) => known(told.lagSeconds, 1) },
    { title: 'ahead', cell: ({ told }) => String(told.settledAbove) },
    ...speedColumns(speeds),
    ...(hasOwners ? [{ title: 'owner', isWords: true, cell: ownerOf }] : []),
  ]
}

const OWNER_LENGTH_MAX = 26

/** The end tells replicas apart: the host. */
function ownerOf({ told: { owner } }: Row): string {
  if (owner === null) return '–'
  const text = `${owner.clientId}@${owner.host}`
  return text.length <= OWNER_LENGTH_MAX ? text : `…${text.slice(1 - OWNER_LENGTH_MAX)}`
}

/** Not known is not 0. */
function known(value: number | null, digits = 0): string {
  return value === null ? '–' : value.toFixed(digits)
}

function separated(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}
