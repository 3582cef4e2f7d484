/** Many runs, one after the other: what they saw together, and which of them broke something. */
import { type Simulated, simulate } from './simulate.ts'
import { COUNTED, type Counted, type Counts, type Invariant, noCounts } from './vocabulary.ts'

/** `step`: how many workers share the seeds. */
export interface Seeds {
  readonly from: number
  readonly count: number
  readonly step: number
}

export interface Failed {
  readonly seed: number
  readonly invariant: Invariant
  readonly message: string
  readonly lastLines: readonly string[]
}

export interface Summary {
  readonly runs: number
  readonly events: number
  /** How often each thing happened, and in how many runs. */
  readonly counts: Counts
  readonly runsWith: Counts
  /** Of all traces, whoever ran which seed: the same seeds give the same number. */
  readonly hash: number
  readonly failed: readonly Failed[]
}

/** In a trace that is printed. */
const LAST_LINES = 40

/** What every run has, and what not every batch needs to meet. */
const GOES_WITHOUT_SAYING = new Set<Counted>(['records', 'effects', 'handled', 'missed by retention'])

/** What a batch that says something must have seen. */
const MUST_HAVE_HAPPENED = COUNTED.filter(name => !GOES_WITHOUT_SAYING.has(name))

export interface Listening {
  readonly stopAtFirst?: boolean
  readonly onSeed?: (seed: number) => void
  readonly onRun?: (one: Simulated) => void
}

export async function runSeeds({ from, count, step }: Seeds, listening: Listening = {}): Promise<Summary> {
  const summary = { runs: 0, events: 0, counts: noCounts(), runsWith: noCounts(), hash: 0, failed: [] as Failed[] }
  for (let each = 0; each < count; each++) {
    const seed = from + each * step
    listening.onSeed?.(seed)
    const one = await simulate(seed)
    listening.onRun?.(one)
    summary.runs++
    summary.events += one.events
    summary.hash = addHash(summary.hash, Number.parseInt(one.hash.slice(3), 16))
    for (const name of COUNTED) {
      summary.counts[name] += one.counts[name]
      if (one.counts[name] > 0) summary.runsWith[name]++
    }
    if (one.violation === null) continue
    summary.failed.push({ seed, ...one.violation, lastLines: await lastLinesOf(seed) })
    if (listening.stopAtFirst === true) break
  }
  return summary
}

/** Of a thread that could say nothing itself. */
export function summaryOf(seed: number, why: string): Summary {
  const failed: Failed[] = [{ seed, invariant: 'calm-settles-everything', message: why, lastLines: [] }]
  return { runs: 1, events: 0, counts: noCounts(), runsWith: noCounts(), hash: 0, failed }
}

export function together(parts: readonly Summary[]): Summary {
  const sumOf = (countsOf: (part: Summary) => Counts): Counts => {
    const sum = noCounts()
    for (const part of parts) for (const name of COUNTED) sum[name] += countsOf(part)[name]
    return sum
  }
  return {
    runs: parts.reduce((sum, { runs }) => sum + runs, 0),
    events: parts.reduce((sum, { events }) => sum + events, 0),
    counts: sumOf(({ counts }) => counts),
    runsWith: sumOf(({ runsWith }) => runsWith),
    hash: parts.reduce((sum, { hash }) => addHash(sum, hash), 0),
    failed: parts.flatMap(({ failed }) => failed).toSorted((one, other) => one.seed - other.seed),
  }
}

/** What never happened in a batch that is to prove something. */
export function neverHappened({ counts }: Summary): readonly Counted[] {
  return MUST_HAVE_HAPPENED.filter(name => counts[name] === 0)
}

async function lastLinesOf(seed: number): Promise<readonly string[]> {
  const { trace } = await simulate(seed, { trace: true })
  const end = trace?.findIndex(line => / {2}! /.test(line)) ?? -1
  return (trace ?? []).slice(Math.max(0, end + 1 - LAST_LINES), end + 1)
}

/** Whatever the order. */
function addHash(one: number, other: number): number {
  return (one + other) % 2 ** 52
}
