/** All that a handler's author imports. */
import type { RetryPolicy } from '../core/verdict.ts'
import type { Headers, Log, ReaderSchema, Transaction } from './ports.ts'

export { Reject, Unavailable } from './errors.ts'
export type { Headers, Log, RetryPolicy, Transaction }

/** A schema of `src/generated/`: a type and a constant of one name. `Value` exists in types only. */
export interface Schema<Value> extends ReaderSchema {
  readonly type?: Value
}

export interface ConsumedRecord<Value> {
  readonly value: Value
  readonly key: Uint8Array | null
  /** As written, in order. */
  readonly headers: Headers
  /** The last value of that name, or undefined. */
  readonly header: (name: string) => Uint8Array | null | undefined
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Wall clock, milliseconds. Not for ordering. */
  readonly timestampMs: number
}

export interface HandlerContext {
  /** Opens at its first statement and commits when the handler returns: its effects happen once. */
  readonly tx: Transaction
  readonly log: Log
  /** Goes off at the timeout, when the partition is lost, and when the drain's time is up. */
  readonly signal: AbortSignal
  /** From 1. */
  readonly attempt: number
}

/** Without an idempotency key there is no transaction, and the handler may run twice for one event. */
export type ContextWithoutTransaction = Omit<HandlerContext, 'tx'>

/** `Tombstones`: a null value reaches the handler too. */
type Received<Value, Tombstones> = Tombstones extends true ? Value | null : Value

interface Definition<Value, Tombstones extends boolean> {
  /** Unique; the scope of its inbox rows. Default: the topic. */
  readonly name?: string
  readonly topic: string | readonly string[]
  readonly schema: Schema<Value>
  /** Records of one key are handled one at a time, in offset order. Default: the record's key; no key, no order. */
  readonly orderBy?: (record: ConsumedRecord<Received<Value, Tombstones>>) => string
  /** Default false: a null value is dead-lettered as `unexpected-tombstone`. */
  readonly tombstones?: Tombstones
  /** Default: five attempts, from 100 ms to 10 s. */
  readonly retry?: RetryPolicy
  /** Default 10,000: half of the default `DRAIN_TIMEOUT_MS`, which must not be shorter. */
  readonly timeoutMs?: number
  /** Default: none of its own below IN_FLIGHT_MAX. */
  readonly concurrencyMax?: number
}

export interface OnceDefinition<Value, Tombstones extends boolean> extends Definition<Value, Tombstones> {
  /** The event's identity, 1 to 512 bytes: however often it is sent, its effects in `tx` happen once. */
  readonly idempotencyKey: (record: ConsumedRecord<Received<Value, Tombstones>>) => string
  handle(record: ConsumedRecord<Received<Value, Tombstones>>, context: HandlerContext): Promise<void> | void
}

export interface RepeatableDefinition<Value, Tombstones extends boolean> extends Definition<Value, Tombstones> {
  /** No inbox and no `tx`: the handler may run twice for one event. */
  readonly idempotencyKey: 'naturally-idempotent'
  handle(record: ConsumedRecord<Received<Value, Tombstones>>, context: ContextWithoutTransaction): Promise<void> | void
}

/** What `defineHandler` makes of a definition: defaults filled in, the value's type forgotten. */
export interface Handler {
  readonly name: string
  readonly topics: readonly string[]
  readonly schema: ReaderSchema
  readonly orderBy: ((record: ConsumedRecord<unknown>) => string) | null
  /** Null: naturally idempotent. */
  readonly idempotencyKey: ((record: ConsumedRecord<unknown>) => string) | null
  readonly tombstones: boolean
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  /** Null: no limit of its own. */
  readonly concurrencyMax: number | null
  readonly handle: (record: ConsumedRecord<unknown>, context: HandlerContext) => Promise<void> | void
}

/** Waits grow from `initialMs` to `maxMs`, doubled each time, drawn at random below that bound; attempts include the first. */
export function exponential(policy: RetryPolicy): RetryPolicy {
  return Object.freeze({ ...policy })
}

const RETRY_DEFAULT = exponential({ initialMs: 100, maxMs: 10_000, attemptsMax: 5 })
/** Must fit into the default drain timeout of 20 s with room for the commit and the leave; the value itself is a guess. */
const TIMEOUT_MS_DEFAULT = 10_000

/**
 * A handler for the records of a topic that are written with `schema`. Returning acknowledges the record, throwing tries it
 * again and then dead-letters it, `Reject` dead-letters at once, `Unavailable` holds it. Effects outside `tx` may repeat after a crash.
 * What is wrong with the numbers or names is said when the service starts, all at once.
 */
export function defineHandler<Value, Tombstones extends boolean = false>(
  definition: RepeatableDefinition<Value, Tombstones>,
): Handler
// The last one: what is wrong with a definition is said in its terms, and it is what nearly everybody means.
export function defineHandler<Value, Tombstones extends boolean = false>(
  definition: OnceDefinition<Value, Tombstones>,
): Handler
export function defineHandler<Value, Tombstones extends boolean>(
  definition: OnceDefinition<Value, Tombstones> | RepeatableDefinition<Value, Tombstones>,
): Handler {
  const topics = typeof definition.topic === 'string' ? [definition.topic] : [...definition.topic]
  const { idempotencyKey } = definition
  const handler = {
    name: definition.name ?? topics[0] ?? '',
    topics,
    schema: definition.schema,
    orderBy: definition.orderBy ?? null,
    idempotencyKey: idempotencyKey === 'naturally-idempotent' ? null : idempotencyKey,
    tombstones: definition.tombstones ?? false,
    retry: definition.retry ?? RETRY_DEFAULT,
    timeoutMs: definition.timeoutMs ?? TIMEOUT_MS_DEFAULT,
    concurrencyMax: definition.concurrencyMax ?? null,
    handle: definition.handle.bind(definition),
  }
  // Boundary: routing by `schema` guarantees that the value is of the type that was forgotten here.
  return Object.freeze(handler as unknown as Handler)
}
