/** What is built on kafkajs' insides: an upgrade fails here, not in production. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AuthenticationProviderArgs, EachBatchPayload } from 'kafkajs'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import {
  builtInLogin,
  fetchedOffsetOf,
  patchKafkajs,
  takePartition,
  withOwnDecoder,
} from '../../../src/adapters/kafka/insides.ts'
import { SIGN_MESSAGES } from '../../../src/adapters/kafka/log.ts'
import type { TopicPartition } from '../../../src/core/record.ts'
import { fetchAnswer, numbers } from '../../support/record-batch.ts'
import { SILENT } from '../../support/silent.ts'

const require = createRequire(import.meta.url)
const sourceOf = (path: string): string => readFileSync(require.resolve(`kafkajs/src/${path}`), 'utf8')

interface Queue {
  pending: unknown[]
  throttleCheckTimeoutId: unknown
  checkPendingRequests(): void
  destroy(): void
}

interface Part {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: string
  readonly abortedTransactions: readonly unknown[]
  readonly messages: readonly { readonly offset: string; readonly value?: Buffer }[]
}

interface Answer {
  readonly clientSideThrottleTime: number
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly Part[] }[]
}

interface Response {
  decode(raw: Buffer): Promise<Answer>
  parse(answer: Answer): Promise<Answer>
}

function response(): Response {
  patchKafkajs()
  // Boundary: the module that is patched; what it exports is asserted below.
  return require('kafkajs/src/protocol/requests/fetch/v11/response') as Response
}

/** As kafkajs hands a partition's part of an answer to `eachBatch`. */
function payloadOf(from: number, part: Part): EachBatchPayload {
  const Batch = require('kafkajs/src/consumer/batch') as new (topic: string, from: string, part: Part) => object
  // Boundary: what is read of it here.
  return { batch: new Batch('orders', String(from), part) } as EachBatchPayload
}

const partsOf = ({ responses }: Answer): readonly Part[] => responses.flatMap(({ partitions }) => partitions)
const partOf = (answer: Answer, wanted = 0): Part => {
  const found = partsOf(answer).find(({ partition }) => partition === wanted)
  if (found === undefined) throw new Error(`no partition ${wanted}`)
  return found
}
const decodeOurs = (raw: Buffer, idle: TopicPartition[] = []) =>
  withOwnDecoder(
    place => void idle.push(place),
    () => response().decode(raw),
  )

const ANSWER = fetchAnswer(
  { topic: 'orders', partition: 0, highWatermark: 53, logStart: 3, batches: [numbers(50, 3)] },
  { topic: 'orders', partition: 1, highWatermark: 9, logStart: 0 },
  { topic: 'orders', partition: 2, errorCode: 6 },
)

test('kafkajs is the version that the decoder, the patch and the signs were made for', () => {
  expect(require('kafkajs/package.json')).toMatchObject({ version: '2.2.4' })
})

test('another version is refused with a sentence, before anything is touched', () => {
  expect(() => patchKafkajs('2.3.0')).toThrow(
    'kafkajs 2.3.0 is installed, and sluice was made for 2.2.4: install what package-lock.json names',
  )
})

test('what is patched is there: the answer to Fetch 11 has a decoder of its own, and the request queue schedules its checks', () => {
  expect(response()).toHaveProperty('decode', expect.any(Function))
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: object }
  expect(prototype).toHaveProperty('scheduleCheckPendingRequests')
  expect(sourceOf('protocol/requests/fetch/index.js')).toContain(
    "const response = require('./v11/response')\n    return {",
  )
  // The patched object has to be the one that is asked, at the time of asking.
  expect(sourceOf('network/connection.js')).toContain('await response.decode(payload)')
})

test('outside, a plain consumer gets its records as ever; inside, one envelope a partition', async () => {
  const plain = partOf(await response().decode(ANSWER))
  expect(plain.messages.map(({ offset, value }) => [offset, value?.toString()])).toEqual([
    ['50', 'v50'],
    ['51', 'v51'],
    ['52', 'v52'],
  ])
  const ours = partOf(await decodeOurs(ANSWER))
  expect(ours.messages.length).toBe(1)
})

test('both at the same time, in one process', async () => {
  const [ours, plain] = await Promise.all([decodeOurs(ANSWER), response().decode(ANSWER)])
  expect(partOf(ours).messages.length).toBe(1)
  expect(partOf(plain).messages.length).toBe(3)
})

test('what is started inside stays inside, over every wait', async () => {
  const later = withOwnDecoder(
    () => {},
    async () => {
      await new Promise<void>(resolve => void setImmediate(resolve))
      return await response().decode(ANSWER)
    },
  )
  expect(partOf(await response().decode(ANSWER)).messages.length).toBe(3)
  expect(partOf(await later).messages.length).toBe(1)
})

test("an envelope passes through kafkajs' own checks and filters, and carries the partition's whole answer", async () => {
  const answer = await response().parse(await decodeOurs(ANSWER))
  const part = partOf(answer)
  const payload = payloadOf(51, part)
  expect(fetchedOffsetOf(payload)).toBe(51)
  expect(payload.batch.isEmpty()).toBe(false)
  expect(payload.batch.highWatermark).toBe('53')
  expect(takePartition(payload)).toMatchObject({
    topic: 'orders',
    partition: 0,
    errorCode: 0,
    highWatermark: 53,
    logStartOffset: 3,
    broken: null,
    batches: [{ baseOffset: 50, lastOffset: 52 }],
  })
})

