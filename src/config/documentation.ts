/** What the definition in config.ts says of itself: the example file, the table of the README, the values in force. */
import type { Environment, Readings, Variable, Variables } from './variables.ts'

const TABLE_MARKERS = { begin: '<!-- configuration:begin -->', end: '<!-- configuration:end -->' } as const

/** Ready to be copied to `.env` and read by `node --env-file`: what must be given stands there, the rest is commented out with its default. */
export function exampleOf(variables: Variables): string {
  const entries = Object.entries(variables).map(([name, variable]) => {
    const value = variable.default ?? variable.example
    return `# ${sentenceOf(variable).replaceAll('`', '')}\n${variable.required ? '' : '# '}${name}=${value}\n`
  })
  return [
    '# Every variable, with its default. Each may also be given as NAME_FILE: the path of a file that holds the value.\n# Logins and certificates that are given as files are read again for each connection.\n# Written by `node src/cli.ts config --example`.\n',
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

/** A variable as it stands in an environment, fit to be shown. */
export interface InForce {
  readonly name: string
  /** Null: there is none. Of a secret nothing that is one. */
  readonly value: string | null
  /** Null where there is no value. */
  readonly origin: 'environment' | 'file' | 'default' | null
  /** Of the file. */
  readonly path: string | null
}

/** In the order of the definition. */
export function effectiveOf(variables: Variables, { texts }: Readings, env: Environment): readonly InForce[] {
  return Object.entries(variables).map(([name, variable]) => {
    const reading = texts.get(name)
    const path = (env[`${name}_FILE`] ?? '').trim()
    if (reading === undefined) return { name, value: null, origin: null, path: null }
    const value = shown(reading.text, variable)
    if (!reading.given) return { name, value, origin: 'default', path: null }
    return path === '' ? { name, value, origin: 'environment', path: null } : { name, value, origin: 'file', path }
  })
}

function defaultOf({ required, default: fallback }: Variable<unknown>): string {
  if (required) return 'required'
  return fallback === null ? 'none' : `\`${fallback}\``
}

/** What it means and what it may be, as one sentence without a full stop. */
export function sentenceOf({ meaning, kind }: Variable<unknown>): string {
  if (kind.shape === '') return meaning
  return meaning === '' ? kind.shape : `${meaning} (${kind.shape})`
}

function shown(text: string, { secret, kind }: Variable<unknown>): string {
  if (secret) return kind.shape === 'URL' ? withoutSecrets(text) : HIDDEN
  return text.includes('\n') ? `[${text.length} characters]` : text
}

const HIDDEN = '[hidden]'
const MASK = '***'
/** Parameters of a Postgres URL that say where and how, and never a secret. Source: libpq, 34.1.2. */
const PLAIN_PARAMETERS =
  /^(sslmode|sslrootcert|sslcert|sslkey|connect_timeout|application_name|target_session_attrs|host|port|dbname|user)$/

/** Which host and database it is must be seen; a password must not, nor what might be a part of one. */
function withoutSecrets(text: string): string {
  const url = URL.parse(text)
  // A password that was not encoded ends the address at its first / ? or #, and its rest looks like something else.
  if (url === null || text.split('@').length > 2 || (url.username === '' && text.includes('@'))) return HIDDEN
  const login = `${url.username}${url.password === '' ? '' : `:${MASK}`}`
  const parameters = [...url.searchParams].map(([name, value]) =>
    PLAIN_PARAMETERS.test(name) ? `${name}=${value}` : `${/^\w+$/.test(name) ? name : MASK}=${MASK}`,
  )
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`
  return `${url.protocol}//${login}${login === '' ? '' : '@'}${url.host}${url.pathname}${query}`
}
