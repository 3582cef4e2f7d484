/** How many tests passed, from vitest's JSON report. */
import { readFile } from 'node:fs/promises'

export interface Counts {
  passed: number
  failed: number
}

interface Report {
  testResults: {
    name: string
    status: string
    message?: string
    assertionResults: { status: string; fullName: string }[]
  }[]
}

/** Whatever did not pass counts as failed, skipped and todo included; a file in which nothing could run counts as one. */
export async function countsOf(file: string): Promise<Counts> {
  const text = await readFile(file, 'utf8').catch(() => '')
  if (text === '') return { passed: 0, failed: 0 }
  // Boundary: vitest's documented JSON report.
  const { testResults } = JSON.parse(text) as Report
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  const passed = tests.filter(({ status }) => status === 'passed').length
  const unseen = tests.filter(({ status }) => status !== 'passed' && status !== 'failed')
  for (const { fullName, status } of unseen) console.log(`did not run (${status}), which counts as failed: ${fullName}`)
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every(one => one.status === 'passed'),
  )
  return { passed, failed: tests.length - passed + broken.length }
}
