/**
 * The starter of the local parts may be killed at any moment: `npm start` interrupted twice, a test run that is cancelled, a
 * laptop out of memory. Whatever it has started must end, with its children and its temporary folder.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

import { until } from '../support/parts.ts'

const STARTER = fileURLToPath(new URL('../support/starter.ts', import.meta.url))

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie answers signals, and is no process any more.
    return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  } catch {
    return false
  }
}

async function started(): Promise<{ starter: ChildProcessWithoutNullStreams; pids: number[]; folder: string }> {
  const starter = spawn(process.execPath, [STARTER])
  const [line] = await once(createInterface({ input: starter.stdout }), 'line')
  const { pid, folder } = JSON.parse(String(line))
  await until('the program is up', () => existsSync(join(folder, 'ready')))
  return { starter, folder, pids: [pid, Number(readFileSync(join(folder, 'child.pid'), 'utf8'))] }
}

async function gone({ pids, folder }: { pids: number[]; folder: string }): Promise<void> {
  await until('the program and its child have ended', () => !pids.some(runs), { timeoutMs: 10_000 })
  await until('the folder is gone', () => !existsSync(folder), { timeoutMs: 10_000 })
}

test('a starter that is killed outright leaves no process and no folder', async () => {
  const { starter, ...what } = await started()
  expect(what.pids.every(runs)).toBe(true)
  starter.kill('SIGKILL')
  await gone(what)
})

test('a starter that stops in order has stopped everything when it ends', async () => {
  const { starter, ...what } = await started()
  starter.stdin.write('stop\n')
  await once(starter, 'exit')
  expect(what.pids.filter(runs)).toEqual([])
  expect(existsSync(what.folder)).toBe(false)
})
