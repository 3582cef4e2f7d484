/**
 * docs/permissions.md is exactly what the service needs. Under an authorizer that denies everything else it does its work and
 * complains of nothing; with any one permission missing it says which, loses nothing, asks with patience, and goes on when it is granted.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { account, uncommitted } from '../../dev/account.ts'
import { createTopics, sendTraffic } from '../../dev/send.ts'
import { planTraffic, type SampleRecord } from '../../dev/traffic.ts'
import { parts, until } from '../support/parts.ts'
import { type Acl, permissionsPage, renamed } from '../support/permissions.ts'
import { type DenyingBroker, startDenyingBroker } from '../support/permissions-broker.ts'
import { type LeastDatabase, leastDatabase } from '../support/permissions-database.ts'
import { listenToServicesHere, logged, type Names, namesFor, serviceHere } from '../support/permissions-service.ts'
import { type Sender, senderTo } from '../support/permissions-traffic.ts'
import { directPool } from '../support/postgres-bench.ts'
import { lagOf, partitionsOf, type Replica, startReplica } from '../support/replica.ts'

const { acls, rows } = permissionsPage()
const of = (...whens: readonly Acl['when'][]) => acls.filter(({ when }) => whens.includes(when))
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const SUFFERED = /not authorized|authorization failed|_AUTHORIZATION_FAILED|not permit|permission denied|42501/i
/** One that reads makes fifteen, and each try of a start, or of a dead letter, is a new client with eight more; a hot loop makes hundreds. */
const REQUESTS_A_SECOND_MAX = 40
const HELD_MS = 3_000
/** Longer than kafkajs believes its metadata, after which it asks for every topic again. */
const HIDDEN_MS = 35_000
const IN_TIME = { timeoutMs: 60_000 }

/** Cases that run side by side, each with names of its own. */
const TAKEN = of('always', 'create').map((acl, at) => ({ acl, names: namesFor(`-${at}`) }))
const UNREAD = of('optional').map((acl, at) => ({ acl, names: namesFor(`-unread-${at}`) }))
const REVOKED = { topic: namesFor('-topic'), letters: namesFor('-letters'), group: namesFor('-group') }

let broker: DenyingBroker
let database: LeastDatabase
let pool: Pool
let sender: Sender

beforeAll(async () => {
  listenToServicesHere()
  const cases = [...TAKEN, ...UNREAD].map(({ names }) => names.user)
  const users = [...acls.map(({ user }) => user), ...cases, ...Object.values(REVOKED).map(({ user }) => user)]
  ;[broker, database] = await Promise.all([startDenyingBroker([...new Set(users)]), leastDatabase()])
  pool = directPool(database.administratorUrl)
  sender = await senderTo(broker.kafka, parts().registryUrl)
  await createTopics(broker.kafka, DEAD_LETTER_TOPICS)
  await broker.allow(of('always', 'optional', 'lag'))
  // The first group of a new broker's meets a coordinator that is not there yet, which is an error of its own.
  const asked = { groupId: 'sluice', topics: ['orders'] }
  await until('there is a coordinator', () => broker.admin.fetchOffsets(asked), IN_TIME)
  await migrateAsThePageSays()
})

afterAll(async () => {
  await sender?.close()
  await Promise.all([broker?.stop(), pool?.end()])
  await database?.drop()
})

const DEAD_LETTER_TOPICS = of('always').flatMap(({ operation, name }) => (operation === 'Write' ? [name] : []))

async function migrateAsThePageSays(): Promise<void> {
  const first = await replica({ DATABASE_URL: database.migratorUrl })
  await until('the tables are made', () => first.lines.some(({ msg }) => msg === 'database answers'), IN_TIME)
  first.kill('SIGTERM')
  await first.exited
  await database.grant()
}

function replica(env: Readonly<Record<string, string>>): Promise<Replica> {
  const common = {
    ...broker.env('sluice'),
    KAFKA_GROUP_ID: 'sluice',
    KAFKA_SESSION_TIMEOUT_MS: '6000',
    KAFKA_REBALANCE_TIMEOUT_MS: '10000',
    SCHEMA_REGISTRY_URL: parts().registryUrl,
    // What the client hides, its own log tells.
    LOG_LEVEL: 'debug',
    SAMPLE_LOGIN_MS: '0',
    SAMPLE_LOGOUT_MS: '0',
    SAMPLE_ORDER_MS: '0',
  }
  return startReplica({ ...common, ...env }, MAIN)
}

const ends = async (running: Replica): Promise<number | null> => {
  running.kill('SIGTERM')
  return await running.exited
}

