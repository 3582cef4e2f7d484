/**
 * Is every event accounted for? Asked from the outside: the tables in Postgres, the dead letter topics and the group's offsets
 * in Kafka are compared with what was sent. Nothing here believes what the service says of itself.
 */
import { crc32 } from 'node:zlib'
import type { Kafka } from 'kafkajs'
import { Client } from 'pg'

import type { Sent } from './send.ts'
import { TOPICS, type TrafficPlan } from './traffic.ts'

export interface Account {
  /** One line for each thing that is missing, doubled or different; empty when every event is accounted for. */
  missing: string[]
  handled: number
  /** Found in the dead letter topics, by reason. */
  deadLetters: Map<string, number>
  /** From the send to the effect in Postgres, for each event. */
  latenciesMs: number[]
  /** From the first to the last event handled. */
  durationMs: number
}

/** Shown of each kind; more of the same would only scroll. */
const EXAMPLES_MAX = 3

/** `12 events were not handled: a, b, c …` */
function complain(missing: string[], what: string, which: readonly string[]): void {
  if (which.length === 0) return
  missing.push(
    `${which.length} ${what}: ${which.slice(0, EXAMPLES_MAX).join(', ')}${which.length > EXAMPLES_MAX ? ' …' : ''}`,
  )
}

interface InboxRow {
  handler: string
  idempotency_key: string
  topic: string
  value_crc32: string
  handled_ms: number
}

async function checkInbox(client: Client, sent: Sent, missing: string[]): Promise<InboxRow[]> {
  const { rows } = await client.query<InboxRow>(
    `select handler, idempotency_key, topic, value_crc32, (extract(epoch from handled_at) * 1000)::float8 as handled_ms
     from sluice.inbox where idempotency_key = any($1)`,
    [[...sent.events.keys()]],
  )
  const seen = Map.groupBy(rows, row => row.idempotency_key)
  const ids = [...sent.events.keys()]
  complain(
    missing,
    'events were not handled',
    ids.filter(id => !seen.has(id)),
  )
  complain(
    missing,
    'events were handled more than once',
    ids.filter(id => (seen.get(id)?.length ?? 0) > 1),
  )
  const strange = rows.filter(row => {
    const record = sent.events.get(row.idempotency_key)?.record
    const crc = record?.value == null ? 0 : crc32(record.value)
    return row.topic !== record?.topic || row.handler !== record.topic || Number(row.value_crc32) !== crc
  })
  complain(
    missing,
    'events stand in the inbox with another topic, handler or payload',
    strange.map(row => row.idempotency_key),
  )
  return rows
}

async function checkUsers(client: Client, plan: TrafficPlan, missing: string[]): Promise<void> {
  const { rows } = await client.query<{ user_id: string; logins: string; logouts: string }>(
    'select user_id, logins, logouts from public.user_profile where user_id = any($1)',
    [[...plan.users.keys()]],
  )
  const found = new Map(rows.map(row => [row.user_id, `${row.logins} logins and ${row.logouts} logouts`]))
  const wrong = [...plan.users].flatMap(([user, { logins, logouts }]) => {
    const wanted = `${logins} logins and ${logouts} logouts`
    const has = found.get(user) ?? 'no row'
    return has === wanted ? [] : [`${user} has ${has} instead of ${wanted}`]
  })
  complain(missing, 'users have wrong numbers', wrong)
}

interface OrderRow {
  order_id: string
  customer_id: string
  status: string
  total_cents: string
  steps: string[]
}

async function checkOrders(client: Client, plan: TrafficPlan, missing: string[]): Promise<void> {
  const { rows } = await client.query<OrderRow>(
    `select order_id, customer_id, status, total_cents,
       array(select status from public.order_history as history where history.order_id = orders.order_id order by seq) as steps
     from public.orders where order_id = any($1)`,
    [[...plan.orders.keys()]],
  )
  const found = new Map(
    rows.map(row => [row.order_id, [row.customer_id, row.status, row.total_cents, row.steps.join(' → ')].join(' ')]),
  )
  const wrong = [...plan.orders].flatMap(([order, { customerId, totalCents, steps }]) => {
    const wanted = [customerId, steps.at(-1), totalCents, steps.join(' → ')].join(' ')
    const has = found.get(order) ?? 'no row'
    return has === wanted ? [] : [`${order} is "${has}" instead of "${wanted}"`]
  })
  complain(missing, 'orders are wrong', wrong)
}

export interface DeadLetterSeen {
  sampleId: string
  reason: string
  key: string | undefined
  value: Buffer | null
}

