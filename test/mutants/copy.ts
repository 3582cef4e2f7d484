/** A copy of the repository that may be patched, in a temporary folder. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { type Mutant, patched } from './mutant.ts'

/** Too large, or of no use to a test. */
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', '.ci'])

export class Copy {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async of(root: string): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-mutants-'))
    const isWanted = (path: string) => !LEFT_OUT.has(relative(root, path).split(sep)[0] ?? '')
    await cp(root, folder, { recursive: true, filter: isWanted })
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    return new Copy(folder)
  }

  /** With the bug in it as long as `use` takes. */
  async with<T>(mutant: Mutant, use: () => Promise<T>): Promise<T> {
    const path = join(this.folder, mutant.file)
    const source = await readFile(path, 'utf8')
    await writeFile(path, patched(mutant, source))
    try {
      return await use()
    } finally {
      await writeFile(path, source)
    }
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}
