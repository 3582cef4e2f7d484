/** What became of each planted bug, as a table in Markdown. */
import type { Finding } from './finding.ts'
import type { Mutant } from './mutant.ts'

export interface Row {
  readonly mutant: Mutant
  /** Null: nothing found it. */
  readonly finding: Finding | null
}

export function tableOf(rows: readonly Row[]): string {
  const sorted = rows.toSorted((one, other) => compare(one.mutant.file, other.mutant.file))
  const cells = [
    ['file', 'bug', 'found by', 'seeds'],
    ...sorted.map(({ mutant: { file, name }, finding }) => [
      file.replace('src/', ''),
      name,
      finding?.by ?? 'NOTHING',
      finding?.seeds === null || finding?.seeds === undefined ? '' : String(finding.seeds),
    ]),
  ]
  const widths = [0, 1, 2, 3].map(column => Math.max(...cells.map(row => row[column]?.length ?? 0)))
  const [head = '', ...body] = cells.map(
    row => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  )
  return [head, `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n')
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
