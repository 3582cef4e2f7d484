/** What the definition in config.ts says of itself: the example file, the table of the README, the values in force. */
import type { Readings, Variable, Variables } from './variables.ts'

const TABLE_MARKERS = { begin: '<!-- configuration:begin -->', end: '<!-- configuration:end -->' } as const

/** Ready to be copied to `.env` and read by `node --env-file`: what must be given stands there, the rest is commented out with its default. */
export function exampleOf(variables: Variables): string {
  const entries = Object.entries(variables).map(([name, variable]) => {
    const value = variable.default ?? variable.example
    return `# ${sentenceOf(variable).replaceAll('`', '')}\n${variable.required ? '' : '# '}${name}=${value}\n`
  })
  return [
    '# Every variable, with its default. Each may also be given as NAME_FILE: the path of a file that holds the value.\n# Written by `node src/cli.ts config --example`.\n',
    ...entries,
  ].join('\n')
}

/** With its markers, so that it can be put in the place of the one before. */
export function tableOf(variables: Variables): string {
  const rows = Object.entries(variables).map(
    ([name, variable]) => `| \`${name}\` | ${defaultOf(variable)} | ${sentenceOf(variable).replaceAll('|', '\\|')} |`,
  )
  return [
    TABLE_MARKERS.begin,
    '',
    '| variable | default | meaning |',
    '|---|---|---|',
    ...rows,
    '',
    TABLE_MARKERS.end,
  ].join('\n')
}

/** One line a variable, secrets hidden. */
export function effectiveOf(variables: Variables, { texts }: Readings): string {
  const width = Math.max(...Object.keys(variables).map(name => name.length))
  const lines = Object.entries(variables).map(([name, { secret }]) => {
    const reading = texts.get(name)
    return `${name.padEnd(width)}  ${shown(reading?.text ?? null, secret)}${reading?.given === false ? '  (default)' : ''}`
  })
  return `${lines.join('\n')}\n`
}

function defaultOf({ required, default: fallback }: Variable<unknown>): string {
  if (required) return 'required'
  return fallback === null ? 'none' : `\`${fallback}\``
}

function sentenceOf({ meaning, kind }: Variable<unknown>): string {
  if (kind.shape === '') return meaning
  return meaning === '' ? kind.shape : `${meaning} (${kind.shape})`
}

function shown(text: string | null, secret: boolean): string {
  if (text === null) return '–'
  if (secret) return '[hidden]'
  return text.includes('\n') ? `[${text.length} characters]` : text
}
