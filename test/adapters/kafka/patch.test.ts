/** What is built on kafkajs' insides: an upgrade fails here, not in production. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { SIGN_MESSAGES } from '../../../src/adapters/kafka/log.ts'
import { patchKafkajs } from '../../../src/adapters/kafka/patch.ts'
import { SILENT } from '../../support/silent.ts'

const require = createRequire(import.meta.url)
const sourceOf = (path: string): string => readFileSync(require.resolve(`kafkajs/src/${path}`), 'utf8')

interface Queue {
  pending: unknown[]
  throttleCheckTimeoutId: unknown
  checkPendingRequests(): void
  destroy(): void
}

function queue(): Queue {
  patchKafkajs()
  // Boundary: the class that patch.ts patches; its fields are asserted below.
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

test('kafkajs is the version that the patch and the signs were made for', () => {
  expect(require('kafkajs/package.json')).toMatchObject({ version: '2.2.4' })
})

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
  ['consumer/consumerGroup.js', SIGN_MESSAGES.outOfRange],
  ['consumer/runner.js', SIGN_MESSAGES.expelled],
  ['consumer/runner.js', SIGN_MESSAGES.fetchFailed],
])('%s says: %s', (path, message) => {
  expect(sourceOf(path)).toContain(`'${message}'`)
})
