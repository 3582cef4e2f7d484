/**
 * A Postgres that a test starts for itself, with a certificate: whoever comes over the network without TLS is turned away, but
 * for the superuser. A local one runs it, or a container.
 */
import { CONTAINERS_UP_WITHIN_MS, engineInSight, keepContainers, whatIsUp } from '../../dev/stack/containers.ts'
import { missingForLocal } from '../../dev/stack/local.ts'
import { databaseAnswers, startPostgres } from '../../dev/stack/postgres.ts'
import { bringUp } from '../../dev/stack/ready.ts'
import type { Certificate } from './certificates.ts'

export interface OwnPostgres {
  /** The superuser's, in clear. */
  readonly url: string
  stop(): Promise<void>
}

/** Both ways, by their names in the folder where they lie. */
export const POSTGRES_FILES = { cert: 'server.crt', key: 'server.key', ca: 'clients.crt', hba: 'hba.conf' } as const

/** The first line that fits decides. Its local socket is the container's way in. */
const HBA = `local   all all                    trust
host    all postgres  all          scram-sha-256
hostssl all certified all          scram-sha-256 clientcert=verify-ca
hostssl all all       all          scram-sha-256
`

/** Where the files lie, as the server sees it from its data folder, and from where it is started: one of its settings is read from there. */
export function tlsSettings(folder: string, fromStart = folder): string[] {
  return [
    'ssl=on',
    `ssl_cert_file=${folder}/${POSTGRES_FILES.cert}`,
    `ssl_key_file=${folder}/${POSTGRES_FILES.key}`,
    `ssl_ca_file=${folder}/${POSTGRES_FILES.ca}`,
    `hba_file=${fromStart}/${POSTGRES_FILES.hba}`,
  ]
}

/** The role `certified` needs a certificate of the authority beside its password. */
export async function startOwnPostgres(shown: Certificate, authority: string): Promise<OwnPostgres> {
  const { cert, key, ca, hba } = POSTGRES_FILES
  const files = { [cert]: shown.cert, [key]: shown.key, [ca]: authority, [hba]: HBA }
  const isLocal = process.env['STACK'] !== 'containers' && (await missingForLocal()) === undefined
  if (isLocal || !(await engineInSight())) {
    const { address, kept } = await startPostgres({ files, settings: tlsSettings('..', '.') })
    return { url: address, stop: kept.stop }
  }
  const { address, kept } = await bringUp(
    { name: "the test's own Postgres", readyWithinMs: CONTAINERS_UP_WITHIN_MS },
    async () => {
      const program = new URL('own-postgres-main.ts', import.meta.url)
      const kept = await keepContainers('own-postgres', { program, files })
      const address = { url: '' }
      const answers = async () => {
        // Boundary: own-postgres-main.ts writes exactly this; both ends are of one checkout.
        address.url = ((await whatIsUp(kept)) as { url: string }).url
        await databaseAnswers(address.url)
      }
      return { address, kept, answers }
    },
  )
  return { url: address.url, stop: kept.stop }
}
