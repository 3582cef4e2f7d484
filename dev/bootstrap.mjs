/**
 * The first step of every npm script, on a fresh clone too: installs what package-lock.json asks for
 * where that differs from what is there, then runs the command on the Node of the project (node_modules/.bin/node).
 *
 * The one file in plain JavaScript without dependencies: it runs before anything is installed, on whatever Node the machine has.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const COMMANDS = {
  start: ['dev/start.ts'],
  test: ['dev/check.ts'],
  'test:unit': ['dev/check.ts', '--unit'],
  bench: ['bench/run.ts'],
  'bench:rebalance': ['bench/rebalance.ts'],
  'bench:replicas': ['bench/replicas.ts'],
  'bench:rollout': ['bench/rollout.ts'],
  simulate: ['test/simulation/run.ts'],
  mutants: ['test/mutants/run.ts'],
  'prove:containers': ['dev/ship/prove.ts'],
  sbom: ['dev/ship/sbom.ts'],
}

/** How soon the end of the npm that started us is noticed. */
const PARENT_LOOK_EVERY_MS = 500

/** npm repeats to us the Ctrl-C that the terminal has sent us already; nobody presses it twice within this time. */
const ECHO_WITHIN_MS = 300

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const node = join(bin, 'node')

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** The first difference between what is asked for and what is installed, in words; undefined when there is none. */
function difference() {
  const wanted = readJson(join(root, 'package-lock.json'))
  if (wanted === undefined) throw new Error('package-lock.json cannot be read')
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return 'nothing is installed'
  for (const [path, { version, optional }] of Object.entries(wanted.packages)) {
    if (path === '') continue
    const found = installed.packages[path]
    // Optional packages are those of other platforms, mostly.
    if (found === undefined && optional) continue
    const name = path.replace(/^.*node_modules\//, '')
    if (found === undefined || !existsSync(join(root, path))) return `${name} ${version} is missing`
    if (found.version !== version) return `${name} is ${found.version} instead of ${version}`
  }
  return nodeRuns() ? undefined : 'the Node of the project does not run'
}

function nodeRuns() {
  return spawnSync(node, ['--version'], { stdio: 'ignore' }).status === 0
}

/** Without our own programs: npm must not run on the Node that it is about to replace. */
function machinePath() {
  const entries = (process.env.PATH || '').split(delimiter)
  return entries.filter(entry => resolve(entry) !== bin).join(delimiter)
}

/** Runs to the end; stops when we are stopped. Resolves to the exit code. */
function run(command, args, env, channel = []) {
  return new Promise((done, fail) => {
    // In a session of its own, so that a Ctrl-C in the terminal reaches it once, through us.
    const child = spawn(command, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ['inherit', 'inherit', 'inherit', ...channel],
    })
    const last = {}
    const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map(signal => {
      const forward = () => {
        const now = Date.now()
        const echo = now - (last[signal] || 0) < ECHO_WITHIN_MS
        last[signal] = now
        if (!echo) child.kill(signal)
      }
      process.on(signal, forward)
      return [signal, forward]
    })
    // npm passes a SIGTERM on to its shell, which ends without telling us.
    const parent = process.ppid
    const look = setInterval(() => {
      if (process.env.npm_lifecycle_event && process.ppid !== parent) {
        clearInterval(look)
        child.kill('SIGTERM')
      }
    }, PARENT_LOOK_EVERY_MS)
    child.on('error', fail)
    child.on('exit', (code, signal) => {
      clearInterval(look)
      for (const [name, forward] of handlers) process.off(name, forward)
      done(code === null ? 128 + constants.signals[signal] : code)
    })
  })
}

async function install(why) {
  console.error(`\n==> node_modules is not what package-lock.json asks for (${why}): running npm ci\n`)
  const env = { ...process.env, PATH: machinePath() }
  const code = await run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], env)
  if (code !== 0) return code
  const left = difference()
  if (left === undefined) return 0
  const hint = nodeRuns() ? '' : '. Are install scripts switched off (npm config get ignore-scripts)?'
  console.error(`npm ci ran, but ${left}${hint}`)
  return 1
}

async function main() {
  const [name, ...args] = process.argv.slice(2)
  const command = COMMANDS[name]
  if (command === undefined) {
    console.error(`usage: node dev/bootstrap.mjs ${Object.keys(COMMANDS).join('|')} [arguments]`)
    return 64
  }
  const why = difference()
  const installed = why === undefined ? 0 : await install(why)
  if (installed !== 0) return installed
  const env = { ...process.env, PATH: bin + delimiter + machinePath() }
  // The channel closes when we die without a word (SIGKILL): the commands stop then.
  return run(node, [...command, ...args], env, ['ipc'])
}

process.exitCode = await main()
