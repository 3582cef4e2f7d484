/** A planted bug: one small change of the source, such as an engineer could make, and a test or the simulation has to find. */

export interface Mutant extends Change {
  /** From the root of the repository. */
  readonly file: string
}

export interface Change {
  /** What is wrong, as a sentence. */
  readonly name: string
  /** Occurs exactly once in the file. */
  readonly text: string
  readonly replacement: string
  /** The test files that find it, where the simulation cannot see it or takes long; they are asked first. */
  readonly tests?: readonly string[]
}

export function inFile(file: string, changes: readonly Change[]): Mutant[] {
  return changes.map(change => ({ ...change, file }))
}

/** Why it does not apply; null when it does. */
export function problemOf({ file, text, replacement }: Mutant, source: string): string | null {
  const times = source.split(text).length - 1
  if (times !== 1) return `its text occurs ${times} times in ${file}, not once`
  return text === replacement ? 'it changes nothing' : null
}

export function patched({ text, replacement }: Mutant, source: string): string {
  return source.replace(text, () => replacement)
}
