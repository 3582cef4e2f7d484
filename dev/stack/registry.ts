/** The schema registry (Apicurio, in memory), from its Maven package. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { keep } from './keep.ts'
import { REGISTRY_VERSION } from './maven.ts'
import { freePort } from './ports.ts'
import { bringUp, httpAnswers, type Part } from './ready.ts'

/** Where Apicurio speaks Confluent's API. */
export const REGISTRY_PATH = '/apis/ccompat/v7'

export async function startRegistry(java: string, app: string): Promise<Part<string>> {
  const jar = (await readdir(app)).find(name => name.endsWith('-runner.jar'))
  if (jar === undefined) throw new Error(`no runner jar in ${app}`)
  return bringUp({ name: `the schema registry ${REGISTRY_VERSION}` }, async () => {
    const port = await freePort()
    const address = `http://127.0.0.1:${port}${REGISTRY_PATH}`
    const kept = await keep({
      name: 'registry',
      main: {
        command: java,
        args: [
          '-Xmx256m',
          '-XX:+UseSerialGC',
          '-XX:TieredStopAtLevel=1',
          '-XX:-UsePerfData',
          '-Djava.io.tmpdir=.',
          '-Dquarkus.http.host=127.0.0.1',
          `-Dquarkus.http.port=${port}`,
          '-jar',
          join(app, jar),
        ],
      },
    })
    return { address, kept, answers: () => httpAnswers(`${address}/subjects`) }
  })
}
