/**
 * A copy of the checkout that the proofs build from: a file of it may be changed without touching anybody's work. It is as hard
 * on the Dockerfile as a checkout can be: nobody but its owner may read it, and secrets lie about in it.
 */
import { chmod, cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { root } from '../root.ts'

const COPIED = [
  'Dockerfile',
  '.dockerignore',
  'docker-compose.yml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'src',
  'schemas',
  'migrations',
  'dev',
]

/** None of these may reach Docker. */
export const PLANTED: readonly string[] = [
  '.env',
  '.git/config',
  'node_modules/planted/index.js',
  'secrets/database-url',
  'src/.env.production',
  'src/secrets/password',
  'dev/client.key',
  'dev/client.pem',
  'service.log',
  'notes.md',
]

export async function copyCheckout(folder: string): Promise<void> {
  for (const name of COPIED) await cp(join(root, name), join(folder, name), { recursive: true })
  for (const name of PLANTED) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), 'PLANTED=1\n')
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600)
  }
}

/** Every file below the folder, with slashes. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
}
