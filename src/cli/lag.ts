import { parseArgs } from 'node:util'
import type { StatusBody } from '../adapters/http/status-schema.ts'
import type { PartitionStatus } from '../core/status.ts'
import { ask, urlFrom } from './ask.ts'
import { type Command, EXIT } from './command.ts'

export const lag: Command = {
  usage: '[--json] [--url URL]',
  does: 'shows how far behind each partition of the service is, and why it does not move',
  async run(args, { env, out, err }) {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' }, url: { type: 'string' } } })
    const url = `${urlFrom(values.url, env)}/status`
    const body = read(await (await ask(url)).text())
    if (!isStatus(body)) {
      err(`${url} does not answer with a status of this program\n`)
      return EXIT.failed
    }
    out(values.json === true ? `${JSON.stringify(body.partitions)}\n` : tableOf(body))
    return EXIT.ok
  },
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

const COLUMNS: readonly (readonly [title: string, cell: (partition: PartitionStatus) => string])[] = [
  ['topic', ({ topic }) => topic],
  ['partition', ({ partition }) => String(partition)],
  ['committed', ({ committed }) => text(committed)],
  ['position', ({ position }) => text(position)],
  ['end', ({ highWatermark }) => text(highWatermark)],
  ['lag', ({ lagRecords }) => text(lagRecords)],
  ['seconds', ({ lagSeconds }) => lagSeconds.toFixed(1)],
  ['buffered', ({ buffered }) => String(buffered)],
  ['in flight', ({ inFlight }) => String(inFlight)],
  ['blocked by', ({ blockedBy }) => blockedBy ?? ''],
]

/** Numbers to the right, words to the left; the worst is easy to find, since the order stays that of the log. */
function tableOf({ group, state, standingStill, dependencies, partitions }: StatusBody): string {
  const ordered = partitions.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
  const rows = [
    COLUMNS.map(([title]) => title),
    ...ordered.map(partition => COLUMNS.map(([, cell]) => cell(partition))),
  ]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  const lines = rows.map(row =>
    row
      .map((cell, column) => (isWords(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  const sum = ordered.reduce((so, { lagRecords }) => so + (lagRecords ?? 0), 0)
  const down = dependencies
    .filter(({ up }) => !up)
    .map(({ name, error }) => `${name} is down: ${error ?? 'no reason known'}`)
  const says = [
    `group ${group}, ${state}: ${ordered.length} partitions, lag ${sum} records`,
    ...(standingStill === null ? [] : [standingStill]),
    ...down,
  ]
  return `${[...says, '', ...lines].join('\n')}\n`
}

function isWords(column: number): boolean {
  return column === 0 || column === COLUMNS.length - 1
}

/** Not known yet is not 0. */
function text(value: number | null): string {
  return value === null ? '–' : String(value)
}
