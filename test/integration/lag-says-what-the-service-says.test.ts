/** For one group, `lag` without a service and a running service's /status have the same numbers: behind, settled out of order, and even. */
import { expect, test } from 'vitest'
import type { StatusBody } from '../../src/adapters/http/status-schema.ts'
import { defineHandler } from '../../src/consumer/handler.ts'
import { UserActivity } from '../../src/generated/user-activity.ts'
import { runService } from '../../src/service.ts'
import { cli } from '../cli/terminal.ts'
import { latch } from '../support/floor.ts'
import { KafkaWorld } from '../support/kafka-world.ts'
import { freshName, freshTopic, parts, until } from '../support/parts.ts'
import { activityStream, logins } from '../support/stream.ts'

const USERS = 5
const EVENTS = 40

test('behind a slow record, past what nobody sees, and when all is done', async () => {
  const { brokers, registryUrl } = parts()
  const topic = await freshTopic('lag', { partitions: 2 })
  const group = freshName('group')
  const world = new KafkaWorld(brokers)
  const slow = latch()
  const env = {
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_GROUP_ID: group,
    KAFKA_CLIENT_ID: 'lag-test',
    SCHEMA_REGISTRY_URL: registryUrl,
    DEAD_LETTER_CREATE: 'true',
    COMMIT_INTERVAL_MS: '100',
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: '0',
    LOG_LEVEL: 'error',
  }
  const service = await runService({
    handlers: [
      defineHandler<UserActivity>({
        topic,
        schema: UserActivity,
        orderBy: ({ value }) => value.userId,
        idempotencyKey: 'naturally-idempotent',
        timeoutMs: 20_000,
        handle: async ({ value }) => (value.userId === 'user-2' ? await slow.passed : undefined),
      }),
    ],
    ownProcess: false,
    env,
  })
  const stream = await activityStream({ brokers, registryUrl, topic })
  const fromService = async () => {
    // Boundary: the route's schema is held by the tests of the HTTP adapter.
    const { partitions } = (await (await fetch(`${service.url}/status`)).json()) as StatusBody
    return partitions.toSorted((one, other) => one.partition - other.partition)
  }
  const fromBrokers = async () => {
    const { code, out } = await cli(['lag', '--json'], env)
    expect(code).toBe(0)
    return JSON.parse(out)
  }
  /** Both, once the service says what it says of a log that stands still, and has said it to the broker. */
  const compared = async (lagOfFirst: number) => {
    await until('the service knows it', async () => {
      const [first, second] = await fromService()
      return first?.lagRecords === lagOfFirst && second?.lagRecords === 0
    })
    const [told, status] = [await fromBrokers(), await fromService()]
    const numbers = status.map(({ committed, highWatermark: end, lagRecords, oldestUnsettled }) => ({
      committed,
      end,
      lagRecords,
      oldestUnsettled,
    }))
    expect(told.partitions).toMatchObject(numbers)
    for (const [at, { lagSeconds }] of status.entries())
      expect(Math.abs(told.partitions[at].lagSeconds - lagSeconds)).toBeLessThan(5)
    return told
  }
  try {
    const events = logins(EVENTS, USERS)
    const values = await Promise.all(events.map(event => stream.encode(event)))
    await world.append(
      topic,
      0,
      values.map(value => ({ value })),
    )
    await until('its metadata says all that is settled', async () => {
      const stored = await world.committed(group, topic, 0)
      const settled = (await fromBrokers()).partitions[0].settledAbove
      return stored?.nextOffset === 2 && settled === EVENTS - 2 - EVENTS / USERS
    })
    await world.appendAborted(topic, 1, 20)
    const behind = await compared(EVENTS - 2)
    expect(behind).toMatchObject({ state: 'Stable', protocol: 'sluice-cooperative-sticky', lagRecords: EVENTS - 2 })
    expect(behind.members).toEqual([{ clientId: 'lag-test', host: expect.stringMatching(/^[\d.]+$/), partitions: 2 }])
    const { clientId, host } = behind.members[0]
    expect(behind.partitions[1]).toMatchObject({ committed: 20, lagSeconds: 0, owner: { clientId, host }, notes: [] })
    slow.open()
    const done = await compared(0)
    expect(done).toMatchObject({ lagRecords: 0, lagSeconds: 0 })
    expect(done.partitions[0]).toMatchObject({ committed: EVENTS, settledAbove: 0 })
  } finally {
    slow.open()
    await service.stop()
    await Promise.all([stream.close(), world.close()])
  }
  const left = await fromBrokers()
  expect(left).toMatchObject({ state: 'Empty', members: [], lagRecords: 0 })
  expect(left.partitions[0].owner).toBe(null)
})
