/** What the image loads first: as process 1 a program without it would not even notice a signal that comes before it listens. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, onTestFinished, test } from 'vitest'

const first = fileURLToPath(new URL('../../dev/ship/process-one.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-process-one-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs a program until it says that it is up, sends the signal, and resolves to how it ended. */
async function ending(name: string, program: string, signal: 'SIGTERM' | 'SIGINT'): Promise<unknown> {
  const file = join(folder, name)
  writeFileSync(file, `${program}\nsetInterval(() => {}, 60_000)\nconsole.log('up')\n`)
  const child = spawn(process.execPath, ['--import', first, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  // One that does not end has failed its test, and must not outlive it.
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const ended = once(child, 'exit')
  child.kill(signal)
  const [code, by] = await ended
  return by ?? code
}

test.each(['SIGTERM', 'SIGINT'] as const)('a service that does not listen yet ends with 0 at %s', async signal => {
  expect(await ending('main.js', '', signal)).toBe(0)
})

test('a command that is ended has failed', async () => {
  expect(await ending('cli.js', '', 'SIGTERM')).toBe(143)
  expect(await ending('cli.js', '', 'SIGINT')).toBe(130)
})

test('whoever listens decides', async () => {
  const program = `process.on('SIGTERM', () => process.stdout.write('', () => process.exit(7)))`
  expect(await ending('main.js', program, 'SIGTERM')).toBe(7)
})
