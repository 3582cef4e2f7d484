import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deadLetterTopicOf, definition, type Environment, parseConfig } from '../src/config.ts'
import { InvalidConfiguration } from '../src/consumer/errors.ts'
import { newAuthority } from './support/certificates.ts'

const REQUIRED = { KAFKA_BROKERS: 'a:9092', KAFKA_GROUP_ID: 'g', SCHEMA_REGISTRY_URL: 'http://registry:8081' }
const HANDLER = { name: 'orders', timeoutMs: 5_000, needsDatabase: false, topics: ['orders'] }
const authority = await newAuthority()
const PEM = authority.ca
const OWN = await authority.issue('sluice')
const ANOTHER = await authority.issue('sluice')

const OAUTH = {
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_OAUTH_TOKEN_URL: 'https://issuer/token',
  KAFKA_OAUTH_CLIENT_ID: 'x',
  KAFKA_OAUTH_CLIENT_SECRET: 'y',
}

const parse = (env: Environment, handlers = [HANDLER]) => parseConfig({ ...REQUIRED, ...env }, { handlers })

function problemsOf(env: Environment, handlers = [HANDLER]): readonly string[] {
  try {
    parseConfig(env, { handlers })
    return []
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems
    throw error
  }
}

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')

describe('a configuration', () => {
  test('needs only what is required; the rest has the documented defaults', () => {
    expect(parse({})).toMatchObject({
      kafkaBrokers: ['a:9092'],
      kafkaGroupId: 'g',
      kafkaClientId: 'sluice',
      kafkaTls: false,
      kafkaSaslMechanism: null,
      kafkaSessionTimeoutMs: 30_000,
      kafkaRebalanceTimeoutMs: 60_000,
      schemaRegistryUrl: 'http://registry:8081',
      schemaRegistryTimeoutMs: 2_000,
      databaseUrl: null,
      databasePoolMax: 10,
      startFrom: 'earliest',
      httpHost: '0.0.0.0',
      httpPort: 8_080,
      inFlightMax: 100,
      bufferRecordsMax: 100_000,
      bufferBytesMax: 67_108_864,
      partitionWindowMax: 10_000,
      commitIntervalMs: 1_000,
      drainTimeoutMs: 20_000,
      deadLetterTopic: '{topic}.{group}.dlt',
      deadLetterCreate: false,
      logLevel: 'info',
      migrate: true,
      inboxRetention: 14 * 86_400_000,
      sampleLoginMs: 50,
      sampleLogoutMs: 20,
      sampleOrderMs: 10,
    })
  })

  test('is frozen', () => {
    expect(Object.isFrozen(parse({}))).toBe(true)
  })

  test('takes the values that are given', () => {
    const given = parse({
      KAFKA_BROKERS: 'a:9092, b:9093,[::1]:9094',
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA: PEM,
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'app',
      KAFKA_SASL_PASSWORD: ' blanks belong to it ',
      SCHEMA_REGISTRY_URL: 'https://host:8080/apis/ccompat/v7',
      DATABASE_URL: 'postgres://u:p@db/x',
      INBOX_RETENTION: '36h',
      HTTP_PORT: '0',
      START_FROM: 'latest',
      MIGRATE: 'false',
    })
    expect(given).toMatchObject({
      kafkaBrokers: ['a:9092', 'b:9093', '[::1]:9094'],
      kafkaTls: true,
      kafkaTlsCa: PEM,
      kafkaSaslPassword: ' blanks belong to it ',
      databaseUrl: 'postgres://u:p@db/x',
      inboxRetention: 36 * 3_600_000,
      httpPort: 0,
      startFrom: 'latest',
      migrate: false,
    })
  })

  test('reads an empty variable as one that is not given', () => {
    expect(parse({ KAFKA_CLIENT_ID: '', HTTP_PORT: ' ', DATABASE_URL: '' })).toMatchObject({
      kafkaClientId: 'sluice',
      httpPort: 8_080,
      databaseUrl: null,
    })
  })
})

