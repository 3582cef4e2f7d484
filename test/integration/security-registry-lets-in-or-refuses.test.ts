/**
 * A registry behind TLS and a login: the service reads schemas with the right ones, names what is wrong with the others and asks
 * seldom. A password that changes while it runs holds what needs a schema that it does not know, until the file has the new one.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, type Certificate, newAuthority } from '../support/certificates.ts'
import { effectsIn } from '../support/effects.ts'
import { freshDatabase, freshName, freshTopic, parts, until } from '../support/parts.ts'
import { startReplica } from '../support/replica.ts'
import { secretFiles } from '../support/secret-files.ts'
import { type SecureRegistry, secureRegistry } from '../support/secure-registry.ts'
import { activityStream, logins } from '../support/stream.ts'

const REFUSED_MS = 10_000
/** One a second. */
const ARRIVALS_MAX = 10

let authority: Authority
let other: Authority
let shown: Certificate
let own: Certificate
let database: Awaited<ReturnType<typeof freshDatabase>>

beforeAll(async () => {
  authority = await newAuthority()
  other = await newAuthority('another authority')
  shown = await authority.issue('registry', { hosts: ['localhost'] })
  own = await authority.issue('sluice')
  database = await freshDatabase()
})
afterAll(() => database.drop())

interface Case {
  /** Whether it asks for certificates. */
  readonly asks?: boolean
  readonly byAddress?: boolean
  /** Beside those that are right. */
  readonly secrets?: Readonly<Record<string, string>>
}

async function serviceFor({ asks = false, byAddress = false, secrets = {} }: Case) {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('secured', { partitions: 2 })
  const registry = await secureRegistry(registryUrl, shown, {
    login: 'sluice:s3cret-of-mine',
    authority: asks ? authority.ca : null,
  })
  const files = secretFiles({
    SCHEMA_REGISTRY_USERNAME: 'sluice',
    SCHEMA_REGISTRY_PASSWORD: 's3cret-of-mine',
    SCHEMA_REGISTRY_TLS_CA: authority.ca,
    DATABASE_URL: database.url,
    ...secrets,
  })
  const replica = await startReplica({
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: freshName('group'),
    SCHEMA_REGISTRY_URL: byAddress ? registry.addressUrl : registry.url,
    DEAD_LETTER_CREATE: 'true',
    TEST_TOPIC: topic,
    ...files.env,
  })
  const end = async () => {
    replica.kill('SIGKILL')
    await replica.exited
    files.remove()
    await registry.stop()
  }
  return { topic, registry, files, replica, end }
}

const certified = ({ cert, key }: Certificate) => ({ SCHEMA_REGISTRY_TLS_CERT: cert, SCHEMA_REGISTRY_TLS_KEY: key })

describe('let in: a record is decoded and handled', () => {
  test.each<[string, () => Case]>([
    ['by TLS and a password', () => ({})],
    ["by a certificate of one's own, too", () => ({ asks: true, secrets: certified(own) })],
  ])('%s', async (_, caseOf) => {
    const { topic, replica, end } = await serviceFor(caseOf())
    const { brokers, registryUrl } = parts()
    const stream = await activityStream({ brokers, registryUrl, topic })
    const effects = effectsIn(database.url)
    try {
      await until('it is ready', () => replica.ready(), { timeoutMs: 60_000 })
      const before = await effects.handled()
      await stream.send(logins(3, 3))
      await until('they are handled', async () => (await effects.handled()) === before + 3)
      expect(await replica.ready()).toBe(true)
    } finally {
      await Promise.all([stream.close(), effects.end()])
      await end()
    }
  })
})

