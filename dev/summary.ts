/** The last words of a run: what was sent, what became of it, how long it took. */
import type { Account } from './account.ts'
import { counted, type Progress } from './progress.ts'
import type { Sent } from './send.ts'

/** Nearest rank, on exact values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

function duration(ms: number): string {
  if (Number.isNaN(ms)) return '–'
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

export function summary(sent: Sent, found: Account, progress: Progress | undefined): string[] {
  const { events, repeats, bad, records } = sent
  const reasons = [...found.deadLetters].toSorted(([left], [right]) => left.localeCompare(right))
  const letters = reasons.reduce((sum, [, count]) => sum + count, 0)
  const rate = found.durationMs > 0 ? (found.handled / found.durationMs) * 1_000 : 0
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map(share => duration(percentile(found.latenciesMs, share)))
  return [
    `  sent          ${counted(records)} records: ${counted(events.size)} events, ${repeats} repeats, ${bad.size} bad`,
    `  handled       ${counted(found.handled)} of ${counted(events.size)} events, as the tables in Postgres have it`,
    `  duplicates    ${progress === undefined ? 'unknown' : counted(progress.duplicates)}`,
    `  dead letters  ${letters}: ${reasons.map(([reason, count]) => `${reason} ${count}`).join(', ')}`,
    `  rate          ${counted(Math.round(rate))} events/s over ${duration(found.durationMs)}`,
    `  end to end    p50 ${p50}  p95 ${p95}  p99 ${p99}`,
  ]
}
