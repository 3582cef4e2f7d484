/**
 * Every way of being let in by a broker, and every way of being refused, with the whole service as a program of its own. Who is
 * let in reads a record to its end and writes a dead letter, so both clients have logged in. Who is refused stays alive and not
 * ready, says which variable to check, and knocks a few times in ten seconds, however often kafkajs would like to.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, type Certificate, newAuthority } from '../support/certificates.ts'
import { effectsIn } from '../support/effects.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshDatabase, freshName, parts, until } from '../support/parts.ts'
import { proxyTo } from '../support/proxy.ts'
import { readTopic } from '../support/read-topic.ts'
import { startReplica } from '../support/replica.ts'
import { secretFiles } from '../support/secret-files.ts'
import { type SecureBroker, type SecureListener, startSecureBroker } from '../support/secure-broker.ts'
import { activityStream, logins } from '../support/stream.ts'
import { type TokenEndpoint, tokenEndpoint } from '../support/token-endpoint.ts'

const REFUSED_MS = 10_000
/** One a second. What is seen is two to four. */
const ARRIVALS_MAX = 10

let broker: SecureBroker
let world: KafkaWorld
let other: Authority
let own: Certificate
let foreign: Certificate
let endpoint: TokenEndpoint
let database: Awaited<ReturnType<typeof freshDatabase>>

beforeAll(async () => {
  broker = await startSecureBroker()
  world = new KafkaWorld([broker.adminAddress])
  other = await newAuthority('another authority')
  own = await broker.authority.issue('sluice')
  foreign = await other.issue('sluice')
  endpoint = await tokenEndpoint(
    await broker.authority.issue('issuer', { hosts: ['localhost'] }),
    'sluice:s3cret-of-mine',
  )
  database = await freshDatabase()
})
afterAll(async () => {
  await world.close()
  await Promise.all([broker.stop(), endpoint.stop(), database.drop()])
})

interface Case {
  readonly listener: SecureListener
  readonly env?: Readonly<Record<string, string>>
  /** Given as files. */
  readonly secrets: Readonly<Record<string, string>>
  /** Where the bootstrap address is written by name. */
  readonly host?: string
}

const tls = () => ({ KAFKA_TLS_CA: broker.authority.ca })
const certified = ({ cert, key }: Certificate) => ({ ...tls(), KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key })
const login = (password = broker.user.password) => ({
  ...tls(),
  KAFKA_SASL_USERNAME: broker.user.name,
  KAFKA_SASL_PASSWORD: password,
})
const token = (secret = 's3cret-of-mine') => ({
  ...tls(),
  KAFKA_OAUTH_CLIENT_ID: 'sluice',
  KAFKA_OAUTH_CLIENT_SECRET: secret,
  KAFKA_OAUTH_TLS_CA: broker.authority.ca,
})
const by = (mechanism: string) => ({ KAFKA_SASL_MECHANISM: mechanism })
const oauth = () => ({ ...by('oauthbearer'), KAFKA_OAUTH_TOKEN_URL: endpoint.url, KAFKA_OAUTH_SCOPE: 'kafka' })

/** A service on a topic of its own, with its bootstrap address behind a proxy that counts. */
async function serviceFor({ listener, env = {}, secrets, host = '127.0.0.1' }: Case) {
  const topic = freshName('secured')
  const group = freshName('group')
  await world.createTopic(topic, 1)
  const proxy = await proxyTo(`tcp://${broker.addresses[listener]}`)
  const files = secretFiles({ ...secrets, DATABASE_URL: database.url })
  const replica = await startReplica({
    KAFKA_BROKERS: `${host}:${new URL(proxy.url).port}`,
    KAFKA_GROUP_ID: group,
    KAFKA_TLS: 'true',
    SCHEMA_REGISTRY_URL: parts().registryUrl,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
    ...env,
    ...files.env,
  })
  const end = async () => {
    replica.kill('SIGKILL')
    await replica.exited
    files.remove()
    await proxy.stop()
  }
  return { topic, group, proxy, replica, end }
}

const LET_IN: readonly (readonly [name: string, of: () => Case])[] = [
  ['TLS', () => ({ listener: 'TLS', secrets: tls() })],
  ['TLS, by the name of a host', () => ({ listener: 'TLS', secrets: tls(), host: 'localhost' })],
  ['TLS with a certificate of our own', () => ({ listener: 'MTLS', secrets: certified(own) })],
  ['PLAIN', () => ({ listener: 'PLAIN', env: by('plain'), secrets: login() })],
  ['SCRAM-SHA-256', () => ({ listener: 'SCRAM', env: by('scram-sha-256'), secrets: login() })],
  ['SCRAM-SHA-512', () => ({ listener: 'SCRAM', env: by('scram-sha-512'), secrets: login() })],
  ['OAUTHBEARER', () => ({ listener: 'OAUTH', env: oauth(), secrets: token() })],
]

