/** A secret whose file is not there, or is empty, is no outage: the program ends with exit code 78, and says the variable and the path. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { startReplica } from '../support/replica.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-missing-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['KAFKA_SASL_PASSWORD', null, 'cannot be read'],
  ['DATABASE_URL', null, 'cannot be read'],
  ['DATABASE_URL', '', 'is empty'],
  ['KAFKA_TLS_CA', 'hunter2', 'must be a PEM text of certificates'],
  ['SCHEMA_REGISTRY_TLS_KEY', 'hunter2', 'must be a PEM text of a private key'],
])('%s: %j', async (name, content, says) => {
  const path = join(folder, crypto.randomUUID())
  if (content !== null) writeFileSync(path, content)
  const replica = await startReplica({
    KAFKA_BROKERS: 'localhost:9092',
    KAFKA_GROUP_ID: 'group',
    SCHEMA_REGISTRY_URL: 'https://localhost:8081',
    TEST_TOPIC: 'any',
    [`${name}_FILE`]: path,
  })
  expect(await replica.exited).toBe(78)
  const problems = replica.lines.flatMap(line => (Array.isArray(line['problems']) ? line['problems'].map(String) : []))
  const problem = problems.find(each => each.includes(`${name}_FILE`))
  expect(problem).toContain(path)
  expect(problem).toContain(says)
  expect(JSON.stringify(replica.lines)).not.toContain('hunter2')
})