/** Alive and not ready, with these words, and asked a few times in ten seconds. */
async function expectHeld(
  { registry, replica }: { registry: SecureRegistry; replica: Awaited<ReturnType<typeof startReplica>> },
  says: readonly string[],
): Promise<void> {
  await until(
    'the refusal is named',
    async () => {
      const text = await replica.text('/readyz')
      return says.every(words => text.includes(words))
    },
    { timeoutMs: 60_000 },
  )
  const before = registry.arrivals.length
  await sleep(REFUSED_MS)
  expect(registry.arrivals.length - before).toBeLessThanOrEqual(ARRIVALS_MAX)
  expect((await fetch(`${replica.url}/livez`)).status).toBe(200)
  expect((await fetch(`${replica.url}/readyz`)).status).toBe(503)
  const error = (await replica.status())?.dependencies.find(({ name }) => name === 'registry')?.error
  for (const words of says) expect(error).toContain(words)
  const said = JSON.stringify(replica.lines)
  expect(said).not.toContain('s3cret-of-mine')
  expect(said).not.toContain('wr0ng')
}

const REFUSED: readonly (readonly [name: string, of: () => Case, says: readonly string[]])[] = [
  [
    'a registry of an authority that we do not know',
    () => ({ secrets: { SCHEMA_REGISTRY_TLS_CA: other.ca } }),
    ['the registry shows a certificate of an unknown authority', 'SCHEMA_REGISTRY_TLS_CA'],
  ],
  [
    "a registry with another host's certificate",
    () => ({ byAddress: true }),
    ['certificate for another host', 'IP: 127.0.0.1', 'SCHEMA_REGISTRY_URL'],
  ],
  [
    'a wrong password',
    () => ({ secrets: { SCHEMA_REGISTRY_PASSWORD: 'wr0ng' } }),
    ['does not accept our credentials', 'SCHEMA_REGISTRY_PASSWORD'],
  ],
  ['no certificate where one is asked for', () => ({ asks: true }), ['SCHEMA_REGISTRY_TLS_CERT']],
]

describe('refused: named, alive, and never hot', () => {
  test.concurrent.for(REFUSED)('%s', async ([, caseOf, says]) => {
    const service = await serviceFor(caseOf())
    try {
      await expectHeld(service, says)
      expect(await service.replica.ready()).toBe(false)
    } finally {
      await service.end()
    }
  })
})

test('a password that is changed while the service runs is taken from its file; nothing becomes a dead letter', async () => {
  const service = await serviceFor({})
  const { topic, registry, files, replica, end } = service
  const { brokers, registryUrl } = parts()
  const stream = await activityStream({ brokers, registryUrl, topic })
  const effects = effectsIn(database.url)
  try {
    await until('it is ready', () => replica.ready(), { timeoutMs: 60_000 })
    const before = await effects.handled()
    await stream.send(logins(3, 3))
    await until('they are handled', async () => (await effects.handled()) === before + 3)

    registry.login = 'sluice:n3xt'
    // Known schemas are known for good: only a new one needs the registry.
    await stream.sendRaw(await inAnotherSchema(topic))
    await expectHeld(service, ['does not accept our credentials', 'SCHEMA_REGISTRY_PASSWORD'])
    expect(await effects.handled()).toBe(before + 3)

    files.swap({ SCHEMA_REGISTRY_PASSWORD: 'n3xt' })
    await until('it is handled', async () => (await effects.handled()) === before + 4, { timeoutMs: 60_000 })
    await until('it is ready again', () => replica.ready())
    expect(await replica.text('/metrics')).not.toMatch(/^sluice_dead_letters_total\{.* [1-9]/m)
  } finally {
    await Promise.all([stream.close(), effects.end()])
    await end()
  }
})

/** The same record with a field more, as a newer producer writes it; nobody has registered it before. */
async function inAnotherSchema(topic: string) {
  const registry = new SchemaRegistry({ host: parts().registryUrl })
  const avro: { fields: object[] } = JSON.parse(
    await readFile(new URL('../../schemas/user-activity.avsc', import.meta.url), 'utf8'),
  )
  const schema = JSON.stringify({
    ...avro,
    fields: [...avro.fields, { name: topic.replaceAll('-', '_'), type: 'int', default: 0 }],
  })
  const { id } = await registry.register({ type: SchemaType.AVRO, schema }, { subject: `${topic}-value` })
  const [event] = logins(1, 1)
  return [
    {
      key: 'a',
      value: await registry.encode(id, { ...event, occurredAt: Date.now(), [topic.replaceAll('-', '_')]: 7 }),
    },
  ]
}