/** Every dead letter of this run, read from the beginning of the topics to their present ends. */
async function readDeadLetters(kafka: Kafka, topics: readonly string[], run: string): Promise<DeadLetterSeen[]> {
  const admin = kafka.admin()
  await admin.connect()
  const waitingFor = new Map<string, number>()
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (Number(high) > Number(low)) waitingFor.set(`${topic}/${partition}`, Number(high))
    }
  }
  const seen: DeadLetterSeen[] = []
  const groupId = `sluice-account-${crypto.randomUUID()}`
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
  const done = Promise.withResolvers<void>()
  if (waitingFor.size === 0) done.resolve()
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        const sampleId = String(message.headers?.['sample-id'] ?? '')
        if (sampleId.startsWith(`${run}/`)) {
          const reason = String(message.headers?.['sluice-dlt-reason'] ?? 'none')
          seen.push({ sampleId, reason, key: message.key?.toString(), value: message.value })
        }
        const place = `${topic}/${partition}`
        if (Number(message.offset) + 1 >= (waitingFor.get(place) ?? 0)) waitingFor.delete(place)
        if (waitingFor.size === 0) done.resolve()
      },
    })
    const late = setTimeout(
      () => done.reject(new Error(`the dead letter topics could not be read to their ends`)),
      30_000,
    )
    await done.promise
    clearTimeout(late)
  } finally {
    await consumer.disconnect()
    // A group of this one reading: it must not stay behind on a cluster that is not ours.
    await admin.deleteGroups([groupId]).catch(() => undefined)
    await admin.disconnect()
  }
  return seen
}

function checkDeadLetters(letters: readonly DeadLetterSeen[], sent: Sent, missing: string[]): Map<string, number> {
  const byId = new Map(letters.map(letter => [letter.sampleId, letter]))
  const bad = [...sent.bad]
  complain(
    missing,
    'bad records have no dead letter',
    bad.filter(([id]) => !byId.has(id)).map(([id]) => id),
  )
  const wrongReason = bad.flatMap(([id, { record }]) => {
    const found = byId.get(id)
    if (found === undefined || record.kind !== 'bad' || found.reason === record.reason) return []
    return [`${id} is ${found.reason} instead of ${record.reason}`]
  })
  complain(missing, 'dead letters have another reason', wrongReason)
  const changed = bad.filter(([id, { record }]) => {
    const found = byId.get(id)
    if (found === undefined) return false
    const sameValue = found.value === null ? record.value === null : record.value?.equals(found.value) === true
    return !sameValue || found.key !== record.key
  })
  complain(
    missing,
    'dead letters are not byte for byte what was sent',
    changed.map(([id]) => id),
  )
  const unwanted = letters.filter(({ sampleId }) => !sent.bad.has(sampleId))
  complain(
    missing,
    'good events became dead letters',
    unwanted.map(({ sampleId, reason }) => `${sampleId} (${reason})`),
  )
  return new Map([...Map.groupBy(byId.values(), ({ reason }) => reason)].map(([reason, all]) => [reason, all.length]))
}

/** Partitions whose end the group has not committed, as `topic/partition at 5 of 9`. */
export async function uncommitted(kafka: Kafka, group: string): Promise<string[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const behind: string[] = []
    const stored = await admin.fetchOffsets({ groupId: group, topics: [...TOPICS] })
    for (const { topic, partitions } of stored) {
      const committed = new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]))
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        const at = committed.get(partition) ?? -1
        const empty = at < 0 && low === high
        if (!empty && at !== Number(high)) behind.push(`${topic}/${partition} at ${at < 0 ? 'nothing' : at} of ${high}`)
      }
    }
    return behind
  } finally {
    await admin.disconnect()
  }
}

export interface AccountInput {
  kafka: Kafka
  databaseUrl: string
  group: string
  deadLetterTopics: readonly string[]
  plan: TrafficPlan
  sent: Sent
}

export async function account({
  kafka,
  databaseUrl,
  group,
  deadLetterTopics,
  plan,
  sent,
}: AccountInput): Promise<Account> {
  const missing: string[] = []
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000, query_timeout: 60_000 })
  // A connection that breaks is told by the query that meets it.
  client.on('error', () => undefined)
  await client.connect()
  let rows: InboxRow[]
  try {
    rows = await checkInbox(client, sent, missing)
    await checkUsers(client, plan, missing)
    await checkOrders(client, plan, missing)
  } finally {
    await client.end()
  }
  const letters = await readDeadLetters(kafka, deadLetterTopics, plan.run)
  const deadLetters = checkDeadLetters(letters, sent, missing)
  complain(missing, 'partitions are not committed to their end', await uncommitted(kafka, group))
  const times = rows.map(row => row.handled_ms)
  return {
    missing,
    handled: new Set(rows.map(row => row.idempotency_key)).size,
    deadLetters,
    latenciesMs: rows.flatMap(row => {
      const one = sent.events.get(row.idempotency_key)
      return one === undefined ? [] : [row.handled_ms - one.sentMs]
    }),
    durationMs: times.length === 0 ? 0 : Math.max(...times) - Math.min(...times),
  }
}