describe('wrong input, one at a time, is named with what it must be', () => {
  const cases: readonly (readonly [env: Environment, problem: RegExp])[] = [
    [{ KAFKA_BROKERS: '' }, /^KAFKA_BROKERS is required, and it is empty$/],
    [{ KAFKA_GROUP_ID: '  ' }, /^KAFKA_GROUP_ID is required, and it is empty$/],
    [{ KAFKA_BROKERS: 'localhost' }, /^KAFKA_BROKERS must be host:port/],
    [{ KAFKA_BROKERS: 'a:9092,' }, /^KAFKA_BROKERS must be host:port/],
    [{ KAFKA_BROKERS: 'a:70000' }, /^KAFKA_BROKERS must be host:port/],
    [{ KAFKA_BROKERS: 'SASL_SSL://a:9092' }, /without a scheme/],
    [{ SCHEMA_REGISTRY_URL: 'registry:8081' }, /^SCHEMA_REGISTRY_URL must be a URL that begins with http/],
    [{ SCHEMA_REGISTRY_URL: 'http://u:hunter2@registry:8081' }, /without a user and password/],
    [{ DATABASE_URL: 'mysql://db/x' }, /^DATABASE_URL must be a URL that begins with postgres/],
    [{ HTTP_PORT: '65536' }, /^HTTP_PORT must be a whole number from 0 to 65535, not "65536"$/],
    [{ HTTP_PORT: '-1' }, /^HTTP_PORT must be a whole number/],
    [{ HTTP_PORT: '8080.5' }, /^HTTP_PORT must be a whole number/],
    [{ HTTP_PORT: '0x50' }, /^HTTP_PORT must be a whole number/],
    [{ HTTP_PORT: '1e3' }, /^HTTP_PORT must be a whole number/],
    [{ IN_FLIGHT_MAX: '0' }, /^IN_FLIGHT_MAX must be a whole number from 1/],
    [{ COMMIT_INTERVAL_MS: '2147483648' }, /^COMMIT_INTERVAL_MS must be a whole number/],
    [{ KAFKA_TLS: 'yes' }, /^KAFKA_TLS must be true or false, not "yes"$/],
    [{ START_FROM: 'Latest' }, /^START_FROM must be one of earliest, latest/],
    [{ LOG_LEVEL: 'verbose' }, /^LOG_LEVEL must be one of trace, debug/],
    [{ INBOX_RETENTION: '14' }, /^INBOX_RETENTION must be a whole number above 0 with a unit/],
    [{ INBOX_RETENTION: '0d' }, /^INBOX_RETENTION must be/],
    [{ KAFKA_TLS: 'true', KAFKA_TLS_CA: '/etc/ca.pem' }, /^KAFKA_TLS_CA must be a PEM text/],
    [{ KAFKA_TLS_CA: PEM }, /KAFKA_TLS is not true: connections would be in clear/],
    [{ KAFKA_TLS: 'true', KAFKA_TLS_CERT: OWN.cert }, /^KAFKA_TLS_CERT and KAFKA_TLS_KEY belong together/],
    [
      { KAFKA_TLS: 'true', KAFKA_TLS_CERT: OWN.cert, KAFKA_TLS_KEY: ANOTHER.key },
      /^KAFKA_TLS_KEY is not the key of KAFKA_TLS_CERT$/,
    ],
    [{ KAFKA_TLS: 'true', KAFKA_TLS_CA: OWN.key }, /^KAFKA_TLS_CA must be a PEM text of certificates/],
    [
      { KAFKA_TLS: 'true', KAFKA_TLS_CERT: OWN.cert, KAFKA_TLS_KEY: OWN.cert },
      /^KAFKA_TLS_KEY must be a PEM text of a private key .* without a passphrase$/,
    ],
    [
      { KAFKA_TLS: 'true', KAFKA_TLS_CA: `${PEM}\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----` },
      /^KAFKA_TLS_CA must be a PEM text of certificates/,
    ],
    [{ KAFKA_OAUTH_TLS_CA: PEM }, /^KAFKA_OAUTH_TLS_CA is given, but KAFKA_OAUTH_TOKEN_URL is not$/],
    [
      { ...OAUTH, KAFKA_OAUTH_TOKEN_URL: 'http://issuer/token', KAFKA_OAUTH_TLS_CA: PEM },
      /^KAFKA_OAUTH_TLS_CA is given, and KAFKA_OAUTH_TOKEN_URL begins with http/,
    ],
    [{ SCHEMA_REGISTRY_TLS_CA: PEM }, /^SCHEMA_REGISTRY_TLS_CA, .* SCHEMA_REGISTRY_URL begins with http: /],
    [
      { SCHEMA_REGISTRY_URL: 'https://registry', SCHEMA_REGISTRY_TLS_KEY: OWN.key },
      /^SCHEMA_REGISTRY_TLS_CERT and SCHEMA_REGISTRY_TLS_KEY belong together/,
    ],
    [{ DATABASE_TLS_CA: PEM }, /^DATABASE_TLS_CA, .* is given, but DATABASE_URL is not$/],
    [{ DATABASE_TLS_CA: PEM, DATABASE_URL: 'postgres://db/x?sslmode=disable' }, /^DATABASE_URL has an sslmode that/],
    [{ DATABASE_TLS_CA: PEM, DATABASE_URL: 'postgres://db/x?sslmode=prefer' }, /^DATABASE_URL has an sslmode that/],
    [{ DATABASE_TLS_CA: PEM, DATABASE_URL: 'postgres://db/x?sslmode=no-verify' }, /^DATABASE_URL has an sslmode that/],
    [{ DATABASE_TLS_CA: PEM, DATABASE_URL: 'postgres://db/x?sslrootcert=a' }, /^DATABASE_URL says sslrootcert, and/],
    [{ DATABASE_TLS_CA: PEM, DATABASE_URL: 'postgres://db/x?ssl=0' }, /^DATABASE_URL says ssl, and/],
    [
      { DATABASE_TLS_CERT: OWN.cert, DATABASE_TLS_KEY: ANOTHER.key, DATABASE_URL: 'postgres://db/x' },
      /^DATABASE_TLS_KEY is not the key of DATABASE_TLS_CERT$/,
    ],
    [
      { KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_USERNAME: 'u' },
      /^KAFKA_SASL_PASSWORD is required with KAFKA_SASL_MECHANISM=scram-sha-256$/,
    ],
    [{ KAFKA_SASL_USERNAME: 'u' }, /^KAFKA_SASL_USERNAME is given, but KAFKA_SASL_MECHANISM is not$/],
    [
      { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p' },
      /sends the password in clear/,
    ],
    [{ KAFKA_OAUTH_CLIENT_ID: 'x' }, /^KAFKA_OAUTH_CLIENT_ID is given, but KAFKA_SASL_MECHANISM is not$/],
    [
      { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_CLIENT_ID: 'x', KAFKA_OAUTH_CLIENT_SECRET: 'y' },
      /^KAFKA_OAUTH_TOKEN_URL is required with KAFKA_SASL_MECHANISM=oauthbearer$/,
    ],
    [{ SCHEMA_REGISTRY_USERNAME: 'u' }, /belong together/],
    [{ KAFKA_SESSION_TIMEOUT_MS: '1499' }, /1499 < 3 heartbeats × 500 ms = 1500/],
    [{ KAFKA_REBALANCE_TIMEOUT_MS: '29999' }, /29999 < 30000 = KAFKA_SESSION_TIMEOUT_MS/],
    [{ DRAIN_TIMEOUT_MS: '4999' }, /4999 < 5000 = timeoutMs of handler orders/],
    [{ DEAD_LETTER_TOPIC: '{topic}' }, /is orders for the topic orders, and that is a source topic/],
    [{ DEAD_LETTER_TOPIC: 'a b' }, /takes for no topic's name/],
    [{ DEAD_LETTER_TOPIC: '{topics}.dlt' }, /takes for no topic's name/],
  ]
  test.each(cases)('%j', (env, problem) => {
    const problems = problemsOf({ ...REQUIRED, ...env })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(problem)
  })
})

describe('what is allowed', () => {
  const cases: readonly Environment[] = [
    { KAFKA_SESSION_TIMEOUT_MS: '1500', KAFKA_REBALANCE_TIMEOUT_MS: '1500' },
    { DRAIN_TIMEOUT_MS: '5000' },
    {
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'u',
      KAFKA_SASL_PASSWORD: 'p',
      KAFKA_ALLOW_INSECURE_SASL: 'true',
    },
    { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'p', KAFKA_TLS: 'true' },
    { DEAD_LETTER_TOPIC: 'all-dead-letters' },
    { KAFKA_TLS: 'true', KAFKA_TLS_CA: `${PEM}\n${OWN.cert}`, KAFKA_TLS_CERT: OWN.cert, KAFKA_TLS_KEY: OWN.key },
    // Those after the first lead to its authority.
    { KAFKA_TLS: 'true', KAFKA_TLS_CERT: `${OWN.cert}\n${PEM}`, KAFKA_TLS_KEY: OWN.key },
    { ...OAUTH, KAFKA_OAUTH_TLS_CA: PEM },
    { SCHEMA_REGISTRY_URL: 'https://registry', SCHEMA_REGISTRY_TLS_CA: PEM },
    { DATABASE_URL: 'postgres://db/x', DATABASE_TLS_CA: PEM },
    { DATABASE_URL: 'postgres://db/x?sslmode=verify-full', DATABASE_TLS_CA: PEM },
    { DATABASE_URL: 'postgres://db/x?sslmode=disable' },
    { HTTP_PROXY: 'x', KAFKA_HOME: 'x', DATABASE_NAME: 'x' },
    { KAFKA_BROKER: 'x' },
  ]
  test.each(cases)('%j', env => {
    expect(problemsOf({ ...REQUIRED, ...env })).toEqual([])
  })
})

test('every problem is reported at once, and checks of what is wrong already are left out', () => {
  const problems = problemsOf({
    KAFKA_BROKERS: 'x',
    KAFKA_SESSION_TIMEOUT_MS: 'x',
    KAFKA_REBALANCE_TIMEOUT_MS: '1',
    HTTP_PORT: 'x',
    DRAIN_TIMEOUT_MS: '1',
  })
  expect(problems.map(problem => problem.split(' ')[0])).toEqual([
    'KAFKA_BROKERS',
    'KAFKA_GROUP_ID',
    'KAFKA_SESSION_TIMEOUT_MS',
    'SCHEMA_REGISTRY_URL',
    'HTTP_PORT',
    'DRAIN_TIMEOUT_MS',
  ])
})

test('the database is required when a handler has an idempotency key, and the handlers are named', () => {
  const once = { ...HANDLER, name: 'payments', needsDatabase: true }
  expect(problemsOf(REQUIRED, [HANDLER, once])).toEqual([
    'DATABASE_URL is required: these handlers have an idempotency key: payments',
  ])
  expect(problemsOf({ ...REQUIRED, DATABASE_URL: 'postgresql://db/x' }, [HANDLER, once])).toEqual([])
})

test('no problem holds a secret, also where it was put in the place of something else', () => {
  const secret = 'hunter2-hunter2'
  const problems = problemsOf({
    KAFKA_BROKERS: secret,
    KAFKA_TLS: secret,
    KAFKA_TLS_KEY: secret,
    KAFKA_SASL_MECHANISM: secret,
    KAFKA_SASL_PASSWORD: secret,
    SCHEMA_REGISTRY_URL: `http://u:${secret}@x`,
    DATABASE_URL: secret,
    HTTP_PORT: secret,
    INBOX_RETENTION: secret,
    DRAIN_TIMEOUT_MS: `${secret} and much more than that`,
  })
  expect(problems.length).toBeGreaterThan(8)
  expect(problems.join('\n')).not.toContain('hunter2')
})

describe('NAME_FILE', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }

  test('reads the value from a file, without the newline that editors put at its end', () => {
    for (const newline of ['', '\n', '\r\n']) {
      expect(parse({ DATABASE_URL_FILE: file('a', `postgres://u:p@db/x${newline}`) }).databaseUrl).toBe(
        'postgres://u:p@db/x',
      )
    }
    expect(parse({ HTTP_PORT_FILE: file('b', '9090\n') }).httpPort).toBe(9_090)
  })

  test('keeps everything of the value but one newline', () => {
    const sasl = { KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_USERNAME: 'u' }
    expect(parse({ ...sasl, KAFKA_SASL_PASSWORD_FILE: file('c', ' a \n\n') }).kafkaSaslPassword).toBe(' a \n')
  })

  test('both forms, a missing file and an empty one are problems; the content is not shown', () => {
    const content = file('d', 'hunter2')
    expect(problemsOf({ ...REQUIRED, HTTP_PORT: '1', HTTP_PORT_FILE: content })[0]).toBe(
      'HTTP_PORT and HTTP_PORT_FILE are both given: give one of them',
    )
    const none = join(folder, 'none')
    const lost = problemsOf({ ...REQUIRED, HTTP_PORT_FILE: none })[0]
    expect(lost).toMatch(/^HTTP_PORT_FILE cannot be read: .*ENOENT/)
    expect(lost).toContain(`: ${none}: `)
    // The system's own words for this one hold no path.
    expect(problemsOf({ ...REQUIRED, HTTP_PORT_FILE: folder })[0]).toContain(
      `HTTP_PORT_FILE cannot be read: ${folder}: `,
    )
    const empty = file('e', '\n')
    expect(problemsOf({ ...REQUIRED, HTTP_PORT_FILE: empty })[0]).toBe(`HTTP_PORT_FILE: ${empty} is empty`)
    const malformed = problemsOf({ ...REQUIRED, KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: content })[0]
    expect(malformed).toBe(
      `the content of KAFKA_TLS_CA_FILE, ${content}, must be a PEM text of certificates (-----BEGIN CERTIFICATE-----)`,
    )
    expect(problemsOf({ ...REQUIRED, DATABASE_URL_FILE: content }).join()).not.toContain('hunter2')
  })
})

test('a name that is almost one of ours gets a hint, and no other', () => {
  const env = {
    KAFKA_BROKER: 'x',
    KAFKA_GROUPID: 'x',
    IN_FLIGT_MAX: '1',
    KAFKA_SASL_PASWORD_FILE: 'x',
    HTTP_PROXY: 'x',
    KAFKA_HOME: 'x',
    PATH: 'x',
    HTTP_PORT_FILE: 'x',
  }
  expect(definition.misspelled(env)).toEqual([
    'KAFKA_BROKER is not a variable of this program: did you mean KAFKA_BROKERS?',
    'KAFKA_GROUPID is not a variable of this program: did you mean KAFKA_GROUP_ID?',
    'IN_FLIGT_MAX is not a variable of this program: did you mean IN_FLIGHT_MAX?',
    'KAFKA_SASL_PASWORD_FILE is not a variable of this program: did you mean KAFKA_SASL_PASSWORD?',
  ])
  expect(problemsOf({ KAFKA_BROKER: 'a:1' })).toContain(
    'KAFKA_BROKERS is required (KAFKA_BROKER is given: is it misspelled?)',
  )
})

test('the values in force are shown with their origin and without secrets', () => {
  const shown = definition.effective({ ...REQUIRED, DATABASE_URL: 'postgres://u:hunter2@db/x', KAFKA_TLS_CA: PEM })
  const of = (name: string) => shown.find(each => each.name === name)
  expect(JSON.stringify(shown)).not.toContain('hunter2')
  expect(of('KAFKA_GROUP_ID')).toMatchObject({ value: 'g', origin: 'environment' })
  expect(of('DATABASE_URL')).toMatchObject({ value: 'postgres://u:***@db/x', origin: 'environment' })
  expect(of('HTTP_PORT')).toMatchObject({ value: '8080', origin: 'default' })
  expect(of('KAFKA_SASL_MECHANISM')).toMatchObject({ value: null, origin: null })
  expect(of('KAFKA_TLS_CA')?.value).toMatch(/^\[\d+ characters\]$/)
})

test('the address for the health check is read alone: nothing else has to be right', () => {
  expect(definition.httpAddress({ HTTP_PORT: '9' })).toEqual({ httpHost: '0.0.0.0', httpPort: 9 })
  expect(() => definition.httpAddress({ HTTP_PORT: 'x' })).toThrow(InvalidConfiguration)
})

test("a dead letter topic's name is made of the topic and the group, whatever signs they hold", () => {
  expect(deadLetterTopicOf('{topic}.{group}.dlt', { topic: 'orders', group: 'g' })).toBe('orders.g.dlt')
  expect(deadLetterTopicOf('{topic}.{group}', { topic: '$&', group: '{topic}' })).toBe('$&.{topic}')
})

describe('the definition is what the documents say', () => {
  test('.env.example is what `node src/cli.ts config --example` prints', () => {
    expect(read('.env.example')).toBe(definition.example())
  })

  test("the README's table is what `node src/cli.ts config --table` prints", () => {
    const found = /<!-- configuration:begin -->.*<!-- configuration:end -->/s.exec(read('README.md'))
    expect(found?.[0]).toBe(definition.table())
  })

  test('.env.example is a configuration that can be started with', () => {
    const lines = definition
      .example()
      .split('\n')
      .filter(line => /^[A-Z]/.test(line))
    expect(problemsOf(Object.fromEntries(lines.map(line => line.split('=', 2))))).toEqual([])
  })
})
