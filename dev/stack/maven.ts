/** Java programs from Maven packages: Kafka's broker and the registry. The machine's own Maven settings say where packages come from. */
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { cached, cacheRoot } from './cache.ts'
import { output } from './command.ts'
import { copyPackages } from './packages.ts'

export const KAFKA_VERSION = '4.2.0'
export const REGISTRY_VERSION = '2.6.13.Final'

export function javaCommand(): string {
  const home = process.env['JAVA_HOME']
  return home ? join(home, 'bin', 'java') : 'java'
}

/** The folder of Kafka's jars. */
export function kafkaJars(say: (line: string) => void): Promise<string> {
  return cached(join(cacheRoot(), `kafka-${KAFKA_VERSION}`), async into => {
    say(`fetching Kafka ${KAFKA_VERSION} with Maven (55 MB, once)`)
    await copyPackages(
      [
        { group: 'org.apache.kafka', artifact: 'kafka_2.13', version: KAFKA_VERSION },
        { group: 'org.apache.kafka', artifact: 'kafka-tools', version: KAFKA_VERSION },
        { group: 'org.slf4j', artifact: 'slf4j-simple', version: '1.7.36' },
      ],
      into,
    )
  })
}

/** The folder with the registry's runner jar and its libraries. */
export function registryApp(say: (line: string) => void): Promise<string> {
  return cached(join(cacheRoot(), `apicurio-registry-${REGISTRY_VERSION}`), async into => {
    say(`fetching the schema registry ${REGISTRY_VERSION} with Maven (142 MB, once)`)
    const app = {
      group: 'io.apicurio',
      artifact: 'apicurio-registry-app',
      version: REGISTRY_VERSION,
      type: 'tar.gz',
      classifier: 'all',
      alone: true,
    }
    await copyPackages([app], into)
    const archive = (await readdir(into)).find(name => name.endsWith('.tar.gz'))
    if (archive === undefined) throw new Error('Maven fetched no archive of the registry')
    await output('tar', ['-xzf', join(into, archive), '-C', into])
    await rm(join(into, archive))
    await flatten(into)
  })
}

/** Some releases of the archive hold one folder, others the files themselves. */
async function flatten(folder: string): Promise<void> {
  const [only, ...rest] = await readdir(folder, { withFileTypes: true })
  if (only === undefined || rest.length > 0 || !only.isDirectory()) return
  for (const name of await readdir(join(folder, only.name)))
    await rename(join(folder, only.name, name), join(folder, name))
}