test('the table of the page has a row for each permission of its list', () => {
  const listed = acls.map(
    ({ operation, resource, when }) => `${operation} on ${resource}${when === 'lag' ? ' for lag' : ''}`,
  )
  const told = rows.map(({ operation, on }) => {
    const resource = on.startsWith('the group') ? 'group' : 'topic'
    return `${operation} on ${resource}${on.includes('for `lag`') ? ' for lag' : ''}`
  })
  expect(told.toSorted()).toEqual([...new Set(listed)].toSorted())
})

// The longest first: only so many run at once.
describe.concurrent('revoked while it runs', () => {
  test('Read on a topic: its partitions are held, the others go on for as long as it lasts', async context => {
    const names = REVOKED.topic
    const { service } = await begin(names, context)
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good')
    await until('it is handled', () => isDone(names, [1, 1], [0, 0]), IN_TIME)
    const read = aclOn(names, names.orders)
    await broker.deny([read])
    const says = async () => (await service.ready()).reasons.some(reason => reason.includes(grantOf(read)))
    await until('/readyz says it', says, IN_TIME)
    await sender.send(names.orders, 'good')
    const [beganAtMs, before] = [performance.now(), service.requests()]
    for (let count = 2; performance.now() - beganAtMs < HIDDEN_MS; count++) {
      await sender.send(names.activity, 'good')
      await until('the other topic is handled', async () => (await done(names)).handled[1] === count, IN_TIME)
      expect(await says()).toBe(true)
      expect((await service.status()).partitions).toMatchObject([
        { topic: names.orders, blockedBy: expect.stringContaining(grantOf(read)) },
        { topic: names.activity, lagRecords: expect.any(Number) },
      ])
      await sleep(1_000)
    }
    expect((service.requests() - before) / (HIDDEN_MS / 1_000)).toBeLessThan(REQUESTS_A_SECOND_MAX)
    expect(logged(names.orders, 'the consumer ended')).toEqual([])
    await broker.allow([read])
    await until('it is handled', async () => (await done(names)).handled[0] === 2, IN_TIME)
    await until('it is ready', async () => (await service.ready()).ok, IN_TIME)
  })

  test('Write on a dead letter topic: the partition waits with its reason, other dead letters are written', async context => {
    const names = REVOKED.letters
    const { service } = await begin(names, context)
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good', 'bad')
    await until('it is handled', () => isDone(names, [1, 1], [1, 1]), IN_TIME)
    const write = aclOn(names, names.deadLetters.orders)
    await broker.deny([write])
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'bad', 'good')
    const blocked = async () =>
      (await service.status()).partitions.find(({ topic }) => topic === names.orders)?.blockedBy
    await until('its partition says it', async () => (await blocked())?.includes(grantOf(write)), IN_TIME)
    await until('the other letter is written', async () => (await done(names)).letters[1] === 2, IN_TIME)
    const before = service.requests()
    await sleep(HELD_MS)
    expect((service.requests() - before) / (HELD_MS / 1_000)).toBeLessThan(REQUESTS_A_SECOND_MAX)
    expect(await done(names)).toMatchObject({ letters: [1, 2], behind: true })
    expect(await service.live()).toBe(true)
    await broker.allow([write])
    await until('it is handled', () => isDone(names, [2, 2], [2, 2]), IN_TIME)
    expect(await blocked()).toBeNull()
  })

  test('Read on the group: out of it, live, and back as soon as it may', async context => {
    const names = REVOKED.group
    const { service } = await begin(names, context)
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good')
    await until('it is handled', () => isDone(names, [1, 1], [0, 0]), IN_TIME)
    const read = aclOn(names, names.group)
    await broker.deny([read])
    const says = async () => (await service.ready()).reasons.some(reason => reason.includes(grantOf(read)))
    await until('/readyz says it', says, IN_TIME)
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good', 'bad')
    const before = service.requests()
    await sleep(2 * HELD_MS)
    expect((service.requests() - before) / ((2 * HELD_MS) / 1_000)).toBeLessThan(REQUESTS_A_SECOND_MAX)
    expect([await says(), await service.live()]).toEqual([true, true])
    expect(await done(names)).toEqual({ handled: [1, 1], letters: [0, 0], behind: true })
    await broker.allow([read])
    await until('it is handled', () => isDone(names, [2, 2], [1, 1]), IN_TIME)
    expect((await service.ready()).ok).toBe(true)
  })
})

