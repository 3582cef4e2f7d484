/**
 * Writes what ships in the image, as CycloneDX: `node dev/ship/sbom.ts FILE [x64|arm64]` (on Node 24).
 *
 * `npm sbom` writes it, of a project without development dependencies: with `--omit dev` on the whole one, npm (11.19) leaves out
 * every package that a development dependency needs too, `pg` among them. So the lock file is cut down first, also to what npm
 * installs on Linux with glibc, which is what the image is. test/deploy and dev/ship/prove.ts compare.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { root } from '../root.ts'
import { output, wordsOf } from '../stack/command.ts'

const USAGE_EXIT_CODE = 64
const ARCHITECTURES = ['x64', 'arm64'] as const
type Architecture = (typeof ARCHITECTURES)[number]

interface Locked {
  readonly dev?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>
}

/** npm's lists name what a package runs on; without one, it runs everywhere. */
const fits = (allowed: readonly string[] | undefined, what: string): boolean => allowed?.includes(what) ?? true

/** Of a lock file what `npm ci --omit=dev` puts into the image. */
export function shipped({ packages }: Lock, architecture: Architecture): Record<string, Locked> {
  const kept = Object.entries(packages).filter(
    ([path, { dev, os, cpu, libc }]) =>
      path !== '' && dev !== true && fits(os, 'linux') && fits(cpu, architecture) && fits(libc, 'glibc'),
  )
  return Object.fromEntries(kept)
}

function withoutDevelopment(manifest: object): object {
  return Object.fromEntries(Object.entries(manifest).filter(([name]) => name !== 'devDependencies'))
}

interface Component {
  readonly name: string
  readonly version: string
}

interface Bom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
}

async function readJson(name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(root, name), 'utf8'))
}

export async function billOfMaterials(architecture: Architecture): Promise<Bom> {
  // Boundary: npm's own files, which it has checked before anything here could run.
  const lock = (await readJson('package-lock.json')) as Lock
  // Boundary: as above.
  const manifest = (await readJson('package.json')) as Record<string, unknown>
  const folder = await mkdtemp(join(tmpdir(), 'sluice-sbom-'))
  try {
    const packages = { '': withoutDevelopment(lock.packages[''] ?? {}), ...shipped(lock, architecture) }
    await writeFile(join(folder, 'package.json'), JSON.stringify(withoutDevelopment(manifest)))
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, packages }))
    const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--loglevel', 'error']
    // Boundary: the format that was asked for.
    const bom = JSON.parse(await output('npm', args, { cwd: folder })) as Bom
    const { metadata } = bom
    // npm calls the project by its folder.
    return { ...bom, metadata: { ...metadata, component: { ...metadata.component, name: String(manifest['name']) } } }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function main(): Promise<number> {
  const [file, given = process.arch === 'arm64' ? 'arm64' : 'x64', ...rest] = process.argv.slice(2)
  const architecture = ARCHITECTURES.find(one => one === given)
  if (file === undefined || architecture === undefined || rest.length > 0) {
    console.error(`usage: node dev/ship/sbom.ts FILE [${ARCHITECTURES.join('|')}]`)
    return USAGE_EXIT_CODE
  }
  try {
    const bom = await billOfMaterials(architecture)
    await writeFile(file, `${JSON.stringify(bom, null, 2)}\n`)
    console.log(`${file}: ${bom.components.length} packages, linux/${architecture}`)
    return 0
  } catch (error) {
    console.error(`no bill of materials: ${wordsOf(error)}`)
    return 1
  }
}

if (process.argv[1] === import.meta.filename) process.exitCode = await main()
