/**
 * The grants of docs/permissions.md are exactly what the two roles need: without any one of them the service says what it may not do.
 * While it runs, a grant that is gone holds the handler, loud, and makes no dead letter; it goes on when it is granted.
 */
import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kafkaAt } from '../../dev/send.ts'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { postgresUnitOfWork } from '../../src/adapters/postgres/unit-of-work.ts'
import type { Handler, HandlerContext } from '../../src/consumer/handler.ts'
import type { Claim, UnitOfWork } from '../../src/consumer/ports.ts'
import { orders } from '../../src/handlers/orders.ts'
import { userActivity } from '../../src/handlers/user-activity.ts'
import { listeningLog } from '../support/floor.ts'
import { freshName, parts, until } from '../support/parts.ts'
import { permissionsPage } from '../support/permissions.ts'
import { type LeastDatabase, leastDatabase } from '../support/permissions-database.ts'
import { namesFor, type ServiceHere, serviceHere } from '../support/permissions-service.ts'
import { type Sender, senderTo } from '../support/permissions-traffic.ts'
import { directPool, optionsFor } from '../support/postgres-bench.ts'
import { SILENT } from '../support/silent.ts'

const SAMPLES = new URL('../../migrations/samples/', import.meta.url)
const RETENTION_MS = 3_600_000

interface Privilege {
  readonly privilege: string
  /** `table sluice.inbox`, `schema public`, `database sluice`. */
  readonly on: string
  readonly role: string
}

const { sql } = permissionsPage()

/** Each alone, as `grant` and `revoke` take them. */
const PRIVILEGES = [...sql.administrator, ...sql.migrator].flatMap((statement): Privilege[] => {
  const { privileges, on, roles } =
    /^grant (?<privileges>.+) on (?<on>.+) to (?<roles>.+)$/.exec(statement)?.groups ?? {}
  if (privileges === undefined || on === undefined || roles === undefined) return []
  return roles.split(', ').flatMap(role => privileges.split(', ').map(privilege => ({ privilege, on, role })))
})
const ofRole = (role: string) => PRIVILEGES.filter(each => each.role === role)

let database: LeastDatabase
let pool: Pool

beforeAll(async () => {
  database = await leastDatabase()
  pool = directPool(database.administratorUrl)
  await migrate(database)
  await database.grant()
})

afterAll(async () => {
  await pool?.end()
  await database?.drop()
})

async function migrate({ migratorUrl }: LeastDatabase): Promise<void> {
  const unitOfWork = postgresUnitOfWork({ ...optionsFor(migratorUrl), migrations: SAMPLES })
  try {
    await unitOfWork.start()
  } finally {
    await unitOfWork.stop()
  }
}

/** All that the service does with its database, from the start to the sweep; answers what it complained of. */
async function complaints({ migrating = false } = {}): Promise<readonly string[]> {
  const [clock, log] = [memoryClock(), listeningLog()]
  const options = { ...optionsFor(database.serviceUrl), migrate: migrating, migrations: SAMPLES, clock, log }
  const unitOfWork = postgresUnitOfWork({ ...options, inboxRetentionMs: RETENTION_MS })
  const refused: string[] = []
  try {
    await unitOfWork.start()
    const handlers = [userActivity({ loginMs: 0, logoutMs: 0 }), orders({ orderMs: 0 })]
    for (const handler of handlers) refused.push(...(await handled(unitOfWork, handler)))
    await pool.query("insert into sluice.inbox values ('of before', $1, 't', 0, 0, 0, now() - interval '2 hours')", [
      randomUUID(),
    ])
    clock.advance(180_000)
    const isSwept = () => log.lines.find(({ message }) => message.includes('swept'))
    const line = await until('the sweep is over', isSwept)
    if (line?.level !== 'info') refused.push(`${String(line?.fields['cause'])} (the sweep)`)
  } catch (error) {
    refused.push(error instanceof Error ? error.message : String(error))
  } finally {
    await unitOfWork.stop()
  }
  await pool.query('truncate sluice.inbox')
  return refused
}

/** Looked up, claimed, handled and kept; and once more, as a repeat. */
async function handled(unitOfWork: UnitOfWork, handler: Handler): Promise<readonly string[]> {
  const claim: Claim = {
    handler: handler.name,
    idempotencyKey: randomUUID(),
    topic: 't',
    partition: 0,
    offset: 1,
    value: null,
  }
  try {
    await unitOfWork.known([claim])
    const outcomes = [await handleOnce(unitOfWork, handler, claim), await handleOnce(unitOfWork, handler, claim)]
    expect(outcomes).toEqual([null, { redelivered: true, conflicting: false }])
    return []
  } catch (error) {
    expect(unitOfWork.classify(error)).toEqual({ kind: 'ours' })
    return [unitOfWork.explain(error) ?? String(error)]
  }
}

async function handleOnce(unitOfWork: UnitOfWork, handler: Handler, claim: Claim): Promise<unknown> {
  const unit = unitOfWork.begin(claim, 5_000)
  const occurredAt = new Date()
  const value = { userId: 'u', orderId: 'o', customerId: 'c', totalCents: 1n, occurredAt }
  const type = handler.name === 'orders' ? 'PLACED' : 'LOGIN'
  try {
    const context: HandlerContext = { tx: unit.tx, log: SILENT, signal: new AbortController().signal, attempt: 1 }
    // Boundary: of a record the sample handlers take nothing but the value.
    await handler.handle({ value: { ...value, type } } as Parameters<Handler['handle']>[0], context)
    return await unit.finish()
  } catch (error) {
    await unit.abandon()
    if (unit.known !== null) return unit.known
    throw error
  }
}

