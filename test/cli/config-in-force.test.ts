/** `config`: what is in force, where it comes from, and nothing that is secret. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { definition, type Environment } from '../../src/config.ts'
import { cli } from './terminal.ts'

const REQUIRED = { KAFKA_BROKERS: 'a:9092', KAFKA_GROUP_ID: 'g', SCHEMA_REGISTRY_URL: 'http://registry:8081' }

function fileOf(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'value')
  writeFileSync(path, content)
  return path
}

async function inForce(env: Environment): Promise<Record<string, { value: unknown; origin: unknown; path: unknown }>> {
  const { code, out } = await cli(['config', '--json'], { ...REQUIRED, ...env })
  expect(code).toBe(0)
  // Boundary: the shape that `config --help` promises.
  return JSON.parse(out) as Awaited<ReturnType<typeof inForce>>
}

test('each value has its origin: the environment, a file, the default, or none', async () => {
  const path = fileOf('from a file\n')
  const seen = await inForce({ KAFKA_CLIENT_ID_FILE: path })
  expect(Object.keys(seen).length).toBe(definition.effective(REQUIRED).length)
  expect(seen).toMatchObject({
    KAFKA_GROUP_ID: { value: 'g', origin: 'environment', path: null },
    KAFKA_CLIENT_ID: { value: 'from a file', origin: 'file', path },
    HTTP_PORT: { value: '8080', origin: 'default', path: null },
    KAFKA_SASL_MECHANISM: { value: null, origin: null, path: null },
  })
})

test('in words it is a line a variable, and hints go to the side', async () => {
  const path = fileOf('hunter2')
  const secret = { DATABASE_URL_FILE: fileOf('postgres://u:hunter2@db/x'), KAFKA_BROKER: 'x' }
  const login = { KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_USERNAME: 'me', KAFKA_SASL_PASSWORD_FILE: path }
  const { code, out, err } = await cli(['config'], { ...REQUIRED, ...secret, ...login })
  expect(code).toBe(0)
  expect(out).toMatch(/^KAFKA_BROKERS +environment +a:9092$/m)
  expect(out).toMatch(/^KAFKA_OAUTH_SCOPE +–$/m)
  expect(out).toMatch(/^DATABASE_URL +file \/\S+ +postgres:\/\/u:\*\*\*@db\/x$/m)
  expect(out).toMatch(/^KAFKA_SASL_PASSWORD +file \/\S+ +\[hidden\]$/m)
  expect(err).toContain('did you mean KAFKA_BROKERS?')
  expect(out + err).not.toContain('hunter2')
})

test.each([
  ['postgres://user:pw@host:5432/db', 'postgres://user:***@host:5432/db'],
  ['postgresql://user@host/db', 'postgresql://user@host/db'],
  ['postgres://host/db', 'postgres://host/db'],
  [
    'postgres://user:pw@host/db?sslmode=verify-full&password=pw',
    'postgres://user:***@host/db?sslmode=verify-full&password=***',
  ],
  ['postgres://user@host/db?options=-c%20x%3Dpw', 'postgres://user@host/db?options=***'],
  ['postgres://host/db?user=me&pw=pw', 'postgres://host/db?user=me&pw=***'],
  // Passwords that nobody has encoded: what is behind them is not what it looks like.
  ['postgres://user:5432/pw@host/db', '[hidden]'],
  ['postgres://user:5432?pw@host/db', '[hidden]'],
  ['postgres://user:5432#pw@host/db', '[hidden]'],
  ['postgres://user:a@pw@host/db', '[hidden]'],
])('of %s is shown %s', async (url, shown) => {
  const { value } = (await inForce({ DATABASE_URL: url }))['DATABASE_URL'] ?? { value: null }
  expect(value).toBe(shown)
})

test('prints every problem and ends with 78', async () => {
  for (const args of [['config'], ['config', '--json']]) {
    const { code, out, err } = await cli(args, { HTTP_PORT: 'x', KAFKA_SASL_PASSWORD_FILE: '/nowhere/at-all' })
    expect([code, out]).toEqual([78, ''])
    for (const name of ['KAFKA_BROKERS', 'KAFKA_GROUP_ID', 'SCHEMA_REGISTRY_URL', 'HTTP_PORT', 'KAFKA_SASL_PASSWORD'])
      expect(err).toContain(`  - ${name}`)
    expect(err).toContain('/nowhere/at-all')
  }
})

test('prints the example and the table without an environment', async () => {
  expect(await cli(['config', '--example'])).toEqual({ code: 0, out: definition.example(), err: '' })
  expect(await cli(['config', '--table'])).toEqual({ code: 0, out: `${definition.table()}\n`, err: '' })
})

test('lag needs what leads to the brokers, and nothing else', async () => {
  const { code, err } = await cli(['lag'], { KAFKA_SESSION_TIMEOUT_MS: 'x', HTTP_PORT: 'x', DATABASE_POOL_MAX: 'x' })
  expect(code).toBe(78)
  for (const name of ['KAFKA_BROKERS', 'KAFKA_GROUP_ID', 'KAFKA_SESSION_TIMEOUT_MS'])
    expect(err).toContain(`  - ${name}`)
  for (const name of ['SCHEMA_REGISTRY', 'HTTP_PORT', 'DATABASE']) expect(err).not.toContain(name)
})
