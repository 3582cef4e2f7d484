/** What is true of the image itself: what goes into it, what is in it, and how it behaves as a single container. */
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { filesIn, PLANTED } from './copy.ts'
import { type Docker, until } from './docker.ts'
import type { Facts } from './facts.ts'
import { billOfMaterials } from './sbom.ts'

export interface Proving {
  readonly docker: Docker
  readonly facts: Facts
  /** A copy of the checkout. */
  readonly checkout: string
  /** An empty folder. */
  readonly scratch: string
  /** In the names of everything that Docker keeps. */
  readonly run: string
}

/** On every container that is started here and not by compose. */
export const labelOf = (run: string): string => `sluice.prove=${run}`
export const imageOf = (run: string): string => `sluice:prove-${run}`

const SIZE_BYTES_MAX = 250e6
/** Beside the 60 % stands the young generation: three semi-spaces, at most 16 MiB each on a 64-bit machine. */
const YOUNG_BYTES_MAX = 48 * 2 ** 20
const MEMORY_BYTES = 512 * 2 ** 20
const HEALTHY_WITHIN_MS = 60_000
const EXIT = { configuration: 78, noSuchProgram: 127 } as const

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`

/** What there is too much of, as far as a line has room for it. */
const few = (names: readonly string[]): string =>
  `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`

export async function proveImage(proving: Proving): Promise<void> {
  proving.facts.chapter('The image')
  await proveContext(proving)
  await proveBuilds(proving)
  await proveContents(proving)
  await proveProcess(proving)
  await proveHealth(proving)
}

async function proveContext({ docker, facts, checkout, scratch }: Proving): Promise<void> {
  const input = 'FROM scratch\nCOPY . /\n'
  await docker.must(['build', '--quiet', '--file', '-', '--output', `type=local,dest=${scratch}`, checkout], { input })
  const sent = await filesIn(scratch)
  const leaked = PLANTED.filter(name => sent.includes(name))
  facts.add('planted secrets are not sent to Docker', few(leaked) || `${PLANTED.length} stay out`, leaked.length === 0)
  facts.add(
    'the sources are',
    `${sent.length} files`,
    sent.includes('src/main.ts') && sent.includes('package-lock.json'),
  )
}

interface Step {
  readonly name: string
  readonly isCached: boolean
}

/** Of a build's log: `#9 [production 1/1] RUN … npm ci …` names a step, `#9 CACHED` says that it was not run. */
function stepsOf(log: string): readonly Step[] {
  const cached = new Set([...log.matchAll(/^#(\d+) CACHED$/gm)].map(([, number]) => number))
  const named = [...log.matchAll(/^#(\d+) (\[.+)$/gm)]
  return named.map(([, number, name = '']) => ({ name, isCached: cached.has(number) }))
}

async function proveBuilds({ docker, facts, checkout, run }: Proving): Promise<void> {
  const check = await docker.run(['build', '--check', checkout])
  const isOld = /unknown flag/.test(check.err)
  if (isOld) facts.unknown('docker build --check finds nothing', 'this Docker does not have it')
  else facts.add('docker build --check finds nothing', (check.out.split('\n').at(-1) ?? '').trim(), check.code === 0)

  // Boundary: npm refuses a package.json without a version.
  const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as { version: string }
  const args = ['--build-arg', `VERSION=${version}`, '--build-arg', 'REVISION=proof', '--tag', imageOf(run), checkout]
  const build = async () => {
    const startedMs = performance.now()
    const { code, err } = await docker.run(['build', '--progress=plain', ...args])
    if (code !== 0) throw new Error(`the image cannot be built:\n${err.split('\n').slice(-30).join('\n')}`)
    return { steps: stepsOf(err), seconds: (performance.now() - startedMs) / 1_000 }
  }
  const first = await build()
  facts.add('it builds', `${first.seconds.toFixed(1)} s`, true)
  await appendFile(join(checkout, 'src', 'main.ts'), `// A change of source: ${run}.\n`)
  const second = await build()
  const installs = second.steps.filter(({ name }) => name.includes('npm ci'))
  const compiles = second.steps.filter(({ name }) => name.includes('tsc'))
  facts.add(
    'a change of source compiles and does not install',
    `${second.seconds.toFixed(1)} s; npm ci cached ${installs.filter(({ isCached }) => isCached).length} of ${installs.length}`,
    installs.length === 2 && installs.every(({ isCached }) => isCached) && compiles.some(({ isCached }) => !isCached),
  )
  const labels = await docker.must(['image', 'inspect', '--format', '{{json .Config.Labels}}', imageOf(run)])
  const named = labels.includes(`"org.opencontainers.image.version":"${version}"`)
  facts.add('its labels name version and revision', version, named && labels.includes('image.revision":"proof"'))
}

/** Run in the container by its own Node, since nothing else is there to look around with. */
const LOOK_AROUND = `
const { readdirSync, readFileSync } = require('node:fs')
const unwanted = new Set(['sh', 'bash', 'dash', 'ash', 'busybox', 'npm', 'npx', 'corepack', 'apt', 'dpkg', 'apk', 'tsc', 'curl', 'wget'])
const found = ['/app', '/bin', '/etc', '/home', '/lib', '/nodejs', '/opt', '/root', '/sbin', '/usr', '/var'].flatMap(folder => {
  try { return readdirSync(folder, { recursive: true, withFileTypes: true }) } catch { return [] }
}).filter(entry => !entry.isDirectory())
const isPackage = ({ parentPath, name }) => name === 'package.json' && /node_modules\\/(@[^/]+\\/)?[^/]+$/.test(parentPath)
const packages = found.filter(isPackage).map(({ parentPath }) => {
  const { name, version } = JSON.parse(readFileSync(parentPath + '/package.json', 'utf8'))
  return name + '@' + version
})
console.log(JSON.stringify({
  uid: process.getuid(),
  pid: process.pid,
  files: found.length,
  packages,
  unwanted: found.filter(({ name }) => unwanted.has(name)).map(({ parentPath, name }) => parentPath + '/' + name),
  heap: require('node:v8').getHeapStatistics().heap_size_limit,
}))`

interface Seen {
  readonly uid: number
  readonly pid: number
  readonly files: number
  readonly packages: readonly string[]
  readonly unwanted: readonly string[]
  readonly heap: number
}

async function proveContents({ docker, facts, run }: Proving): Promise<void> {
  const image = imageOf(run)
  const size = Number(await docker.must(['image', 'inspect', '--format', '{{.Size}}', image]))
  facts.add(`it is smaller than ${mb(SIZE_BYTES_MAX)}`, mb(size), size < SIZE_BYTES_MAX)
  const shell = await docker.run(['run', '--rm', '--label', labelOf(run), '--entrypoint', 'sh', image, '-c', 'true'])
  facts.add('it has no shell', `sh ends with ${shell.code}`, shell.code === EXIT.noSuchProgram)
  const limits = ['--memory', String(MEMORY_BYTES), '--read-only']
  const out = await docker.must(['run', '--rm', '--label', labelOf(run), ...limits, image, '-e', LOOK_AROUND])
  // Boundary: LOOK_AROUND prints exactly this.
  const seen = JSON.parse(out) as Seen
  const what = few(seen.unwanted) || `none among ${seen.files} files`
  facts.add('nor npm, a compiler or a package manager', what, seen.unwanted.length === 0 && seen.files > 0)
  facts.add('it does not run as root', `user ${seen.uid}`, seen.uid > 0)
  const user = await docker.must(['image', 'inspect', '--format', '{{.Config.User}}', image])
  facts.add('and says so by number', user, /^[1-9]\d*(?::\d+)?$/.test(user))
  facts.add('Node is process 1', `process ${seen.pid}`, seen.pid === 1)
  const bill = await billOfMaterials(process.arch === 'arm64' ? 'arm64' : 'x64')
  const billed = new Set(bill.components.map(({ name, version }) => `${name}@${version}`))
  const unlike = billed.symmetricDifference(new Set(seen.packages))
  facts.add('the bill of materials is what is in it', few([...unlike]) || `${billed.size} packages`, unlike.size === 0)
  const old = MEMORY_BYTES * 0.6
  facts.add(
    'the heap is 60 % of the memory limit',
    `${mib(seen.heap)} of ${mib(MEMORY_BYTES)}`,
    seen.heap >= old && seen.heap <= old + YOUNG_BYTES_MAX,
  )
}

async function proveProcess({ docker, facts, run }: Proving): Promise<void> {
  const once = ['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--label', labelOf(run), imageOf(run)]
  const bare = await docker.run(once)
  const names = ['KAFKA_BROKERS', 'KAFKA_GROUP_ID', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL']
  const missing = names.filter(name => !`${bare.out}${bare.err}`.includes(name))
  facts.add(
    'without a configuration it names what is missing',
    `exit code ${bare.code}, ${names.length - missing.length} of ${names.length} variables`,
    bare.code === EXIT.configuration && missing.length === 0,
  )
  await proveEarlyStop({ docker, facts, run })
  const cli = await docker.run([...once, 'dist/cli.js', 'version'])
  facts.add("the operator's commands run in it", `version ${cli.out}`, cli.code === 0 && /^\d+\.\d+\.\d+/.test(cli.out))
}

/** A program that never listens stands for a service that does not listen yet. */
async function proveEarlyStop({ docker, facts, run }: Pick<Proving, 'docker' | 'facts' | 'run'>): Promise<void> {
  const deaf = ['-e', `setInterval(() => {}, 60_000); console.log('up')`]
  const id = await docker.must(['run', '--detach', '--label', labelOf(run), imageOf(run), ...deaf])
  await until('a program that is up', HEALTHY_WITHIN_MS, async () => {
    const { out } = await docker.run(['logs', id])
    return out.includes('up') ? out : undefined
  })
  await docker.must(['stop', '-t', '5', id])
  const code = await docker.must(['inspect', '--format', '{{.State.ExitCode}}', id])
  facts.add('SIGTERM before the service listens', `exit code ${code}`, code === '0')
  await docker.must(['rm', '--volumes', id])
}

/** Alive is not ready: nothing that it depends on is there, and it must not be restarted for that. */
async function proveHealth({ docker, facts, run }: Proving): Promise<void> {
  const nobody = {
    KAFKA_BROKERS: '127.0.0.1:1',
    KAFKA_GROUP_ID: 'sluice',
    SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
    DATABASE_URL: 'postgres://sluice@127.0.0.1:1/sluice',
  }
  const env = Object.entries(nobody).flatMap(([name, value]) => ['--env', `${name}=${value}`])
  const flags = ['--detach', '--read-only', '--cap-drop', 'ALL', '--label', labelOf(run)]
  const id = await docker.must(['run', ...flags, ...env, imageOf(run)])
  const startedMs = performance.now()
  const health = await until('HEALTHCHECK', HEALTHY_WITHIN_MS, async () => {
    const status = await docker.must(['inspect', '--format', '{{.State.Health.Status}}', id])
    return status === 'starting' ? undefined : status
  })
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0)
  facts.add('HEALTHCHECK: alive while its parts are away', `${health} after ${seconds} s`, health === 'healthy')
  const ready = await docker.run(['exec', id, '/nodejs/bin/node', 'dist/cli.js', 'healthcheck', '--ready'])
  facts.add('and not ready', `healthcheck --ready ends with ${ready.code}`, ready.code === 1)
  await docker.must(['stop', '-t', '30', id])
  const code = await docker.must(['inspect', '--format', '{{.State.ExitCode}}', id])
  facts.add('SIGTERM while it still waits for its parts', `exit code ${code}`, code === '0')
  await docker.must(['rm', '--volumes', id])
}
