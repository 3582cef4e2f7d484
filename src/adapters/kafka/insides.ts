/**
 * The one file that reaches below kafkajs' public door. kafkajs is pinned to 2.2.4, which is checked before anything is
 * touched; `test/adapters/kafka/insides.test.ts` fails when what is relied upon here changes.
 *
 * Three things are changed. Its decoder of Fetch answers is replaced by ours, for the consumers that are started inside
 * `withOwnDecoder` and for no other in the process: kafkajs' own delivers aborted records, inflates without a limit and fails
 * a whole answer for one bad batch. And its request queue arms a timer only while a request waits: as shipped it arms one after every
 * answer, with a delay that is negative and so becomes 1 ms, which finds nothing and arms the next (an idle consumer of three brokers
 * made 4,800 timers a second, a third of its idle CPU). And a connection that is closed takes the requests with it that came meanwhile.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import type { AuthenticationProviderArgs, Authenticator, EachBatchPayload } from 'kafkajs'
import kafkajs from 'kafkajs'
import { Misconfigured } from '../../consumer/errors.ts'
import type { TopicPartition } from '../../core/record.ts'
import { decodeFetchAnswer, type WirePartition } from './wire/answer.ts'

const VERSION = '2.2.4'

type Decode = (raw: Buffer) => Promise<unknown>

interface Modules {
  readonly response: { decode: Decode }
  readonly requestQueue: { readonly prototype: RequestQueue }
  readonly connection: { readonly prototype: Connection }
}

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests: (this: RequestQueue) => void
}

interface Connection {
  readonly host: string
  readonly port: number
  disconnect: (this: Connection) => Promise<boolean>
  rejectRequests(error: Error): void
}

/** A partition of an answer had no records, and no error: kafkajs says nothing of those. */
export type OnIdle = (place: TopicPartition) => void

/** The consumer's fetch loop runs in the context in which `consumer.run` was called. */
const ours = new AsyncLocalStorage<OnIdle>()

let isPatched = false

/** A second call changes nothing. Throws `Misconfigured` where another version of kafkajs is installed. */
export function patchKafkajs(installed?: string): void {
  refuseOtherVersions(installed ?? installedVersion())
  if (isPatched) return
  const { response, requestQueue, connection } = modules()
  const { decode } = response
  response.decode = async raw => {
    const onIdle = ours.getStore()
    return onIdle === undefined ? await decode(raw) : forKafkajs(raw, onIdle)
  }
  const { prototype } = requestQueue
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function scheduleWhenPending(this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
  // A request that is sent while a connection is being closed is answered by nobody, and kafkajs has no timeout for it any more: a
  // login among them would keep everybody from connecting to that broker for good.
  const { disconnect } = connection.prototype
  connection.prototype.disconnect = async function disconnectAll(this: Connection): Promise<boolean> {
    const answer = await disconnect.call(this)
    const { host, port } = this
    this.rejectRequests(new kafkajs.KafkaJSConnectionError('Closed connection', { broker: `${host}:${port}` }))
    return answer
  }
  isPatched = true
}

const require = createRequire(import.meta.url)

function installedVersion(): string {
  // Boundary: an npm package has a version.
  const { version } = require('kafkajs/package.json') as { version: string }
  return version
}

function modules(): Modules {
  return {
    // Boundary: modules without types of their own; the test holds that the paths exist and what they export.
    response: require('kafkajs/src/protocol/requests/fetch/v11/response') as Modules['response'],
    // Boundary: as above.
    requestQueue: require('kafkajs/src/network/requestQueue') as Modules['requestQueue'],
    // Boundary: as above.
    connection: require('kafkajs/src/network/connection') as Modules['connection'],
  }
}

function refuseOtherVersions(version: string): void {
  if (version === VERSION) return
  throw new Misconfigured(
    `kafkajs ${version} is installed, and sluice was made for ${VERSION}: install what package-lock.json names`,
  )
}

/** A consumer whose `run` is called in here gets whole partitions of an answer, errors included: see `takePartition`. */
export function withOwnDecoder<T>(onIdle: OnIdle, run: () => T): T {
  return ours.run(onIdle, run)
}

/**
 * kafkajs drops messages below the offset that was asked for, and where it has dropped all it moves its own position on by one. What an
 * envelope carries may begin anywhere, so it stands above every position; where to go on is said by us.
 */
const ABOVE_EVERY_OFFSET = '9223372036854775807'

/** A partition's part of an answer as one message, which kafkajs takes for a record and hands on as a batch. */
interface Envelope {
  readonly offset: string
  part: WirePartition | null
}

/** One message for each partition that has something to say. kafkajs sees no error and no aborted transaction: both are ours to deal with. */
function forKafkajs(raw: Buffer, onIdle: OnIdle): object {
  const { throttleTimeMs, errorCode, sessionId, partitions } = decodeFetchAnswer(raw)
  for (const part of partitions) if (isIdle(part)) onIdle(part)
  const responses = partitions.map(part => ({ topicName: part.topic, partitions: [partitionForKafkajs(part)] }))
  return { throttleTime: 0, clientSideThrottleTime: throttleTimeMs, errorCode, sessionId, responses }
}

function isIdle({ errorCode, batches, broken }: WirePartition): boolean {
  return errorCode === 0 && batches.length === 0 && broken === null
}

function partitionForKafkajs(part: WirePartition): object {
  const envelope = { offset: ABOVE_EVERY_OFFSET, isControlRecord: false, batchContext: {}, key: null, part }
  return {
    partition: part.partition,
    errorCode: 0,
    highWatermark: String(part.highWatermark),
    lastStableOffset: String(part.lastStableOffset),
    lastStartOffset: String(part.logStartOffset),
    abortedTransactions: [],
    preferredReadReplica: part.preferredReadReplica,
    messages: isIdle(part) ? [] : [envelope],
  }
}

/** What a batch carries, taken out of it: kafkajs' closures outlive the batch, and must not pin the answer's bytes. Null: nothing, or it was taken. */
export function takePartition({ batch }: EachBatchPayload): WirePartition | null {
  // Boundary: the message that `partitionForKafkajs` made.
  const [envelope] = batch.messages as unknown as readonly Envelope[]
  const part = envelope?.part ?? null
  if (envelope !== undefined) envelope.part = null
  return part
}

/** The offset that was asked for. */
export function fetchedOffsetOf({ batch }: EachBatchPayload): number {
  // Boundary: a public field of kafkajs' Batch that its types leave out.
  return Number((batch as unknown as { fetchedOffset: string }).fetchedOffset)
}

const LOGINS = { plain: 'plain', 'scram-sha-256': 'scram256', 'scram-sha-512': 'scram512' } as const

/** One login by kafkajs' own code. Built in, it would keep the first password for good; here each login has its own. */
export function builtInLogin(
  sasl: { readonly mechanism: keyof typeof LOGINS; readonly username: string; readonly password: string },
  args: AuthenticationProviderArgs,
): Authenticator {
  // Boundary: a module without types of its own; a test holds that it is there and what it does.
  const provider = require(`kafkajs/src/broker/saslAuthenticator/${LOGINS[sasl.mechanism]}`) as (
    login: typeof sasl,
  ) => (args: AuthenticationProviderArgs) => Authenticator
  return provider(sasl)(args)
}
