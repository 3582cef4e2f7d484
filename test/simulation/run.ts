/**
 * The simulation from the command line.
 *
 *   node test/simulation/run.ts --seeds 50000 [--from 1] [--workers 2] [--first] [--json]
 *   node test/simulation/run.ts --seed 27 --trace
 *
 * `--first` stops each worker at its first failure, `--hashes` prints one line a seed. Exit code 1 when an invariant broke, or when the batch
 * proves nothing because something never happened in it.
 */
import { parseArgs } from 'node:util'
import { neverHappened, runSeeds, type Summary } from './service/batch.ts'
import { runBatch } from './service/crew.ts'
import { simulate } from './service/simulate.ts'
import { COUNTED } from './service/vocabulary.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    first: { type: 'boolean', default: false },
    hashes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

/** So few runs may well have missed something. */
const RUNS_THAT_PROVE = 300

/** More failures than anybody reads. */
const PRINTED_MAX = 5

if (values.seed !== undefined) await runOne(Number(values.seed), values.trace)
else if (values.hashes) await printHashes()
else await runMany()

async function runOne(seed: number, trace: boolean): Promise<void> {
  const { hash, events, counts, violation, scenario, trace: lines } = await simulate(seed, { trace })
  if (lines !== null) console.log(lines.join('\n'))
  console.log({ seed, hash, events, counts, violation, setting: scenario.setting })
  if (violation !== null) process.exitCode = 1
}

async function printHashes(): Promise<void> {
  const seeds = { from: Number(values.from), count: Number(values.seeds), step: 1 }
  await runSeeds(seeds, { onRun: ({ seed, hash }) => console.log(`${seed} ${hash}`) })
}

async function runMany(): Promise<void> {
  const startedAtMs = performance.now()
  const batch = { from: Number(values.from), count: Number(values.seeds), workers: Number(values.workers) }
  const summary = await runBatch({ ...batch, stopAtFirst: values.first })
  const missing = summary.runs < RUNS_THAT_PROVE ? [] : neverHappened(summary)
  if (values.json) console.log(JSON.stringify(summary))
  else print(summary, performance.now() - startedAtMs)
  if (missing.length > 0) console.log(`this batch proves nothing: there were no ${missing.join(', no ')}`)
  if (summary.failed.length > 0 || missing.length > 0) process.exitCode = 1
}

function print({ runs, events, counts, runsWith, hash, failed }: Summary, durationMs: number): void {
  for (const { seed, invariant, message, lastLines } of failed.slice(0, PRINTED_MAX)) {
    console.log(`${lastLines.join('\n')}\n\nseed ${seed} broke ${invariant}: ${message}`)
    console.log(`  node test/simulation/run.ts --seed ${seed} --trace\n`)
  }
  console.log(`${'what happened'.padEnd(24)}${'times'.padStart(12)}${'runs with it'.padStart(14)}`)
  for (const name of COUNTED) {
    console.log(`${name.padEnd(24)}${String(counts[name]).padStart(12)}${String(runsWith[name]).padStart(14)}`)
  }
  const perRun = `${(durationMs / runs).toFixed(1)} ms and ${Math.round(events / runs)} events a run`
  console.log(`${runs} runs in ${(durationMs / 1_000).toFixed(1)} s, ${perRun}; all traces: ${hash.toString(16)}`)
  for (const [invariant, all] of Map.groupBy(failed, ({ invariant }) => invariant)) {
    console.log(
      `${invariant}: broken in ${all.length} runs: ${all
        .slice(0, 10)
        .map(({ seed }) => seed)
        .join(' ')}`,
    )
  }
  if (failed.length === 0) console.log('every invariant held')
}
