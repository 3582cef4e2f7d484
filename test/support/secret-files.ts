/** Credentials as a cluster mounts them: each a file, changed all at once by swapping what a link leads to. */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SecretFiles {
  /** `NAME_FILE` for each. */
  readonly env: Readonly<Record<string, string>>
  /** These change, the others stay. */
  swap(changed: Readonly<Record<string, string>>): void
  remove(): void
}

export function secretFiles(secrets: Readonly<Record<string, string>>): SecretFiles {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
  let held = secrets
  const write = (): void => {
    const version = mkdtempSync(join(folder, 'version-'))
    for (const [name, text] of Object.entries(held)) writeFileSync(join(version, name), text, { mode: 0o600 })
    symlinkSync(version, join(folder, 'next'))
    renameSync(join(folder, 'next'), join(folder, 'now'))
  }
  write()
  return {
    env: Object.fromEntries(Object.keys(secrets).map(name => [`${name}_FILE`, join(folder, 'now', name)])),
    swap(changed) {
      held = { ...held, ...changed }
      write()
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
