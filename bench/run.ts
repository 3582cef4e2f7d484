/** `npm run bench`: prints the figures, writes them to bench/README.md, and exits 1 when the engine's cost is not flat. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { type Spread, SteadyEngine, SteadyLedger } from './engine.ts'

const SPREADS: readonly Spread[] = ['a thousand keys', 'one hot key', 'every key distinct']
const UNSETTLED = [100, 100_000] as const
/** What a record may cost more with many unsettled ones in hand than with few: noise and caches, nothing that grows. */
const RATIO_MAX = 1.3
const ROUNDS = 12
const RECORDS_PER_ROUND = 100_000

interface Row {
  readonly what: string
  /** Nanoseconds for a record, by `UNSETTLED`. */
  readonly few: number
  readonly many: number
}

/** The best of several rounds for each, turn by turn, so that a slow moment of the machine meets both. */
function measure(what: string, rounds: readonly [few: () => () => void, many: () => () => void]): Row {
  const best = rounds.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, prepare] of rounds.entries()) {
      const run = prepare()
      const before = process.cpuUsage()
      run()
      const { user, system } = process.cpuUsage(before)
      best[index] = Math.min(best[index] ?? 0, ((user + system) * 1_000) / RECORDS_PER_ROUND)
    }
  }
  const [few = 0, many = 0] = best
  return { what, few, many }
}

function engineRow(spread: Spread): Row {
  const prepare = (unsettled: number) => {
    const engine = new SteadyEngine(spread, unsettled)
    return () => {
      const records = engine.make(RECORDS_PER_ROUND)
      return () => engine.through(records)
    }
  }
  return measure(spread, [prepare(UNSETTLED[0]), prepare(UNSETTLED[1])])
}

function ledgerRow(what: string, reachOf: (unsettled: number) => number): Row {
  const prepare = (unsettled: number) => {
    const ledger = new SteadyLedger(unsettled, reachOf(unsettled))
    return () => () => ledger.through(RECORDS_PER_ROUND)
  }
  return measure(what, [prepare(UNSETTLED[0]), prepare(UNSETTLED[1])])
}

function table(first: string, rows: readonly Row[]): string {
  const [few, many] = UNSETTLED.map(count => count.toLocaleString('en'))
  const lines = rows.map(row => {
    return `| ${row.what} | ${row.few.toFixed(0)} ns | ${row.many.toFixed(0)} ns | ${(row.many / row.few).toFixed(2)} |`
  })
  return [`| ${first} | ${few} unsettled | ${many} unsettled | ratio |`, '|---|---|---|---|', ...lines].join('\n')
}

const engine = SPREADS.map(engineRow)
const ledger = [
  ledgerRow('settled in order', () => 1),
  ledgerRow('settled in any order, over all that is unsettled', unsettled => unsettled),
]

const [cpu] = cpus()
const machine = `${cpu?.model ?? 'an unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}`
const text = `# Benchmarks

Written by \`npm run bench\`; do not edit.

${machine}, ${new Date().toISOString().slice(0, 10)}. CPU time of the whole process (user and system, garbage collection included)
for one record; the best of ${ROUNDS} rounds of ${RECORDS_PER_ROUND.toLocaleString('en')} records, few and many unsettled by turns in one run.

## The engine

From \`fetched\` over \`start\` and \`settled\` to the commit: one partition, 100 records in flight, answers of 100 records, a commit
every 100 decisions. The window and the budget do not bind. What is not in it: decoding, handlers, the network.

${table('ordering keys', engine)}

With *one hot key* a decision is about one record instead of a hundred. The cost is to be flat: a ratio above ${RATIO_MAX} fails the run.

## The ledger alone

Take and settle of one offset.

${table('order', ledger)}
`

console.log(text)
writeFileSync(new URL('README.md', import.meta.url), text)
const steep = engine.filter(({ few, many }) => many / few > RATIO_MAX)
for (const { what } of steep)
  console.error(`the cost of a record is not flat with ${what}: the ratio is above ${RATIO_MAX}`)
process.exitCode = steep.length === 0 ? 0 : 1
