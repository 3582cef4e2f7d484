/** Plain text for a terminal: tables, lists and lengths of time, 120 columns wide. */
import type { TopicPartition } from '../core/record.ts'

const WIDTH = 120
const PLACES_MAX = 8

export interface Column<Row> {
  readonly title: string
  /** Numbers go to the right, words to the left. */
  readonly isWords?: boolean
  readonly cell: (row: Row) => string
}

/** Lines, the titles first. A table is as wide as its cells are: nothing is cut off, since it may be what was looked for. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map(row => columns.map(({ cell }) => cell(row)))]
  const widths = columns.map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  return cells.map(row =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return columns[column]?.isWords === true ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Words over lines that end before column 120; `indent` is where they begin, but for the first one, which others have begun. */
export function wrapped(text: string, indent = 0): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && indent + longer.length > WIDTH) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line].map((each, index) => (index === 0 ? each : `${' '.repeat(indent)}${each}`))
}

/** A sentence of many partitions stands once: `orders/0, 1, 4: no commit`. */
export function notesOf(notes: readonly (TopicPartition & { readonly note: string })[]): string[] {
  const same = Map.groupBy(notes, ({ topic, note }) => JSON.stringify([topic, note]))
  return [...same.values()].flatMap(of => {
    const [first] = of
    if (first === undefined) return []
    const named = of.slice(0, PLACES_MAX).map(({ partition }) => partition)
    const more = of.length > named.length ? ` and ${of.length - named.length} more` : ''
    return wrapped(`${first.topic}/${named.join(', ')}${more}: ${first.note}`, 2)
  })
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const

/** Its largest unit, and the next one below it: `45 s`, `12 min`, `3 h 20 min`. */
export function lengthOf(seconds: number): string {
  const at = UNITS.findIndex(([, unit]) => seconds >= unit)
  const [name, unit] = UNITS[at] ?? ['s', 1]
  if (unit === 1) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`
  const [below, smaller] = UNITS[at + 1] ?? ['s', 1]
  const rest = Math.floor((seconds % unit) / smaller)
  return unit === 60 || rest === 0
    ? `${Math.floor(seconds / unit)} ${name}`
    : `${Math.floor(seconds / unit)} ${name} ${rest} ${below}`
}

/** `1 record`, `2 records`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
