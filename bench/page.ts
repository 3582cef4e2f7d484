/** The page of figures that a bench writes beside itself: printed as it grows, kept only where no fault was found. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { findParts } from '../dev/stack/find.ts'
import { KAFKA_VERSION } from '../dev/stack/maven.ts'
import type { RunningParts } from '../dev/stack/parts.ts'

export interface Page {
  readonly say: (text: string) => void
  readonly table: (head: readonly string[], rows: readonly (readonly string[])[]) => void
}

/** `name`: of the npm script `bench:name` and of the page `name.md`. `fill` answers what is wrong, in sentences; then the exit code is 1. */
export async function writePage(
  { name, title }: { name: string; title: string },
  fill: (page: Page, parts: RunningParts) => Promise<readonly string[]>,
): Promise<void> {
  const said = [`# ${title}`, `Written by \`npm run bench:${name}\`; do not edit.`]
  const say = (text: string): void => {
    said.push(text)
    console.log(`${text}\n`)
  }
  const table: Page['table'] = (head, rows) =>
    say([head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n'))
  const beganMs = performance.now()
  const parts = await findParts({ say: line => console.error(line) })
  let faults: readonly string[]
  try {
    faults = await fill({ say, table }, parts)
  } finally {
    await parts.stop()
  }
  console.log(`${((performance.now() - beganMs) / 1_000).toFixed(0)} s in all.`)
  for (const fault of faults) console.error(fault)
  if (faults.length === 0) writeFileSync(new URL(`${name}.md`, import.meta.url), `${said.join('\n\n')}\n`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

/** One line: what the figures were taken on, and when. `sharing`: who works on the same processors. */
export function machineLine(parts: RunningParts, { sharing = '', also = '' } = {}): string {
  const [cpu] = cpus()
  const kafka = parts.way === 'external' ? `Kafka at ${parts.brokers.join(', ')}` : `Kafka ${KAFKA_VERSION}`
  const words = [
    cpu?.model ?? 'an unknown processor',
    `${cpus().length} cores${sharing === '' ? '' : ` (${sharing} share them)`}`,
    `Node ${process.versions.node}`,
    kafka,
    also,
    new Date().toISOString().slice(0, 10),
  ]
  return `${words.filter(word => word !== '').join(', ')}.`
}
