/** kafkajs' events in an order that a broker gives only now and then. */
import { expect, test } from 'vitest'
import { Consuming } from '../../../src/adapters/kafka/consuming.ts'
import { RejoinWanted } from '../../../src/adapters/kafka/group.ts'
import { Voice } from '../../../src/adapters/kafka/voice.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Listening } from '../../contracts/listening.ts'
import { turn } from '../../support/floor.ts'
import { SILENT } from '../../support/silent.ts'

function setUp() {
  const clock = memoryClock()
  const listening = new Listening()
  const consuming = new Consuming(
    {
      brokers: ['broker:9092'],
      clientId: 'test',
      tls: null,
      sasl: null,
      log: SILENT,
      clock,
      groupId: 'group',
      topics: ['orders'],
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      drainTimeoutMs: 20_000,
      startFrom: 'earliest',
    },
    new Voice(listening),
  )
  return { clock, listening, consuming, events: consuming.events }
}

test('a join that failed is asked for again: the listener has handed over and waits for a new generation', async () => {
  const { listening, events } = setUp()
  events.joined('member', { orders: [0] })
  events.rebalancing()
  await events.beforeJoin()
  expect(() => events.fetchStarting()).toThrow(RejoinWanted)
  events.rebalancing()
  await events.beforeJoin()
  expect(listening.handOvers).toBe(1)
  events.joined('member', { orders: [0] })
  events.fetchStarting()
  expect(listening.joins.length).toBe(2)
})

test('a fetch beside a join of another broker is left alone', async () => {
  const { events } = setUp()
  events.joined('member', { orders: [0] })
  await events.beforeJoin()
  expect(() => events.fetchStarting()).not.toThrow()
})

test('a rejoin that is asked for happens at the next fetch, once', () => {
  const { consuming, events } = setUp()
  events.joined('member', { orders: [0] })
  consuming.rejoin('two commits were refused')
  expect(() => events.fetchStarting()).toThrow('two commits were refused')
  events.fetchStarting()
})

test('the first join hands nothing over', async () => {
  const { listening, events } = setUp()
  await events.beforeJoin()
  expect(listening.handOvers).toBe(0)
})

test('a hand-over is waited for at most for the drain timeout, and nothing is said meanwhile', async () => {
  const { clock, listening, events } = setUp()
  events.joined('member', { orders: [0] })
  const handedOver = Promise.withResolvers<void>()
  listening.onJoining = () => handedOver.promise
  let isOver = false
  const waiting = (async () => {
    await events.beforeJoin()
    isOver = true
  })()
  const confirmations = listening.confirmations
  events.heartbeat('member', 1)
  clock.advance(19_999)
  await turn()
  expect(isOver).toBe(false)
  clock.advance(1)
  await waiting
  expect(listening.confirmations).toBe(confirmations)
  handedOver.resolve()
})

test('an expelled member loses everything at once, hands nothing over, and comes back with new epochs', async () => {
  const { listening, events } = setUp()
  events.joined('member', { orders: [0, 1] })
  const before = new Set(listening.assignments.map(({ epoch }) => epoch))
  events.sign({ kind: 'expelled' })
  expect(listening.losses.length).toBe(1)
  await events.beforeJoin()
  expect(listening.handOvers).toBe(0)
  events.joined('another', { orders: [0, 1] })
  expect(listening.assignments.filter(({ epoch }) => before.has(epoch))).toEqual([])
  expect(listening.losses.length).toBe(1)
})

test('another member id without a word before is a loss too', () => {
  const { listening, events } = setUp()
  events.joined('member', { orders: [0] })
  events.joined('another', { orders: [0] })
  expect(listening.losses.length).toBe(1)
  expect(listening.joins.length).toBe(2)
})

test('a topic that is missing takes its partitions along; when it is back the group is joined again', () => {
  const { listening, consuming, events } = setUp()
  events.joined('member', { orders: [0], payments: [0] })
  const known = new Map([
    ['payments', new Map([[0, { committed: null, isReset: false, highWatermark: 0, logStart: 0 }]])],
  ])
  consuming.offsetsListener.known(known, ['orders'])
  expect(listening.assignments.map(({ topic }) => topic)).toEqual(['payments'])
  expect(listening.waits.at(-1)).toContain('orders')
  events.fetchStarting()
  consuming.offsetsListener.known(known, [])
  expect(listening.waits.at(-1)).toBeNull()
  expect(() => events.fetchStarting()).toThrow('there again')
})

test('a fetch that fails again and again is said, once, until it works', () => {
  const { listening, events } = setUp()
  events.joined('member', { orders: [0] })
  for (const times of [1, 2, 3, 4]) events.sign({ kind: 'fetch-failed', error: 'bad bytes', times })
  expect(listening.waits).toEqual(['fetching fails: bad bytes'])
  events.fetched()
  expect(listening.waits.at(-1)).toBeNull()
})

test('a loop that is silent for a minute while a broker answers is dead; without an answer it is only cut off', () => {
  const { clock, consuming, events } = setUp()
  events.joined('member', { orders: [0] })
  clock.advance(61_000)
  expect(consuming.alive).toBe(true)
  consuming.offsetsListener.known(new Map(), [])
  expect(consuming.alive).toBe(false)
  events.fetchStarting()
  expect(consuming.alive).toBe(true)
})
