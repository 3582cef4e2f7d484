/**
 * Brings the parts up and keeps them up until Ctrl-C: `node dev/stack/up.ts [FILE]`.
 * Prints the environment that the service and the tests read; also written to FILE, to be sourced by another shell.
 */
import { rm, writeFile } from 'node:fs/promises'

import { wordsOf } from './command.ts'
import { findParts } from './find.ts'

const file = process.argv[2]
const parts = await findParts({ say: line => process.stderr.write(`${line}\n`) }).catch((error: unknown) => {
  process.stderr.write(`${wordsOf(error)}\n`)
  return process.exit(1)
})
const text = [
  `export KAFKA_BROKERS=${parts.brokers.join(',')}`,
  `export SCHEMA_REGISTRY_URL=${parts.registryUrl}`,
  `export DATABASE_URL=${parts.databaseUrl}`,
  '',
].join('\n')
process.stdout.write(text)
if (file !== undefined) await writeFile(file, text, { mode: 0o600 })

const stopRequested = new Promise<string>(resolve => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(signal))
})
const reason = await Promise.race([stopRequested, parts.broken])
process.stderr.write(`stopping: ${reason}\n`)
if (file !== undefined) await rm(file, { force: true })
await parts.stop()
