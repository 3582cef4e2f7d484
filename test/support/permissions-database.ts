/** A database with the two roles of docs/permissions.md, under names of the test's own, and nobody else's rights. */
import { Client } from 'pg'
import { freshDatabase, freshName } from './parts.ts'
import { permissionsPage } from './permissions.ts'

export interface LeastDatabase {
  /** To whom all is permitted. */
  readonly administratorUrl: string
  readonly migratorUrl: string
  readonly serviceUrl: string
  /** What the page has the migrator do once the tables are there. */
  grant(): Promise<void>
  /** As an administrator. `sluice_service` and `sluice_migrator` stand for the roles, as on the page. */
  run(statement: string): Promise<void>
  drop(): Promise<void>
}

const PASSWORD = 'of-a-test'

/** With the administrator's part of the page applied. */
export async function leastDatabase(): Promise<LeastDatabase> {
  const { sql } = permissionsPage()
  const { url: administratorUrl, drop } = await freshDatabase()
  const [migrator, service] = ['migrator', 'service'].map(role => freshName(role).replaceAll('-', '_')) as [
    string,
    string,
  ]
  const name = new URL(administratorUrl).pathname.slice(1)
  const ours = (statement: string) =>
    statement
      .replaceAll('sluice_migrator', migrator)
      .replaceAll('sluice_service', service)
      .replaceAll(/\bdatabase sluice\b/g, `database ${name}`)
  const run = (as: string, statements: readonly string[]) => runAs(as, statements.map(ours))
  const urlOf = (role: string) => {
    const url = new URL(administratorUrl)
    ;[url.username, url.password] = [role, PASSWORD]
    return url.href
  }
  await run(administratorUrl, sql.administrator)
  const roles = [migrator, service]
  await run(
    administratorUrl,
    roles.map(role => `alter role ${role} password '${PASSWORD}'`),
  )
  return {
    administratorUrl,
    migratorUrl: urlOf(migrator),
    serviceUrl: urlOf(service),
    grant: () => run(urlOf(migrator), sql.migrator),
    run: statement => run(administratorUrl, [statement]),
    drop: async () => {
      await drop()
      const elsewhere = new URL(administratorUrl)
      elsewhere.pathname = '/postgres'
      await runAs(
        elsewhere.href,
        roles.map(role => `drop role ${role}`),
      )
    },
  }
}

async function runAs(connectionString: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
