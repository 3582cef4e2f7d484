/** What docs/permissions.md says, read from the page itself: nothing is written down a second time. */
import { readFileSync } from 'node:fs'

/** When a line of the page is needed, as the comment above it says. */
export type When = 'always' | 'create' | 'optional' | 'lag'

export interface Acl {
  readonly when: When
  /** `sluice`, without `User:`. */
  readonly user: string
  /** As kafka-acls.sh takes them: `Read`, `DescribeConfigs`. */
  readonly operation: string
  readonly resource: 'group' | 'topic'
  readonly name: string
}

export interface Row {
  readonly operation: string
  readonly on: string
  readonly without: string
}

export interface PermissionsPage {
  readonly acls: readonly Acl[]
  /** The table of Kafka's permissions. */
  readonly rows: readonly Row[]
  /** Statements, by who runs them. */
  readonly sql: { readonly administrator: readonly string[]; readonly migrator: readonly string[] }
}

const COMMENTS: readonly (readonly [beginning: string, when: When])[] = [
  ['# always', 'always'],
  ['# only with DEAD_LETTER_CREATE=true', 'create'],
  ['# optional', 'optional'],
  ['# for a person who runs `lag`', 'lag'],
]

const ACL = /^acl User:(?<user>\S+) --operation (?<operation>\S+) --(?<resource>group|topic) (?<name>\S+)$/

export function permissionsPage(): PermissionsPage {
  const page = readFileSync(new URL('../../docs/permissions.md', import.meta.url), 'utf8')
  const [shell = ''] = blocksOf(page, 'sh')
  const [administrator = '', migrator = ''] = blocksOf(page, 'sql')
  return {
    acls: aclsOf(shell),
    rows: rowsOf(page),
    sql: { administrator: statementsOf(administrator), migrator: statementsOf(migrator) },
  }
}

/** The names of the page for another user with a group and topics of its own. */
export function renamed(acl: Acl, { user, suffix }: { user: string; suffix: string }): Acl {
  return { ...acl, user, name: nameWith(acl.name, suffix) }
}

/** `orders.sluice.dlt` → `orders-3.sluice-3.dlt`. */
export function nameWith(name: string, suffix: string): string {
  const words = name.split('.').map(word => (word === 'dlt' ? word : `${word}${suffix}`))
  return words.join('.')
}

function blocksOf(page: string, language: string): string[] {
  return page
    .split(`\`\`\`${language}\n`)
    .slice(1)
    .map(text => text.slice(0, text.indexOf('```')))
}

/** Throws where a line is not understood: what is on the page is applied, or the test fails. */
function aclsOf(block: string): Acl[] {
  const acls: Acl[] = []
  let when: When | null = null
  for (const line of block.split('\n').slice(1)) {
    if (line === '') continue
    if (line.startsWith('#')) {
      when = COMMENTS.find(([beginning]) => line.startsWith(beginning))?.[1] ?? null
      continue
    }
    const { user, operation, resource, name } = ACL.exec(line)?.groups ?? {}
    if (when === null || user === undefined || operation === undefined || name === undefined)
      throw new Error(`docs/permissions.md has a line that is not understood: ${line}`)
    acls.push({ when, user, operation, resource: resource === 'group' ? 'group' : 'topic', name })
  }
  return acls
}

function rowsOf(page: string): Row[] {
  const lines = page.split('\n').filter(line => line.startsWith('| `'))
  return lines.map(line => {
    const [operation = '', on = '', without = ''] = line
      .slice(1, -1)
      .split('|')
      .map(cell => cell.trim())
    return { operation: operation.replaceAll('`', ''), on, without }
  })
}

function statementsOf(block: string): string[] {
  const sql = block
    .split('\n')
    .filter(line => !line.startsWith('--'))
    .join(' ')
  return sql
    .split(';')
    .map(statement => statement.trim())
    .filter(Boolean)
}
