/** A test's own Postgres in a container, run behind a keeper: see dev/stack/engine.ts. The files of its folder say whom it lets in. */
import { readFile } from 'node:fs/promises'
import { PostgreSqlContainer } from '@testcontainers/postgresql'
import { labelled, publishPrivately, runContainers } from '../../dev/stack/engine.ts'
import { IMAGES } from '../../dev/stack/images.ts'
import { POSTGRES_FILES, tlsSettings } from './own-postgres.ts'

const GIVEN = '/given'
const OWN = '/own'
/** Postgres reads its key only where nobody else can. */
const RUN = `install -d -o postgres ${OWN} && install -o postgres -m 600 ${GIVEN}/* ${OWN} && exec docker-entrypoint.sh "$@"`

class PrivatePostgres extends PostgreSqlContainer {
  protected override beforeContainerCreated(): Promise<void> {
    return publishPrivately(this.hostConfig)
  }
}

const files = await Promise.all(
  Object.values(POSTGRES_FILES).map(async name => ({
    content: await readFile(name, 'utf8'),
    target: `${GIVEN}/${name}`,
    mode: 0o644,
  })),
)

await runContainers(async () => {
  const started = await labelled(new PrivatePostgres(IMAGES.postgres))
    .withDatabase('postgres')
    .withUsername('postgres')
    .withPassword(crypto.randomUUID())
    .withCopyContentToContainer(files)
    .withEntrypoint(['sh', '-c', RUN, 'sh'])
    .withCommand(['postgres', ...tlsSettings(OWN).flatMap(setting => ['-c', setting])])
    .start()
  return { url: started.getConnectionUri() }
})