test('with the grants of the page everything works, MIGRATE=true included where nothing is to be applied', async () => {
  expect(await complaints()).toEqual([])
  expect(await complaints({ migrating: true })).toEqual([])
})

/** What stands in the complaint: the table or the schema; a table in a schema that may not be used is one that is not there. */
function namedIn({ on }: Privilege): string {
  if (on === 'schema public') return 'table '
  return on.startsWith('database ') ? 'database' : on.replace(/^public\.|^sluice\./, '')
}

describe('each is needed by the service', () => {
  test.for(ofRole('sluice_service'))('$privilege on $on', async each => {
    const { privilege, on, role } = each
    await database.run(`revoke ${privilege} on ${on} from ${role}`)
    try {
      const said = await complaints()
      expect(said.length).toBeGreaterThan(0)
      for (const line of said) expect(line).toContain(namedIn(each))
      expect(said.join()).toMatch(on === 'schema public' ? /42P01/ : /42501/)
      const isSweepOnly = said.every(line => line.includes('the sweep'))
      expect(isSweepOnly).toBe(privilege === 'delete')
    } finally {
      await database.run(`grant ${privilege} on ${on} to ${role}`)
    }
    expect(await complaints()).toEqual([])
  })
})

const TO_MIGRATE = [
  ...ofRole('sluice_migrator').map(({ privilege, on, role }) => ({
    what: `${privilege} on ${on}`,
    take: `revoke ${privilege} on ${on} from ${role}`,
    give: `grant ${privilege} on ${on} to ${role}`,
  })),
  { what: 'its schema', take: 'drop schema sluice', give: 'create schema sluice authorization sluice_migrator' },
]

describe('each is needed by the one who makes the tables', () => {
  test.for(TO_MIGRATE)('$what', async ({ take, give }) => {
    const fresh = await leastDatabase()
    try {
      await fresh.run(take)
      await expect(migrate(fresh)).rejects.toThrow(/SQLSTATE 42501 \(permission denied\), (?:schema|database) /)
      await fresh.run(give)
      await migrate(fresh)
    } finally {
      await fresh.drop()
    }
  })
})

describe('while it runs', () => {
  const names = namesFor(`-${freshName('least')}`)
  let sender: Sender
  let service: ServiceHere

  beforeAll(async () => {
    const kafka = kafkaAt(parts().brokers)
    const admin = kafka.admin()
    await admin.connect()
    const topics = [names.orders, names.activity].map(topic => ({ topic, numPartitions: 1 }))
    await admin.createTopics({ topics, waitForLeaders: true })
    await admin.disconnect()
    sender = await senderTo(kafka, parts().registryUrl)
    service = await serviceHere(names, {
      KAFKA_BROKERS: parts().brokers.join(','),
      SCHEMA_REGISTRY_URL: parts().registryUrl,
      DATABASE_URL: database.serviceUrl,
      DEAD_LETTER_CREATE: 'true',
      LOG_LEVEL: 'silent',
    })
    await service.started
  })

  afterAll(async () => {
    await service?.stop()
    await sender?.close()
  })

  /** Of orders and of activity. */
  const inInbox = async (): Promise<readonly number[]> => {
    const count = 'select topic, count(*) from sluice.inbox group by topic'
    const { rows } = await pool.query<{ topic: string; count: string }>(count)
    return [names.orders, names.activity].map(topic => Number(rows.find(row => row.topic === topic)?.count ?? 0))
  }
  const metrics = async () => await (await fetch(`${(await service.started).url}/metrics`)).text()

  test.for([
    ['insert', 'sluice.inbox', 'table inbox', [false, false]],
    ['select', 'sluice.inbox', 'table inbox', [false, false]],
    ['update', 'public.user_profile', 'table user_profile', [true, false]],
    ['insert', 'public.order_history', 'table order_history', [false, true]],
  ] as const)('without %s on %s the handler is held, %s is named, no dead letter is made; others go on', async one => {
    const [privilege, on, table, goesOn] = one
    const before = await inInbox()
    await database.run(`revoke ${privilege} on ${on} from sluice_service`)
    for (const topic of [names.orders, names.activity]) await sender.send(topic, 'good')
    const says = async () =>
      (await service.ready()).reasons.some(reason => reason.includes('SQLSTATE 42501') && reason.includes(table))
    await until(`/readyz names ${table}`, says)
    const expected = before.map((count, at) => count + Number(goesOn[at]))
    await until('the other is handled', async () => String(await inInbox()) === String(expected))
    expect(await service.live()).toBe(true)
    await database.run(`grant ${privilege} on ${on} to sluice_service`)
    const all = before.map(count => count + 1)
    await until('it is handled', async () => String(await inInbox()) === String(all), { timeoutMs: 60_000 })
    await until('it is ready', async () => (await service.ready()).ok)
    expect(await metrics()).toContain('\nsluice_dead_letters_total{')
    expect(await metrics()).not.toMatch(/\nsluice_dead_letters_total\{.*\} [1-9]/)
  })
})
