/**
 * `npm run mutants`: plants one bug after the other in copies of the repository, and sees each one found: by the simulation of the
 * whole service within so many seeds, or by a test of the unit tier. Without a bug both must find nothing, or what they find proves
 * nothing. Fails when a bug is found by nobody, and when one does not apply any more.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { onStopRequest } from '../../dev/asked-to-stop.ts'
import { endAll } from './child.ts'
import { Copy } from './copy.ts'
import { type Finding, simulated, tested } from './finding.ts'
import { MUTANTS } from './list.ts'
import { type Mutant, problemOf } from './mutant.ts'
import { type Row, tableOf } from './table.ts'

const SEEDS_MAX = 5_000
/** Side by side; each has a core for itself on a machine of two. */
const WORKERS = 2
const INTERRUPTED_EXIT_CODE = 130
const USAGE = `usage: npm run mutants [-- --list | --only NAME | --seeds N]
  --list       names them, and does nothing else
  --only NAME  those whose name or file has NAME in it, without the run that nothing is planted in
  --seeds N    simulates at most N instead of ${SEEDS_MAX}; 0: asks the tests alone`

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
let stopped = false

/** Works on its list in as many copies as there are workers. */
async function inCopies<T>(list: readonly T[], work: (item: T, copy: Copy) => Promise<void>): Promise<void> {
  const left = [...list]
  const one = async (): Promise<void> => {
    const copy = await Copy.of(root)
    try {
      for (let item = left.shift(); item !== undefined; item = stopped ? undefined : left.shift())
        await work(item, copy)
    } finally {
      await copy.remove()
    }
  }
  await Promise.all(Array.from({ length: Math.min(WORKERS, list.length) }, one))
}

/** What is found though nothing was planted. */
async function unplanted(seedsMax: number): Promise<Finding[]> {
  const half = Math.ceil(seedsMax / 2)
  const findings: Finding[] = []
  const searches = [
    (copy: Copy) => simulated(copy.folder, { from: 1, count: half }),
    (copy: Copy) => simulated(copy.folder, { from: 1 + half, count: seedsMax - half }),
    (copy: Copy) => tested(copy.folder, null),
  ]
  await inCopies(searches, async (search, copy) => {
    const finding = await search(copy)
    if (finding !== null) findings.push(finding)
  })
  return findings
}

async function find({ tests }: Mutant, { folder }: Copy, seedsMax: number): Promise<Finding | null> {
  const early = tests === undefined ? null : await tested(folder, tests)
  return early ?? (await simulated(folder, { from: 1, count: seedsMax })) ?? (await tested(folder, null))
}

async function planted(mutants: readonly Mutant[], seedsMax: number): Promise<Row[]> {
  const rows: Row[] = []
  await inCopies(mutants, async (mutant, copy) => {
    const startMs = performance.now()
    const finding = await copy.with(mutant, () => find(mutant, copy, seedsMax))
    if (stopped) return
    rows.push({ mutant, finding })
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1)
    const said = finding === null ? 'NOT FOUND' : `${finding.by}: ${finding.message.split('\n')[0]?.slice(0, 200)}`
    console.log(`${rows.length}/${mutants.length} (${seconds} s) ${mutant.name}\n    ${said}`)
  })
  return rows
}

async function problemsOf(mutants: readonly Mutant[]): Promise<string[]> {
  const problems = await Promise.all(
    mutants.map(async mutant => {
      const problem = problemOf(mutant, await readFile(join(root, mutant.file), 'utf8'))
      return problem === null ? [] : [`${mutant.name}: ${problem}`]
    }),
  )
  return problems.flat()
}

async function run(
  mutants: readonly Mutant[],
  { seedsMax, isPart }: { seedsMax: number; isPart: boolean },
): Promise<number> {
  const problems = await problemsOf(mutants)
  for (const problem of problems) console.log(`does not apply: ${problem}`)
  if (problems.length > 0) return 1
  const findings = isPart ? [] : await unplanted(seedsMax)
  if (!isPart && !stopped)
    console.log(`nothing planted: ${findings.length === 0 ? 'nothing found, as it must be' : 'FAILED'}`)
  for (const { by, message, seeds } of findings) console.log(`  ${by} (${seeds ?? 'no'} seeds): ${message}`)
  if (findings.length > 0 && !stopped) return 1
  const rows = stopped ? [] : await planted(mutants, seedsMax)
  console.log(`\n${tableOf(rows)}\n`)
  const missed = rows.filter(({ finding }) => finding === null)
  for (const { mutant } of missed) console.log(`nothing finds it: ${mutant.name} (${mutant.file})`)
  console.log(`${rows.length - missed.length} of ${mutants.length} found`)
  return rows.length === mutants.length && missed.length === 0 ? 0 : 1
}

function asked(): { list?: boolean; only?: string; seeds?: string } | null {
  try {
    return parseArgs({ options: { list: { type: 'boolean' }, only: { type: 'string' }, seeds: { type: 'string' } } })
      .values
  } catch {
    return null
  }
}

async function main(): Promise<number> {
  const values = asked()
  const seedsMax = Number(values?.seeds ?? SEEDS_MAX)
  if (values === null || !Number.isSafeInteger(seedsMax) || seedsMax < 0) {
    console.error(USAGE)
    return 64
  }
  const { only } = values
  const mutants = MUTANTS.filter(({ name, file }) => only === undefined || name.includes(only) || file.includes(only))
  if (values.list === true) {
    for (const { file, name } of mutants) console.log(`${file}: ${name}`)
    return 0
  }
  if (mutants.length === 0) {
    console.error(`no planted bug is called ${only}`)
    return 64
  }
  onStopRequest(() => {
    stopped = true
    endAll()
  })
  const code = await run(mutants, { seedsMax, isPart: only !== undefined })
  return stopped ? INTERRUPTED_EXIT_CODE : code
}

process.exitCode = await main()