test('an envelope is emptied once: its closures must not keep the bytes of an answer', async () => {
  const part = partOf(await decodeOurs(ANSWER))
  const payload = payloadOf(50, part)
  expect(takePartition(payload)).not.toBeNull()
  expect(takePartition(payload)).toBeNull()
  expect(JSON.stringify(payload)).not.toContain('bytes')
})

test('a partition with an error is an envelope, and kafkajs sees no error', async () => {
  const answer = await response().parse(await decodeOurs(ANSWER))
  const part = partOf(answer, 2)
  expect(part.errorCode).toBe(0)
  const payload = payloadOf(7, part)
  expect(takePartition(payload)).toMatchObject({ partition: 2, errorCode: 6, batches: [] })
})

test('a partition without records is told as idle, and kafkajs hands on nothing', async () => {
  const idle: TopicPartition[] = []
  const part = partOf(await decodeOurs(ANSWER, idle), 1)
  expect(idle).toMatchObject([{ topic: 'orders', partition: 1 }])
  expect(payloadOf(9, part).batch.isEmpty()).toBe(true)
})

test('bytes that are no records are not idle', async () => {
  const idle: TopicPartition[] = []
  const raw = fetchAnswer({ topic: 'orders', partition: 0, batches: [Buffer.alloc(80, 0xff)] })
  const part = partOf(await decodeOurs(raw, idle))
  expect(idle).toEqual([])
  expect(takePartition(payloadOf(0, part))?.broken).not.toBeNull()
})

test('an answer whose own frame is broken is an error of the fetch, which kafkajs repeats', async () => {
  await expect(decodeOurs(ANSWER.subarray(0, 40))).rejects.toThrow('announced')
})

test('an envelope with nothing in it is not ours', () => {
  // Boundary: a batch without messages.
  expect(takePartition({ batch: { messages: [] } } as unknown as EachBatchPayload)).toBeNull()
})

// ── The request queue ───────────────────────────────────────────────────────────────────────────────────────────────────

function queue(): Queue {
  patchKafkajs()
  // Boundary: the class that is patched; its fields are asserted below.
  const RequestQueue = require('kafkajs/src/network/requestQueue') as new (options: object) => Queue
  return new RequestQueue({
    maxInFlightRequests: 0,
    requestTimeout: 1_000,
    enforceRequestTimeout: false,
    clientId: 'test',
    broker: 'test',
    logger: SILENT,
  })
}

test('a request queue with nothing waiting arms no timer', () => {
  const idle = queue()
  expect(idle.throttleCheckTimeoutId).toBeNull()
  idle.checkPendingRequests()
  expect(idle.throttleCheckTimeoutId).toBeNull()
})

test('a request queue with something waiting arms one', () => {
  const busy = queue()
  busy.pending.push({})
  busy.checkPendingRequests()
  expect(busy.throttleCheckTimeoutId).not.toBeNull()
  busy.destroy()
})

test('the defect that is patched is there: unpatched, an idle queue would arm a timer into the past', () => {
  expect(sourceOf('network/requestQueue/index.js')).toContain('let scheduleAt = this.throttledUntil - Date.now()')
})

test.each([
  ['consumer/runner.js', SIGN_MESSAGES.expelled],
  ['consumer/runner.js', SIGN_MESSAGES.fetchFailed],
])('%s says: %s', (path, message) => {
  expect(sourceOf(path)).toContain(`'${message}'`)
})

test('a connection that is closed takes those requests with it that came while it was being closed', async () => {
  patchKafkajs()
  const Connection = require('kafkajs/src/network/connection') as new (
    options: object,
  ) => {
    connectionStatus: string
    requestQueue: { push(request: object): void; inflight: Map<number, unknown> }
    disconnect(): Promise<boolean>
  }
  const logger = { namespace: () => logger, debug: () => undefined, error: () => undefined }
  const connection = new Connection({ host: 'a', port: 1, logger, requestTimeout: 60_000, connectionTimeout: 1 })
  connection.connectionStatus = 'connected'
  const closing = connection.disconnect()
  const lost = Promise.withResolvers<unknown>()
  const entry = { apiKey: 17, apiName: 'SaslHandshake', apiVersion: 1, correlationId: 7, resolve: lost.resolve }
  connection.requestQueue.push({
    entry: { ...entry, reject: lost.resolve },
    expectResponse: true,
    requestTimeout: null,
    sendRequest: () => undefined,
  })
  await closing
  expect(await lost.promise).toMatchObject({ name: 'KafkaJSConnectionError', broker: 'a:1' })
  expect(connection.requestQueue.inflight.size).toBe(0)
})

test("kafkajs' own logins are where they were, and say what they said", async () => {
  const said: string[] = []
  const quiet = { debug: () => undefined, error: () => undefined }
  // Boundary: of what a login is given, no more is used.
  const args = {
    host: 'a',
    port: 1,
    logger: quiet,
    saslAuthenticate: async ({ request }: { request: { encode(): Promise<Buffer> } }) => {
      said.push((await request.encode()).subarray(4).toString())
      throw new kafkajs.KafkaJSError('no')
    },
  } as unknown as AuthenticationProviderArgs
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
    await expect(builtInLogin({ mechanism, username: 'u', password: 'p' }, args).authenticate()).rejects.toThrow('no')
  expect(said).toEqual(['\0u\0p', expect.stringMatching(/^n,,n=u,r=/), expect.stringMatching(/^n,,n=u,r=/)])
})
