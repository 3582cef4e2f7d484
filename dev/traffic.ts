/**
 * The sample traffic: a burst of logins, then logouts and the life of some orders, with repeats and bad records in between.
 * A plan is made first, from a seed and nothing else that varies but the run's name and the time, so that the same seed gives
 * the same stream. Identities carry the run's name: runs on the same database do not meet.
 */
import { createHash } from 'node:crypto'

import { type Chance, chanceFrom } from './random.ts'

export const TOPICS = ['user-activity', 'orders'] as const
export type Topic = (typeof TOPICS)[number]

export interface ActivityEvent {
  eventId: string
  userId: string
  type: 'LOGIN' | 'LOGOUT'
  occurredAt: number
  ip: string | null
}

export interface OrderStep {
  eventId: string
  orderId: string
  customerId: string
  type: 'PLACED' | 'PAID' | 'SHIPPED' | 'CANCELLED'
  totalCents: number
  occurredAt: number
}

/** Bytes as a producer writes them: byte 0, the schema's id, the value. */
export interface Encoders {
  activity: (event: ActivityEvent) => Buffer
  order: (step: OrderStep) => Buffer
  /** A record of a schema that no handler takes. */
  stranger: () => Buffer
}

export type SampleRecord = {
  /** Sent as the header `sample-id`; a dead letter still has it. */
  id: string
  topic: Topic
  key: string
  value: Buffer | null
} & (
  | { kind: 'event'; eventId: string }
  | { kind: 'repeat'; eventId: string }
  /** `reason`: why it must become a dead letter. */
  | { kind: 'bad'; reason: string }
)

export interface TrafficPlan {
  seed: number
  run: string
  /** Sent in order; each when the one before it was taken by the broker. */
  phases: { name: string; records: SampleRecord[] }[]
  /** What the tables must hold in the end. */
  users: Map<string, { logins: number; logouts: number }>
  orders: Map<string, { customerId: string; totalCents: number; steps: OrderStep['type'][] }>
}

export interface TrafficSize {
  logins: number
  users: number
  logouts: number
  orders: number
  repeats: number
}

export const SAMPLE_SIZE: TrafficSize = { logins: 1_000, users: 100, logouts: 500, orders: 200, repeats: 60 }

/** An id that the registry has not given to anything. */
const UNKNOWN_SCHEMA_ID = 999_999

export function frame(schemaId: number, avro: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeInt32BE(schemaId, 1)
  return Buffer.concat([head, avro])
}

interface Making {
  chance: Chance
  encode: Encoders
  /** Unlike any other in this run, and in others. */
  eventId: () => string
  recordId: () => string
  nowMs: () => number
}

function activityRecord(user: string, type: ActivityEvent['type'], making: Making): SampleRecord {
  const { chance, encode, eventId, recordId, nowMs } = making
  const ip = chance.below(4) === 0 ? null : `203.0.113.${chance.below(256)}`
  const event: ActivityEvent = { eventId: eventId(), userId: user, type, occurredAt: nowMs(), ip }
  const value = encode.activity(event)
  return { id: recordId(), topic: 'user-activity', key: user, value, kind: 'event', eventId: event.eventId }
}

function orderRecords(orderId: string, making: Making): { records: SampleRecord[]; order: OrderStep[] } {
  const { chance, encode, eventId, recordId, nowMs } = making
  const customerId = `customer-${chance.below(1_000)}`
  const totalCents = 500 + chance.below(200_000)
  const life = chance.pick([
    ['PLACED', 'PAID', 'SHIPPED'],
    ['PLACED', 'PAID', 'SHIPPED'],
    ['PLACED', 'CANCELLED'],
    ['PLACED', 'PAID', 'CANCELLED'],
  ] as const)
  const order = life.map(type => ({ eventId: eventId(), orderId, customerId, type, totalCents, occurredAt: nowMs() }))
  const records = order.map(
    (step): SampleRecord => ({
      id: recordId(),
      topic: 'orders',
      key: orderId,
      value: encode.order(step),
      kind: 'event',
      eventId: step.eventId,
    }),
  )
  return { records, order }
}

/** The same event once more, later and so at another offset. */
function repeatOf(record: SampleRecord, making: Making): SampleRecord {
  if (record.kind !== 'event') throw new Error('only events are repeated')
  return { ...record, id: making.recordId(), kind: 'repeat' }
}

/** Streams woven into one by chance; each keeps its own order. */
function woven(streams: readonly SampleRecord[][], chance: Chance): SampleRecord[] {
  const turns = chance.shuffled(streams.flatMap((stream, at) => stream.map(() => at)))
  const nexts = streams.map(() => 0)
  return turns.flatMap(at => {
    const next = nexts[at] ?? 0
    nexts[at] = next + 1
    return streams[at]?.slice(next, next + 1) ?? []
  })
}

function wrongMagic(good: Buffer): Buffer {
  return Buffer.concat([Buffer.from([1]), good.subarray(1)])
}

