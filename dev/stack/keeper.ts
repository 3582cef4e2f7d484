/**
 * The keeper: a small process that stands between the starter and one part (a broker, a registry, a database, the service).
 *
 * It learns what to run from the first line of its stdin and stops it when that pipe closes. A pipe closes however its other
 * end dies, SIGKILL included, so a crashed starter leaves no process and no temporary folder behind. For the same reason the
 * keeper itself makes the folder: there is no moment in which one exists that nobody would remove.
 *
 * It runs in a session of its own and ignores the signals of a terminal: Ctrl-C is the starter's to answer.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chown, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Errand, Order, Report, Step } from './errand.ts'

let errand: Errand | undefined
let folder: string | undefined
let keepFolder = false
let running: { child: ChildProcess; ended: Promise<void> } | undefined
let closing = false

function report(line: Report): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** A process group ends as a whole: a part may have started others. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // ESRCH: the whole group has ended already, which is what was wanted.
  }
}

async function launch(
  step: Step,
  cwd: string,
  logFile: string,
): Promise<{ code: number | null; signal: string | null }> {
  const log = await open(logFile, 'a')
  try {
    if (closing) return { code: null, signal: null }
    const child = spawn(step.command, step.args, {
      cwd,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...step.env },
      ...(errand?.runAs === undefined ? {} : { uid: errand.runAs.uid, gid: errand.runAs.gid }),
    })
    const outcome = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
    running = {
      child,
      ended: outcome.then(
        () => undefined,
        () => undefined,
      ),
    }
    if (step === errand?.main && child.pid !== undefined) report({ kind: 'started', pid: child.pid, folder: cwd })
    const result = await outcome
    signalGroup(child, 'SIGKILL')
    return result
  } finally {
    running = undefined
    await log.close()
  }
}

async function run(given: Errand): Promise<void> {
  const cwd = given.folder ?? (await mkdtemp(join(given.folderBase, `sluice-${given.name}-`)))
  folder = cwd
  if (given.folder !== undefined) keepFolder = true
  for (const [name, text] of Object.entries(given.files)) await writeFile(join(cwd, name), text, { mode: 0o600 })
  if (given.runAs !== undefined) {
    for (const path of [cwd, ...Object.keys(given.files).map(name => join(cwd, name))]) {
      await chown(path, given.runAs.uid, given.runAs.gid)
    }
  }
  const logFile = join(cwd, 'output.log')
  for (const step of given.before) {
    const { code, signal } = await launch(step, cwd, logFile)
    if (closing) return
    if (code !== 0) {
      report({ kind: 'failed', reason: `${step.command} ended with ${signal ?? code}`, folder: cwd })
      return
    }
  }
  const ended = await launch(given.main, cwd, logFile)
  report({ kind: 'ended', ...ended })
}

async function close(graceMs: number): Promise<void> {
  if (closing) return
  closing = true
  const current = running
  if (current !== undefined) {
    const patience = setTimeout(() => signalGroup(current.child, 'SIGKILL'), graceMs)
    current.child.kill(errand?.stopSignal ?? 'SIGTERM')
    await current.ended
    clearTimeout(patience)
    signalGroup(current.child, 'SIGKILL')
  }
  if (folder !== undefined && !keepFolder)
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  process.exit(0)
}

function obey(line: string): void {
  // Boundary: as below.
  const order = line as Order
  switch (order) {
    case 'keep-folder':
      keepFolder = true
      break
    case 'stop':
      void close(errand?.graceMs ?? 0)
      break
    default:
      order satisfies never
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// The starter may be gone when there is something to report; cleaning up goes on.
process.stdout.on('error', () => undefined)

const lines = createInterface({ input: process.stdin })
lines.on('line', line => {
  if (errand !== undefined) return obey(line)
  // Boundary: the starter's side (keep.ts) writes exactly this type; both ends are of one checkout.
  errand = JSON.parse(line) as Errand
  run(errand).catch((error: unknown) => {
    report({ kind: 'failed', reason: String(error), folder })
  })
})
lines.on('close', () => void close(errand?.orphanGraceMs ?? 0))
