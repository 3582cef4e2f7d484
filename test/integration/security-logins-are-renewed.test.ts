/**
 * What changes while the service runs: tokens that live for seconds, a password that is changed at the broker, a client that
 * its issuer no longer knows. Sessions end after eight seconds, so every connection has to log in again and again. As long as it is let in
 * nothing is to be seen of that; when it is not, it holds, says why and knocks seldom, and it goes on by itself once the files are right.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { StatusBody } from '../../src/adapters/http/status-schema.ts'
import { userActivity } from '../../src/handlers/user-activity.ts'
import { type RunningService, runService } from '../../src/service.ts'
import { type Effects, effectsIn } from '../support/effects.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshDatabase, freshName, parts, until } from '../support/parts.ts'
import { readTopic } from '../support/read-topic.ts'
import { setScramPassword } from '../support/scram-password.ts'
import { type SecretFiles, secretFiles } from '../support/secret-files.ts'
import { SESSION_MS_MAX, type SecureBroker, startSecureBroker } from '../support/secure-broker.ts'
import { activityStream, logins, type Stream } from '../support/stream.ts'
import { type TokenEndpoint, tokenEndpoint } from '../support/token-endpoint.ts'

const REFUSED_MS = 10_000
/** One a second. */
const CONNECTIONS_MAX = 10
const PARTITIONS = 4

/** Ports that were connected to over TLS, in this process. */
const connections: number[] = []
const { connect } = tls

let broker: SecureBroker
let world: KafkaWorld
let endpoint: TokenEndpoint

beforeAll(async () => {
  // Boundary: it is called with options first, here and in Node's own https.
  tls.connect = ((options: tls.ConnectionOptions, onConnect?: () => void) => {
    connections.push(options.port ?? 0)
    return connect(options, onConnect)
  }) as typeof tls.connect
  broker = await startSecureBroker()
  world = new KafkaWorld([broker.adminAddress])
  endpoint = await tokenEndpoint(await broker.authority.issue('issuer', { hosts: ['localhost'] }), 'sluice:first')
})
afterAll(async () => {
  tls.connect = connect
  await world.close()
  await Promise.all([broker.stop(), endpoint.stop()])
})

interface Running {
  readonly service: RunningService
  readonly topic: string
  readonly group: string
  readonly files: SecretFiles
  readonly effects: Effects
  readonly stream: Stream
  sent: number
}

const endings: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

/** In this process, so that its connections can be counted. */
async function running(
  address: string,
  env: Record<string, string>,
  secrets: Record<string, string>,
): Promise<Running> {
  const topic = freshName('renewed')
  const group = freshName('group')
  await world.createTopic(topic, PARTITIONS)
  const database = await freshDatabase()
  endings.push(() => database.drop())
  const effects = effectsIn(database.url)
  const stream = await activityStream({ brokers: [broker.adminAddress], registryUrl: parts().registryUrl, topic })
  endings.push(async () => void (await Promise.all([effects.end(), stream.close()])))
  const files = secretFiles({ ...secrets, KAFKA_TLS_CA: broker.authority.ca, DATABASE_URL: database.url })
  endings.push(async () => files.remove())
  const service = await runService({
    handlers: [{ ...userActivity({ loginMs: 0, logoutMs: 0 }), topics: [topic] }],
    migrations: new URL('../../migrations/samples/', import.meta.url),
    ownProcess: false,
    env: {
      KAFKA_BROKERS: address,
      KAFKA_GROUP_ID: group,
      KAFKA_TLS: 'true',
      SCHEMA_REGISTRY_URL: parts().registryUrl,
      DEAD_LETTER_CREATE: 'true',
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: '0',
      LOG_LEVEL: 'silent',
      ...env,
      ...files.env,
    },
  })
  endings.push(async () => void (await service.stop()))
  return { service, topic, group, files, effects, stream, sent: 0 }
}

/** Some records every moment, for so long. */
async function keepSending(to: Running, forMs: number): Promise<void> {
  for (const endMs = performance.now() + forMs; performance.now() < endMs; await sleep(100)) {
    await to.stream.send(logins(10, 10))
    to.sent += 10
  }
}

async function metric({ service }: Running, name: string): Promise<number> {
  const lines = (await (await fetch(`${service.url}/metrics`)).text()).split('\n')
  const values = lines.filter(line => line.startsWith(name)).map(line => Number(line.split(' ').at(-1)))
  return values.reduce((sum, value) => sum + value, 0)
}

async function kafkaError({ service }: Running): Promise<string> {
  // Boundary: the route's schema is held by the tests of the HTTP adapter.
  const { dependencies } = (await (await fetch(`${service.url}/status`)).json()) as StatusBody
  return dependencies.find(({ name }) => name === 'kafka')?.error ?? ''
}