/** One or more of every kind that a topic gets to see sooner or later. They carry the keys of users who have good records, too. */
function badRecords(users: readonly string[], making: Making): { soon: SampleRecord[]; last: SampleRecord[] } {
  const { chance, encode, eventId, recordId, nowMs } = making
  const activity = () =>
    encode.activity({ eventId: eventId(), userId: chance.pick(users), type: 'LOGIN', occurredAt: nowMs(), ip: null })
  const step = (orderId: string) =>
    encode.order({
      eventId: eventId(),
      orderId,
      customerId: 'customer-0',
      type: 'PLACED',
      totalCents: 1,
      occurredAt: nowMs(),
    })
  const bad = (topic: Topic, reason: string, value: Buffer | null): SampleRecord => {
    return { id: recordId(), topic, key: chance.pick(users), value, kind: 'bad', reason }
  }
  const soon = [
    bad('user-activity', 'framing', Buffer.from(JSON.stringify({ userId: 'user-1', type: 'LOGIN' }))),
    bad('orders', 'framing', Buffer.from('["an order"]')),
    bad('user-activity', 'framing', Buffer.alloc(0)),
    bad('orders', 'framing', Buffer.alloc(0)),
    bad('user-activity', 'framing', activity().subarray(0, 3)),
    bad('orders', 'framing', Buffer.from([0])),
    bad('user-activity', 'framing', wrongMagic(activity())),
    bad('orders', 'framing', wrongMagic(step('order-0'))),
    bad('user-activity', 'undecodable', activity().subarray(0, 20)),
    bad('user-activity', 'undecodable', activity().subarray(0, 5)),
    bad('user-activity', 'undecodable', Buffer.concat([activity(), Buffer.from([7])])),
    bad('orders', 'undecodable', step('order-0').subarray(0, 30)),
    bad('user-activity', 'unexpected-tombstone', null),
    bad('user-activity', 'unexpected-tombstone', null),
    bad('orders', 'unexpected-tombstone', null),
    bad('user-activity', 'unmatched', encode.stranger()),
    bad('user-activity', 'unmatched', step('order-0')),
    bad('orders', 'unmatched', activity()),
    // Text that Postgres can never store.
    bad('orders', 'invalid-data', step('order-\u0000')),
  ]
  const last = [bad('user-activity', 'unknown-schema', frame(UNKNOWN_SCHEMA_ID, activity().subarray(5)))]
  return {
    soon,
    last: [...last, bad('orders', 'unknown-schema', frame(UNKNOWN_SCHEMA_ID, step('order-0').subarray(5)))],
  }
}

/** A name-based id: the same seed, run and number give the same one. */
function eventIds(seed: number, run: string): () => string {
  let count = 0
  return () => {
    const hash = createHash('sha256').update(`${seed}/${run}/${count++}`).digest()
    // Version 8 (made by a rule of our own), variant 1: a well-formed UUID.
    hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x80, 6)
    hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
    const hex = hash.toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
  }
}

export interface PlanInput {
  seed: number
  run: string
  startMs: number
  encode: Encoders
  size?: TrafficSize
}

export function planTraffic({ seed, run, startMs, encode, size = SAMPLE_SIZE }: PlanInput): TrafficPlan {
  const chance = chanceFrom(seed)
  let records = 0
  let ticks = 0
  const making: Making = {
    chance,
    encode,
    eventId: eventIds(seed, run),
    recordId: () => `${run}/${++records}`,
    nowMs: () => startMs + ticks++,
  }
  const names = Array.from({ length: size.users }, (_, at) => `user-${run}-${at + 1}`)
  const users: TrafficPlan['users'] = new Map(names.map(name => [name, { logins: 0, logouts: 0 }]))
  const activity = (type: ActivityEvent['type'], count: number) =>
    Array.from({ length: count }, (_, at) => {
      // Each user once, then by chance: everybody is in the tables.
      const user = names[at] ?? chance.pick(names)
      const counts = users.get(user)
      if (counts !== undefined) counts[type === 'LOGIN' ? 'logins' : 'logouts']++
      return activityRecord(user, type, making)
    })
  const logins = activity('LOGIN', size.logins)
  const logouts = activity('LOGOUT', size.logouts)
  const orders: TrafficPlan['orders'] = new Map()
  const lives = Array.from({ length: size.orders }, (_, at) => {
    const orderId = `order-${run}-${at + 1}`
    const { records, order } = orderRecords(orderId, making)
    for (const { customerId, totalCents, type } of order) {
      const known = orders.get(orderId) ?? { customerId, totalCents, steps: [] }
      orders.set(orderId, { ...known, steps: [...known.steps, type] })
    }
    return records
  })
  const bad = badRecords(names, making)
  const earlyRepeats = Array.from({ length: Math.ceil(size.repeats / 2) }, () => repeatOf(chance.pick(logins), making))
  const steady = woven([logouts, ...lives, bad.soon, earlyRepeats], chance)
  const repeatable = steady.filter(({ kind }) => kind === 'event')
  const lateRepeats = Array.from({ length: Math.floor(size.repeats / 2) }, () =>
    repeatOf(chance.pick(repeatable), making),
  )
  return {
    seed,
    run,
    users,
    orders,
    phases: [
      { name: `a burst of ${size.logins} logins of ${size.users} users`, records: logins },
      { name: `${size.logouts} logouts, ${size.orders} orders, repeats and bad records`, records: steady },
      // Last, since a partition waits for the registry's final word on an unknown schema.
      { name: 'more repeats, and schemas that nobody knows', records: [...lateRepeats, ...bad.last] },
    ],
  }
}
