import { readFileSync } from 'node:fs'

/** As package.json has it; that file is as far from `src/` as from `dist/`. */
export function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const read: unknown = JSON.parse(text)
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : 'unknown'
}
