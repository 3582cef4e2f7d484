/** Once per run of the integration tier: finds or brings up Kafka, the registry and Postgres, and tells the tests where they are. */
import type { TestProject } from 'vitest/node'

import { findParts } from '../../dev/stack/find.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    kafkaBrokers: string
    registryUrl: string
    databaseUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const parts = await findParts({ say: line => process.stderr.write(`${line}\n`) })
  project.provide('kafkaBrokers', parts.brokers.join(','))
  project.provide('registryUrl', parts.registryUrl)
  project.provide('databaseUrl', parts.databaseUrl)
  return parts.stop
}
