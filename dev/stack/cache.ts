/** Downloads, kept outside the repository and filled in one step: an interrupted one never looks like a finished one. */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** A guess, never tuned: no download takes as long, so a half-made folder of this age belongs to nobody. */
const ABANDONED_AFTER_MS = 60 * 60 * 1_000

export function cacheRoot(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sluice')
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function sweepAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.making-')) continue
    const path = join(parent, name)
    const age = await stat(path).then(
      found => Date.now() - found.mtimeMs,
      () => 0,
    )
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true })
  }
}

/** The folder `path`, made by `make` in a folder beside it and renamed when complete. Two makers at once: the first one wins. */
export async function cached(path: string, make: (into: string) => Promise<void>): Promise<string> {
  if (await exists(path)) return path
  const parent = dirname(path)
  await mkdir(parent, { recursive: true, mode: 0o755 })
  await sweepAbandoned(parent)
  const making = await mkdtemp(join(parent, `.making-${basename(path)}-`))
  try {
    await make(making)
    await rename(making, path).catch(async (error: unknown) => {
      if (!(await exists(path))) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return path
}
