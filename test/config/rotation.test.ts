/** Credentials in files: what is read again, when it counts, and what a bad file changes, which is nothing. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Config, definition, type Environment, parseConfig } from '../../src/config.ts'
import { newAuthority } from '../support/certificates.ts'
import { listeningLog } from '../support/floor.ts'
import { type SecretFiles, secretFiles } from '../support/secret-files.ts'

const REQUIRED = { KAFKA_BROKERS: 'a:9092', KAFKA_GROUP_ID: 'g', SCHEMA_REGISTRY_URL: 'https://registry' }
const SCRAM = { KAFKA_TLS: 'true', KAFKA_SASL_MECHANISM: 'scram-sha-512' }
const authority = await newAuthority()
const OWN = await authority.issue('sluice')
const NEXT = await authority.issue('sluice')

let log: ReturnType<typeof listeningLog>
let files: SecretFiles | null = null
beforeEach(() => {
  log = listeningLog()
})
afterEach(() => {
  files?.remove()
  files = null
})

/** As the service does it: checked at the start, and followed from there on. */
function following(prefix: string, env: Environment, secrets: Record<string, string>) {
  files = secretFiles(secrets)
  const all = { ...REQUIRED, ...env, ...files.env }
  const config = parseConfig(all, { handlers: [] })
  return { config, current: definition.rotating<Config>(prefix, config, { env: all, log }), files }
}

const warnings = () => log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => String(fields['problem']))

describe('what is read again', () => {
  test('a login, as soon as its files have changed, and told once', () => {
    const { config, current, files } = following('KAFKA_', SCRAM, {
      KAFKA_SASL_USERNAME: 'app',
      KAFKA_SASL_PASSWORD: 'first',
    })
    expect(current()).toBe(config)
    files.swap({ KAFKA_SASL_USERNAME: 'app-2\n', KAFKA_SASL_PASSWORD: 'second\n' })
    expect(current()).toMatchObject({ kafkaSaslUsername: 'app-2', kafkaSaslPassword: 'second', kafkaGroupId: 'g' })
    expect(Object.isFrozen(current())).toBe(true)
    expect(log.lines).toHaveLength(1)
    expect(JSON.stringify(log.lines)).toContain('KAFKA_SASL_PASSWORD_FILE=')
    expect(JSON.stringify(log.lines)).not.toContain('second')
  })

  test('the same object as long as nothing has changed: others compare by identity', () => {
    const { current, files } = following('DATABASE_', {}, { DATABASE_URL: 'postgres://a@db/x' })
    const before = current()
    expect(current()).toBe(before)
    files.swap({})
    expect(current()).toBe(before)
    files.swap({ DATABASE_URL: 'postgres://b@db/x' })
    expect(current()).not.toBe(before)
    expect(current()).toBe(current())
  })

  test('every login and certificate, and nothing else', () => {
    const secrets = {
      KAFKA_TLS_CA: authority.ca,
      KAFKA_TLS_CERT: OWN.cert,
      KAFKA_TLS_KEY: OWN.key,
      KAFKA_CLIENT_ID: 'first',
    }
    const { current, files } = following('KAFKA_', { KAFKA_TLS: 'true' }, secrets)
    files.swap({ KAFKA_TLS_CERT: NEXT.cert, KAFKA_TLS_KEY: NEXT.key, KAFKA_CLIENT_ID: 'second' })
    expect(current()).toMatchObject({ kafkaTlsCert: NEXT.cert, kafkaTlsKey: NEXT.key, kafkaClientId: 'first' })
  })

  test('only what was given as a file, and only what was asked for', () => {
    const { config, current, files } = following(
      'KAFKA_',
      { ...SCRAM, KAFKA_SASL_USERNAME: 'app', KAFKA_SASL_PASSWORD: 'plain' },
      { DATABASE_URL: 'postgres://a@db/x' },
    )
    files.swap({ DATABASE_URL: '' })
    expect(current()).toBe(config)
    expect(log.lines).toEqual([])
  })
})

