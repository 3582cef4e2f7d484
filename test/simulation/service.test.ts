/**
 * Whole consumers, several of them, on a broker, a database and a registry in memory, through crashes, freezes, outages and lost
 * answers that the seed draws: nothing is lost, nothing happens twice, nothing is out of order, whatever comes.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { neverHappened } from './service/batch.ts'
import { runBatch } from './service/crew.ts'
import { simulate } from './service/simulate.ts'

const SEEDS = 5_000
const CORES = 2

test(`${SEEDS} seeds keep every invariant, and have seen everything that goes wrong`, {
  timeout: 600_000,
}, async () => {
  const summary = await runBatch({ from: 1, count: SEEDS, workers: CORES })
  expect(
    summary.failed.map(({ seed, invariant, message, lastLines }) => [seed, invariant, message, ...lastLines]),
  ).toEqual([])
  expect(summary.runs).toBe(SEEDS)
  expect(neverHappened(summary)).toEqual([])
})

test('the same seed gives the same trace, again and in another process', { timeout: 120_000 }, async () => {
  const seeds = Array.from({ length: 25 }, (_, index) => 90_001 + index)
  const hashes = []
  for (const seed of seeds) hashes.push(`${seed} ${(await simulate(seed)).hash}`)
  const again = []
  for (const seed of seeds.toReversed()) again.unshift(`${seed} ${(await simulate(seed, { trace: true })).hash}`)
  expect(again).toEqual(hashes)
  const runner = fileURLToPath(new URL('run.ts', import.meta.url))
  const options = ['--hashes', '--from', String(seeds[0]), '--seeds', String(seeds.length)]
  const { stdout } = await promisify(execFile)(process.execPath, [runner, ...options])
  expect(stdout.trim().split('\n')).toEqual(hashes)
  expect(new Set(hashes.map(line => line.split(' ')[1])).size).toBe(seeds.length)
})