test.concurrent('with what the page says, and nothing else, everything works and nothing is said of permissions', async () => {
  const env = { DATABASE_URL: database.serviceUrl, MIGRATE: 'false' }
  const first = await replica(env)
  await until('the first is ready', () => first.ready(), IN_TIME)
  const second = await replica(env)
  await until(
    'they share',
    async () => (await partitionsOf(first)) === 12 && (await partitionsOf(second)) === 12,
    IN_TIME,
  )
  expect(await accountOf('both')).toEqual([])
  const looks = [await lagAs('sluice'), await lagAs('operator')]
  for (const { code, seen, problems } of looks) {
    expect([code, problems]).toEqual([0, []])
    expect(seen.map(({ lagRecords, lagSeconds }) => [lagRecords, lagSeconds])).toEqual(
      Array.from({ length: 24 }, () => [0, 0]),
    )
  }
  expect(await ends(first)).toBe(0)
  await until('the other has all of them', async () => (await partitionsOf(second)) === 24, IN_TIME)
  expect(await accountOf('one')).toEqual([])
  await until('its lag is 0', async () => (await lagOf(second)) === 0, IN_TIME)
  expect(await second.ready()).toBe(true)
  expect(await ends(second)).toBe(0)
  const lines = [...first.lines, ...second.lines]
  expect(lines.filter(line => line.level === 'error' || SUFFERED.test(JSON.stringify(line)))).toEqual([])
  expect(lines.filter(({ msg }) => msg === 'a record was written to the dead letter topic').length).toBeGreaterThan(30)
  await lagTellsLess()
}, 120_000)

/** Some sample traffic, repeats and bad records included; answers what of it is not accounted for. */
async function accountOf(run: string): Promise<readonly string[]> {
  const size = { logins: 60, users: 10, logouts: 30, orders: 20, repeats: 10 }
  const whole = planTraffic({
    seed: 1,
    run: `${run}-${randomUUID()}`,
    startMs: Date.now(),
    encode: sender.encode,
    size,
  })
  const phases = whole.phases.map(({ name, records }) => ({ name, records: records.filter(isSoon) }))
  const plan = { ...whole, phases }
  const { kafka } = broker
  const sent = await sendTraffic(kafka, plan, { onPhase: () => {}, onBatch: () => {}, stopped: () => false })
  await until('all is committed', async () => (await uncommitted(kafka, 'sluice')).length === 0, IN_TIME)
  const databaseUrl = database.administratorUrl
  const input = { kafka, databaseUrl, group: 'sluice', deadLetterTopics: DEAD_LETTER_TOPICS, plan, sent }
  const { missing, handled, deadLetters } = await account(input)
  expect([handled, deadLetters.size]).toEqual([sent.events.size, 5])
  return missing
}

/** A schema that nobody knows is waited for by design, and that takes longer than all the rest. */
const isSoon = (record: SampleRecord) => record.kind !== 'bad' || record.reason !== 'unknown-schema'

interface Looked {
  readonly code: number
  readonly seen: readonly { topic: string; lagRecords: number; lagSeconds: number | null }[]
  readonly problems: readonly string[]
  readonly stderr: string
}

async function lagAs(user: string): Promise<Looked> {
  const env = { PATH: process.env['PATH'], ...broker.env(user), KAFKA_GROUP_ID: 'sluice' }
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>(resolve => {
    execFile(process.execPath, [CLI, 'lag', '--json'], { env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout: out, stderr: err })
    })
  })
  if (code !== 0) return { code, seen: [], problems: [], stderr }
  const { partitions, problems } = JSON.parse(stdout) as { partitions: Looked['seen']; problems: string[] }
  return { code, seen: partitions, problems, stderr }
}

/** Nobody runs, and one order waits. */
async function lagTellsLess(): Promise<void> {
  const [describeGroup, , readOrders] = of('lag') as [Acl, Acl, Acl]
  await sender.send('orders', 'good')
  const behind = async () => (await lagAs('operator')).seen.filter(({ lagRecords }) => lagRecords > 0)
  expect(await behind()).toMatchObject([{ topic: 'orders', lagRecords: 1, lagSeconds: expect.any(Number) }])
  await broker.deny([readOrders])
  expect((await lagAs('operator')).seen.map(({ topic }) => topic)).toEqual(Array(12).fill('user-activity'))
  await broker.allow([{ ...readOrders, operation: 'Describe' }])
  expect(await behind()).toMatchObject([{ topic: 'orders', lagRecords: 1, lagSeconds: null }])
  await broker.deny([describeGroup])
  expect(await lagAs('operator')).toMatchObject({ code: 1, stderr: expect.stringContaining('on group sluice') })
}

