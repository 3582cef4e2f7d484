/** `dist/`, built when something it is made of has changed. */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { root } from './root.ts'
import { output } from './stack/command.ts'

const stampFile = join(root, 'dist', '.built-from')

/** What dist is made of, as one number: names, sizes and times of the sources, and the compiler's settings. */
async function fingerprint(): Promise<string> {
  const sources = await readdir(join(root, 'src'), { recursive: true, withFileTypes: true })
  const files = sources.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map(name => join(root, name))
  const hash = createHash('sha256')
  for (const file of [...files, ...settings].toSorted()) {
    const { size, mtimeMs } = await stat(file)
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

/** Resolves to whether there was anything to do. Rejects with the compiler's words. */
export async function build({ always = false } = {}): Promise<boolean> {
  const now = await fingerprint()
  const then = await readFile(stampFile, 'utf8').catch(() => '')
  if (!always && now === then) return false
  await rm(join(root, 'dist'), { recursive: true, force: true })
  try {
    await output('tsc', ['-p', 'tsconfig.build.json'], { cwd: root })
  } catch (error) {
    const words = error instanceof Error && 'stdout' in error ? String(error.stdout).trim() : String(error)
    throw new Error(`the build failed:\n${words}`, { cause: error })
  }
  await writeFile(stampFile, now)
  return true
}