describe('let in: a record is handled, another one becomes a dead letter', () => {
  test.each(LET_IN)('%s', async (_, caseOf) => {
    const { topic, group, replica, end } = await serviceFor(caseOf())
    const stream = await activityStream({ brokers: [broker.adminAddress], registryUrl: parts().registryUrl, topic })
    const effects = effectsIn(database.url)
    try {
      await stream.sendRaw([{ value: 'no Avro at all' }])
      await until('it is ready', () => replica.ready(), { timeoutMs: 60_000 })
      const before = await effects.handled()
      await stream.send(logins(1, 1))
      await until('the record is handled', async () => (await effects.handled()) === before + 1)
      await until('and committed', async () => (await world.committed(group, topic, 0))?.nextOffset === 2)
      expect(await readTopic(world, `${topic}.${group}.dlt`)).toHaveLength(1)
      replica.kill('SIGTERM')
      expect(await replica.exited).toBe(0)
    } finally {
      await Promise.all([stream.close(), effects.end()])
      await end()
    }
  })
})

const REFUSED: readonly (readonly [name: string, of: () => Case, says: readonly string[]])[] = [
  [
    'a broker of an authority that we do not know',
    () => ({ listener: 'TLS', secrets: { KAFKA_TLS_CA: other.ca } }),
    ['unknown authority', 'KAFKA_TLS_CA'],
  ],
  [
    "a broker with another host's certificate",
    () => ({ listener: 'ELSEWHERE', secrets: tls(), host: 'localhost' }),
    ['certificate for another host', 'Host: localhost.', 'kafka.elsewhere.example', 'KAFKA_BROKERS'],
  ],
  [
    "a broker with another host's certificate, by its address",
    () => ({ listener: 'ELSEWHERE', secrets: tls() }),
    ['certificate for another host', 'IP: 127.0.0.1', 'KAFKA_BROKERS'],
  ],
  ['a broker whose certificate has expired', () => ({ listener: 'EXPIRED', secrets: tls() }), ['CERT_HAS_EXPIRED']],
  [
    'no certificate where one is asked for',
    () => ({ listener: 'MTLS', secrets: tls() }),
    ['KAFKA_TLS_CERT', 'KAFKA_TLS_KEY'],
  ],
  [
    "another authority's certificate",
    () => ({ listener: 'MTLS', secrets: certified(foreign) }),
    ['does not accept our certificate', 'KAFKA_TLS_CERT'],
  ],
  [
    'a wrong password by PLAIN',
    () => ({ listener: 'PLAIN', env: by('plain'), secrets: login('wr0ng') }),
    ['refuses our login by plain', 'KAFKA_SASL_PASSWORD'],
  ],
  [
    'a wrong password by SCRAM-SHA-256',
    () => ({ listener: 'SCRAM', env: by('scram-sha-256'), secrets: login('wr0ng') }),
    ['refuses our login by scram-sha-256', 'KAFKA_SASL_PASSWORD'],
  ],
  [
    'a wrong password by SCRAM-SHA-512',
    () => ({ listener: 'SCRAM', env: by('scram-sha-512'), secrets: login('wr0ng') }),
    ['refuses our login by scram-sha-512', 'KAFKA_SASL_PASSWORD'],
  ],
  [
    'a mechanism that the broker does not take',
    () => ({ listener: 'SCRAM', env: by('plain'), secrets: login() }),
    ['KAFKA_SASL_MECHANISM'],
  ],
  [
    'a client that the issuer of tokens refuses',
    () => ({ listener: 'OAUTH', env: oauth(), secrets: token('wr0ng') }),
    ['token endpoint refuses our client', 'KAFKA_OAUTH_CLIENT_SECRET'],
  ],
  [
    'an issuer of tokens of an unknown authority',
    () => ({ listener: 'OAUTH', env: oauth(), secrets: { ...token(), KAFKA_OAUTH_TLS_CA: other.ca } }),
    ['token endpoint', 'unknown authority', 'KAFKA_OAUTH_TLS_CA'],
  ],
]

describe('refused: named, alive, and never hot', () => {
  test.concurrent.for(REFUSED)('%s', async ([, caseOf, says]) => {
    const { replica, proxy, end } = await serviceFor(caseOf())
    try {
      const text = await until(
        'the refusal is named',
        async () => {
          const answer = await replica.text('/readyz')
          return says.every(words => answer.includes(words)) && answer
        },
        { timeoutMs: 60_000 },
      )
      expect(text).not.toContain('wr0ng')
      const before = proxy.arrivals.length
      await sleep(REFUSED_MS)
      expect(proxy.arrivals.length - before).toBeLessThanOrEqual(ARRIVALS_MAX)
      expect(before).toBeLessThanOrEqual(ARRIVALS_MAX)
      expect((await fetch(`${replica.url}/livez`)).status).toBe(200)
      expect((await fetch(`${replica.url}/readyz`)).status).toBe(503)
      const kafka = (await replica.status())?.dependencies.find(({ name }) => name === 'kafka')
      for (const words of says) expect(kafka?.error).toContain(words)
      const said = JSON.stringify(replica.lines)
      expect(said).not.toContain('wr0ng')
      expect(said).not.toContain(broker.user.password)
    } finally {
      await end()
    }
  })
})