/** Each event has had its effect, once, and nothing was put aside. */
async function expectAllOnce(all: Running): Promise<void> {
  await until('everything is handled', async () => (await all.effects.handled()) === all.sent, { timeoutMs: 60_000 })
  expect(await all.effects.logins()).toBe(all.sent)
  expect(await readTopic(world, `${all.topic}.${all.group}.dlt`)).toEqual([])
}

/** Not ready and alive, with these words, and few connections in ten seconds. */
async function expectHeld(held: Running, port: number, words: readonly string[]): Promise<void> {
  await until(
    `it says ${words.join(', ')}`,
    async () => {
      const error = await kafkaError(held)
      return words.every(word => error.includes(word))
    },
    { timeoutMs: 60_000 },
  )
  connections.length = 0
  await Promise.all([sleep(REFUSED_MS), keepSending(held, REFUSED_MS / 2)])
  expect(connections.filter(to => to === port).length).toBeLessThanOrEqual(CONNECTIONS_MAX)
  expect((await fetch(`${held.service.url}/readyz`)).status).toBe(503)
  expect((await fetch(`${held.service.url}/livez`)).status).toBe(200)
}

async function ready({ service }: Running): Promise<boolean> {
  return (await fetch(`${service.url}/readyz`)).ok
}

const portOf = (address: string): number => Number(address.split(':')[1])

test('tokens that live six seconds: records flow on, nothing is delivered again, nobody joins anew', async () => {
  endpoint.client = 'sluice:first'
  endpoint.lifetimeS = 6
  const service = await running(
    broker.addresses.OAUTH,
    { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_TOKEN_URL: endpoint.url, KAFKA_OAUTH_SCOPE: 'kafka' },
    {
      KAFKA_OAUTH_CLIENT_ID: 'sluice',
      KAFKA_OAUTH_CLIENT_SECRET: 'first',
      KAFKA_OAUTH_TLS_CA: broker.authority.ca,
    },
  )
  await until('it is ready', () => ready(service), { timeoutMs: 60_000 })
  // The connection that records come over is the last to be opened.
  await keepSending(service, 1_000)
  await expectAllOnce(service)
  const joins = await metric(service, 'sluice_rebalances_total')
  const questions = endpoint.questions.length
  connections.length = 0
  await keepSending(service, 25_000)
  await expectAllOnce(service)
  expect(endpoint.questions.length - questions).toBeGreaterThan(4)
  expect(await metric(service, 'sluice_rebalances_total')).toBe(joins)
  expect(await metric(service, 'sluice_redelivered_records_total')).toBe(0)
  // On the connections that it has.
  expect(connections.filter(port => port === portOf(broker.addresses.OAUTH))).toEqual([])
  expect(await ready(service)).toBe(true)

  // The issuer has another secret for us now, and nobody has told us.
  endpoint.client = 'sluice:second'
  await expectHeld(service, portOf(broker.addresses.OAUTH), ['refuses our client', 'KAFKA_OAUTH_CLIENT_SECRET'])
  service.files.swap({ KAFKA_OAUTH_CLIENT_SECRET: 'second' })
  await until('it is ready again', () => ready(service), { timeoutMs: 60_000 })
  await expectAllOnce(service)
})

test('a password that is changed at the broker holds; the new one is taken from its file', async () => {
  const { SCRAM: address } = broker.addresses
  const service = await running(
    address,
    { KAFKA_SASL_MECHANISM: 'scram-sha-512' },
    { KAFKA_SASL_USERNAME: broker.user.name, KAFKA_SASL_PASSWORD: broker.user.password },
  )
  await until('it is ready', () => ready(service), { timeoutMs: 60_000 })
  await keepSending(service, SESSION_MS_MAX + 2_000)
  await expectAllOnce(service)
  expect(await ready(service)).toBe(true)

  const password = crypto.randomUUID()
  await setScramPassword(broker.adminAddress, { name: broker.user.name, password })
  await expectHeld(service, portOf(address), ['refuses our login by scram-sha-512', 'KAFKA_SASL_PASSWORD'])
  // A file that is not written to its end yet changes nothing.
  service.files.swap({ KAFKA_SASL_PASSWORD: '' })
  await sleep(3_000)
  expect(await kafkaError(service)).toContain('KAFKA_SASL_PASSWORD')
  service.files.swap({ KAFKA_SASL_PASSWORD: password })
  await until('it is ready again', () => ready(service), { timeoutMs: 60_000 })
  await expectAllOnce(service)
})
