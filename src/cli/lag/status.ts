/** A look by a running service's own word: what it knows beyond the brokers is why a partition does not move. */
import type { StatusBody } from '../../adapters/http/status-schema.ts'
import { Unavailable } from '../../consumer/errors.ts'
import { placeOf } from '../../core/record.ts'
import type { PartitionStatus } from '../../core/status.ts'
import { ask } from '../ask.ts'
import { type Column, counted, notesOf, tableOf, wrapped } from '../text.ts'
import type { Look } from './look.ts'
import { paceText, type Seen, type Speeds, speedColumns } from './speeds.ts'

/** Rejects with `Unavailable` where nobody answers, or somebody else. */
export async function lookAtStatus(url: string): Promise<Look> {
  const where = `${url}/status`
  const body = read(await (await ask(where)).text())
  if (!isStatus(body)) throw new Unavailable(where, 'it does not answer with a status of this program')
  const rows = body.partitions
    .toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
    .map((status): Row => {
      const { topic, partition, committed: progress, lagRecords } = status
      return { topic, partition, lagRecords, progress, left: lagRecords, status }
    })
  return {
    partitions: rows,
    problems: [],
    text: speeds => textOf(body, rows, speeds),
    json: speeds => (speeds === null ? body.partitions : rows.map(({ status }) => speeds.beside(status))),
  }
}

interface Row extends Seen {
  readonly status: PartitionStatus
}

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Something else listens on that port: for the caller it is as good as any answer that is no status.
    return null
  }
}

/** Enough to tell it from the answer of something else on that port; the rest is the published schema's promise. */
function isStatus(body: unknown): body is StatusBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    'partitions' in body &&
    Array.isArray(body.partitions) &&
    'group' in body
  )
}

function textOf(body: StatusBody, rows: readonly Row[], speeds: Speeds | null): readonly string[] {
  const { group, state, standingStill, dependencies } = body
  const lag = rows.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0)
  const down = dependencies
    .filter(({ up }) => !up)
    .map(({ name, error }) => `${name} is down: ${error ?? 'no reason known'}`)
  const blocked = notesOf(
    body.partitions.flatMap(({ topic, partition, blockedBy }) =>
      blockedBy === null ? [] : [{ topic, partition, note: blockedBy }],
    ),
  )
  return [
    `group ${group}, ${state}: ${counted(rows.length, 'partition')}, lag ${counted(lag, 'record')}${paceText(speeds, rows)}`,
    ...[...(standingStill === null ? [] : [standingStill]), ...down].flatMap(each => wrapped(each, 2)),
    '',
    ...tableOf(columnsOf(speeds), rows),
    ...(blocked.length === 0 ? [] : ['', ...blocked]),
  ]
}

function columnsOf(speeds: Speeds | null): readonly Column<Row>[] {
  return [
    { title: 'partition', isWords: true, cell: placeOf },
    { title: 'committed', cell: ({ status }) => known(status.committed) },
    { title: 'position', cell: ({ status }) => known(status.position) },
    { title: 'end', cell: ({ status }) => known(status.highWatermark) },
    { title: 'lag', cell: ({ status }) => known(status.lagRecords) },
    { title: 'seconds', cell: ({ status }) => status.lagSeconds.toFixed(1) },
    { title: 'buffered', cell: ({ status }) => String(status.buffered) },
    { title: 'in flight', cell: ({ status }) => String(status.inFlight) },
    ...speedColumns(speeds),
  ]
}

/** Not known yet is not 0. */
function known(value: number | null): string {
  return value === null ? '–' : String(value)
}