describe('what is bad changes nothing, and is said once with its variable and its path', () => {
  const bad: readonly (readonly [name: string, changed: Record<string, string>, says: string])[] = [
    ['an empty file', { KAFKA_TLS_CA: '' }, 'KAFKA_TLS_CA_FILE: '],
    ['half a certificate', { KAFKA_TLS_CA: authority.ca.slice(0, 200) }, 'the content of KAFKA_TLS_CA_FILE, /'],
    [
      'a key without its certificate',
      { KAFKA_TLS_KEY: NEXT.key },
      'KAFKA_TLS_KEY is not the key of KAFKA_TLS_CERT (KAFKA_TLS_KEY_FILE=',
    ],
    [
      'a certificate without its key',
      { KAFKA_TLS_CERT: NEXT.cert },
      'KAFKA_TLS_KEY is not the key of KAFKA_TLS_CERT (KAFKA_TLS_CERT_FILE=',
    ],
  ]
  test.each(bad)('%s', (_, changed, says) => {
    const secrets = { KAFKA_TLS_CA: authority.ca, KAFKA_TLS_CERT: OWN.cert, KAFKA_TLS_KEY: OWN.key }
    const { config, current, files } = following('KAFKA_', { KAFKA_TLS: 'true' }, secrets)
    files.swap(changed)
    for (let times = 0; times < 3; times++) expect(current()).toMatchObject({ ...config })
    expect(warnings()).toHaveLength(1)
    expect(warnings()[0]).toContain(says)
    expect(JSON.stringify(log.lines)).not.toContain('BEGIN PRIVATE')

    files.swap({ ...secrets, KAFKA_TLS_CERT: NEXT.cert, KAFKA_TLS_KEY: NEXT.key })
    expect(current()).toMatchObject({ kafkaTlsCert: NEXT.cert, kafkaTlsKey: NEXT.key })
    // Bad again: that is news.
    files.swap({ KAFKA_TLS_CA: '' })
    current()
    expect(warnings()).toHaveLength(2)
  })

  test('a file that is gone', () => {
    const { config, current, files } = following(
      'SCHEMA_REGISTRY_',
      {},
      {
        SCHEMA_REGISTRY_USERNAME: 'app',
        SCHEMA_REGISTRY_PASSWORD: 'first',
      },
    )
    files.remove()
    expect(current()).toBe(config)
    expect(warnings()).toEqual([
      expect.stringMatching(/^SCHEMA_REGISTRY_USERNAME_FILE cannot be read: \/.*ENOENT/),
      expect.stringMatching(/^SCHEMA_REGISTRY_PASSWORD_FILE cannot be read: \/.*ENOENT/),
    ])
    current()
    expect(warnings()).toHaveLength(2)
  })

  test('one file that is bad keeps nobody from another that is good', () => {
    const { current, files } = following('KAFKA_', SCRAM, {
      KAFKA_SASL_USERNAME: 'app',
      KAFKA_SASL_PASSWORD: 'first',
      KAFKA_TLS_CA: authority.ca,
    })
    files.swap({ KAFKA_TLS_CA: 'nonsense', KAFKA_SASL_PASSWORD: 'second' })
    expect(current()).toMatchObject({ kafkaTlsCa: authority.ca, kafkaSaslPassword: 'second' })
  })

  test('a URL that turns off what certificates turn on', () => {
    const secrets = { DATABASE_URL: 'postgres://a@db/x', DATABASE_TLS_CA: authority.ca }
    const { current, files } = following('DATABASE_', {}, secrets)
    files.swap({ DATABASE_URL: 'postgres://a:hunter2@db/x?sslmode=disable' })
    expect(current()).toMatchObject({ databaseUrl: 'postgres://a@db/x' })
    expect(warnings()[0]).toContain('sslmode')
    expect(JSON.stringify(log.lines)).not.toContain('hunter2')
  })
})
