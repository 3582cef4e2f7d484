/** Whether the simulation or the tests find something wrong in a copy of the repository. */
import { readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { type Ending, watch } from './child.ts'

export interface Finding {
  /** An invariant, or the file of a test. */
  readonly by: string
  readonly message: string
  /** How many were simulated, the one that found it included; null where a test did. */
  readonly seeds: number | null
}

export interface Seeds {
  readonly from: number
  readonly count: number
}

/** A seed takes a twentieth of a second; one that never rests is ended by the simulation itself, within seconds. */
const SEED_MS_MAX = 60_000
/** The longest test of the unit tier takes a few seconds, many times as long on a busy machine. */
const TESTS_SILENT_MS_MAX = 300_000

/** What import what may be patched. */
const UNIT_TIER = ['test/core', 'test/consumer', 'test/contracts', 'test/simulation', 'test/adapters', 'test/readme']
const VITEST = [
  'run',
  '--project=unit',
  '--bail=1',
  '--maxWorkers=1',
  '--cache=false',
  '--reporter=json',
  '--reporter=dot',
]
/** Sees every patch; simulates, as is done here before. */
const NOT_ASKED = ['test/simulation/mutants-apply.test.ts', 'test/simulation/service.test.ts']

export async function simulated(folder: string, { from, count }: Seeds): Promise<Finding | null> {
  let last = from
  let finding: Finding | null = null
  const ending = await watch({
    args: ['test/mutants/search.ts', String(from), String(count)],
    cwd: folder,
    silenceMsMax: SEED_MS_MAX,
    onLine: line => {
      const { seed, violation } = said(line)
      last = seed ?? last
      if (violation !== undefined)
        finding = { by: violation.invariant, message: `seed ${last}: ${violation.message}`, seeds: last - from + 1 }
    },
  })
  return finding ?? brokenOff(ending, { what: `the simulation of seed ${last}`, seeds: last - from + 1 })
}

interface Said {
  readonly seed?: number
  readonly violation?: { readonly invariant: string; readonly message: string }
}

function said(line: string): Said {
  try {
    // Boundary: search.ts writes it.
    return JSON.parse(line) as Said
  } catch {
    return {}
  }
}

/** `files` null: all of the unit tier that could see anything. */
export async function tested(folder: string, files: readonly string[] | null): Promise<Finding | null> {
  const report = join(folder, 'report.json')
  await rm(report, { force: true })
  const ending = await watch({
    args: [
      'node_modules/vitest/vitest.mjs',
      ...VITEST,
      `--outputFile.json=${report}`,
      ...NOT_ASKED.flatMap(file => ['--exclude', file]),
      ...(files ?? UNIT_TIER),
    ],
    cwd: folder,
    silenceMsMax: TESTS_SILENT_MS_MAX,
  })
  const failed = await firstFailed(report, folder)
  return failed ?? brokenOff(ending, { what: 'the tests', seeds: null })
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

async function firstFailed(report: string, folder: string): Promise<Finding | null> {
  const text = await readFile(report, 'utf8').catch(() => null)
  if (text === null) return null
  // Boundary: vitest's documented JSON report.
  const { testResults } = JSON.parse(text) as Report
  for (const { name, status, message, assertionResults } of testResults) {
    if (status !== 'failed') continue
    const failed = assertionResults.find(({ status }) => status === 'failed')
    return { by: relative(folder, name), message: failed?.fullName ?? message ?? '', seeds: null }
  }
  return null
}

/** A process that hangs or crashes has found something too. */
function brokenOff(ending: Ending, { what, seeds }: { what: string; seeds: number | null }): Finding | null {
  switch (ending.kind) {
    case 'hung':
      return { by: 'a hang', message: `${what} does not end`, seeds }
    case 'exited':
      if (ending.code === 0) return null
      return { by: 'a crash', message: `${what} ends with code ${ending.code}: ${errorIn(ending.lastWords)}`, seeds }
    default:
      return ending satisfies never
  }
}

function errorIn(words: string): string {
  const lines = words.split('\n').filter(line => line.trim() !== '')
  return lines.findLast(line => /Error|error:/.test(line)) ?? lines.at(-1) ?? 'it says nothing'
}