// ── Taken away ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const grantOf = ({ operation, resource, name }: Acl) =>
  `grant ${operation} on ${resource} ${name} to the user of this service`

/** The topics of a case, the permissions of the page but for one, and its service. */
async function begin(
  names: Names,
  { onTestFinished }: TestContext,
  { without, create = false }: { without?: Acl; create?: boolean } = {},
) {
  const { deadLetters, orders, activity } = names
  await broker.createTopics([orders, activity, ...(create ? [] : Object.values(deadLetters))])
  const theirs = of('always', 'optional', ...(create ? (['create'] as const) : []))
  const taken = without === undefined ? undefined : renamed(without, names)
  await broker.allow(theirs.filter(acl => acl !== without).map(acl => renamed(acl, names)))
  const service = await serviceHere(names, {
    ...broker.env(names.user),
    SCHEMA_REGISTRY_URL: parts().registryUrl,
    DATABASE_URL: database.serviceUrl,
    DEAD_LETTER_CREATE: String(create),
  })
  onTestFinished(() => service.stop())
  return { service, taken: taken ?? renamed(theirs[0] as Acl, names) }
}

interface Done {
  readonly handled: readonly number[]
  readonly letters: readonly number[]
  readonly behind: boolean
}

/** Of orders and of activity: events in the inbox, dead letters; and whether anything is not committed. */
async function done({ orders, activity, group, deadLetters }: Names): Promise<Done> {
  const topics = [orders, activity]
  const { rows: found } = await pool.query<{ topic: string; count: string }>(
    'select topic, count(*) from sluice.inbox where topic = any($1) group by topic',
    [topics],
  )
  const handled = topics.map(topic => Number(found.find(row => row.topic === topic)?.count ?? 0))
  const letters = await Promise.all([deadLetters.orders, deadLetters.activity].map(topic => broker.written(topic)))
  const written = await Promise.all(topics.map(topic => broker.written(topic)))
  const stored = await broker.admin.fetchOffsets({ groupId: group, topics })
  const committed = topics.map(topic => Number(stored.find(each => each.topic === topic)?.partitions[0]?.offset ?? -1))
  return { handled, letters, behind: written.some((end, at) => (committed[at] ?? -1) < end) }
}

const isDone = async (names: Names, handled: readonly number[], letters: readonly number[]) => {
  const now = await done(names)
  return !now.behind && String(now.handled) === String(handled) && String(now.letters) === String(letters)
}

describe.concurrent('taken away from the start: it is named, nothing is done or lost, and nothing asks in a loop', () => {
  test.for(TAKEN)('$acl.operation on $acl.resource $acl.name', async ({ acl, names }, context) => {
    const { service, taken } = await begin(names, context, { without: acl, create: acl.when === 'create' })
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good', 'bad')
    const says = async () => (await service.ready()).reasons.some(reason => reason.includes(grantOf(taken)))
    await until(`/readyz says: ${grantOf(taken)}`, says, IN_TIME)
    const before = service.requests()
    await sleep(HELD_MS)
    expect((service.requests() - before) / (HELD_MS / 1_000)).toBeLessThan(REQUESTS_A_SECOND_MAX)
    expect([await says(), await service.live()]).toEqual([true, true])
    expect(await done(names)).toEqual({ handled: [0, 0], letters: [0, 0], behind: true })
    await broker.allow([taken])
    await until('it is handled', () => isDone(names, [1, 1], [1, 1]), IN_TIME)
    expect(await service.ready()).toEqual({ ok: true, reasons: [] })
  })
})

describe.concurrent('optional: without it the service works, and says once what it can not look at', () => {
  test.for(UNREAD)('$acl.operation on $acl.resource $acl.name', async ({ acl, names }, context) => {
    const { service, taken } = await begin(names, context, { without: acl })
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good', 'bad')
    await until('it is handled', () => isDone(names, [1, 1], [1, 1]), IN_TIME)
    expect(await service.ready()).toEqual({ ok: true, reasons: [] })
    const said = logged(taken.name, 'DescribeConfigs')
    expect(said).toMatchObject([{ level: 'warn', msg: expect.stringContaining(grantOf(taken)) }])
  })
})

/** What a case is always allowed on this topic or group. */
function aclOn(names: Names, name: string): Acl {
  const found = of('always')
    .map(acl => renamed(acl, names))
    .find(acl => acl.name === name)
  if (found === undefined) throw new Error(`the page has nothing on ${name}`)
  return found
}
