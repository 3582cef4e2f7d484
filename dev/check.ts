/**
 * `npm test`: everything that must hold, in steps with a short word each. A step that fails does not stop the others. The last
 * line is `N passed, N failed`: the tests of every tier, and the other steps as one each. A skipped test counts as failed, and so
 * does a tier in which nothing ran. `--unit`: the unit tier alone.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { onStopRequest } from './asked-to-stop.ts'
import { build } from './build.ts'
import { runShown, stopShown } from './shown.ts'
import { type Counts, countsOf } from './vitest-report.ts'

const INTERRUPTED_EXIT_CODE = 130

interface Step {
  name: string
  run: () => Promise<Counts>
}

const PASSED: Counts = { passed: 1, failed: 0 }
const FAILED: Counts = { passed: 0, failed: 1 }

function command(program: string, args: string[]): () => Promise<Counts> {
  return async () => ((await runShown(program, args)) === 0 ? PASSED : FAILED)
}

/** The same files with the same text, or the types in the repository are not those of the schemas. */
async function generatedIsCurrent(scratch: string): Promise<Counts> {
  const fresh = join(scratch, 'generated')
  if ((await runShown('node', ['src/cli.ts', 'types', 'schemas', '--out', fresh])) !== 0) return FAILED
  const same = (await runShown('diff', ['-r', fresh, join('src', 'generated')])) === 0
  if (!same) console.log('src/generated is not what schemas/ gives: npm run generate')
  return same ? PASSED : FAILED
}

async function tier(project: string, scratch: string): Promise<Counts> {
  const report = join(scratch, `${project}.json`)
  const code = await runShown('vitest', [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  const counts = await countsOf(report)
  if (counts.passed + counts.failed === 0) {
    console.log(`no test of the tier ${project} ran`)
    return FAILED
  }
  // Errors outside of tests (an unhandled rejection, a setup that fails) fail the run and no test.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

async function built(): Promise<Counts> {
  try {
    await build({ always: true })
    return PASSED
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error))
    return FAILED
  }
}

function steps(unitOnly: boolean, scratch: string): Step[] {
  const unit = { name: 'unit tests', run: () => tier('unit', scratch) }
  if (unitOnly) return [unit]
  return [
    { name: 'types generated from the schemas are current', run: () => generatedIsCurrent(scratch) },
    { name: 'types', run: command('tsc', ['--noEmit']) },
    { name: 'lint', run: command('oxlint', []) },
    { name: 'format', run: command('biome', ['check']) },
    { name: 'build', run: built },
    unit,
    { name: 'integration tests on real Kafka, registry and Postgres', run: () => tier('integration', scratch) },
  ]
}

async function main(): Promise<number> {
  const [option, ...rest] = process.argv.slice(2)
  if (rest.length > 0 || (option !== undefined && option !== '--unit')) {
    console.error('usage: npm test, or npm run test:unit')
    return 64
  }
  let stopped = false
  onStopRequest((_, times) => {
    stopped = true
    stopShown(times > 1 ? 'SIGKILL' : 'SIGTERM')
  })
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-check-'))
  const total: Counts = { passed: 0, failed: 0 }
  const failures: string[] = []
  try {
    for (const { name, run } of steps(option === '--unit', scratch)) {
      if (stopped) break
      console.log(`\n── ${name}`)
      const startMs = performance.now()
      const { passed, failed } = await run()
      total.passed += passed
      total.failed += failed
      if (failed > 0) failures.push(name)
      console.log(`── ${failed === 0 ? 'ok' : 'FAILED'} (${((performance.now() - startMs) / 1_000).toFixed(1)} s)`)
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  if (failures.length > 0) console.log(`\nfailed: ${failures.join(', ')}`)
  if (stopped) console.log('\nstopped before the end')
  console.log(`\n${total.passed} passed, ${total.failed} failed`)
  if (stopped) return INTERRUPTED_EXIT_CODE
  return total.failed > 0 || total.passed === 0 ? 1 : 0
}

process.exitCode = await main()
