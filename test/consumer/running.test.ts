import { describe, expect, test } from 'vitest'
import { NobodyWaits } from '../../src/consumer/attempt.ts'
import type { IntakeRecord } from '../../src/consumer/intake.ts'
import { Running } from '../../src/consumer/running.ts'
import type { Task } from '../../src/core/facts.ts'
import { rawRecord, thingHandler } from '../support/floor.ts'

const TIMEOUT_MS = 1_000
const handler = thingHandler({ timeoutMs: TIMEOUT_MS })

function taskOf(offset: number): Task<IntakeRecord> {
  const raw = rawRecord(offset)
  const consumed = { topic: 'things', partition: 0, offset, timestampMs: 0, key: null, headers: [], value: null }
  const record: IntakeRecord = {
    offset,
    timestampMs: 0,
    bytes: 1,
    lane: null,
    disposition: { kind: 'handle', handler: handler.name },
    raw,
    delivery: { handler, record: { ...consumed, header: () => undefined }, idempotencyKey: 'id' },
  }
  const assignment = { topic: 'things', partition: 0, epoch: 1 }
  return { assignment, record, attempt: 1, takenAtMs: 0, startedAtMs: 0, firstFailedAtMs: null }
}

describe('signals', () => {
  test('go off for those that nobody waits for, and for no other', () => {
    const running = new Running()
    const [first, second] = [taskOf(0), taskOf(1)]
    const [one, other] = [running.begin(first), running.begin(second)]
    running.abort([first])
    expect([one.signal.aborted, other.signal.aborted]).toEqual([true, false])
    expect(one.signal.reason).toBeInstanceOf(NobodyWaits)
    running.abortAll()
    expect(other.signal.aborted).toBe(true)
  })

  test('of what has ended stay silent', () => {
    const running = new Running()
    const task = taskOf(0)
    const { signal } = running.begin(task)
    running.end(task)
    running.abort([task])
    running.abortAll()
    expect(signal.aborted).toBe(false)
  })
})

test('what is under way is counted', () => {
  const running = new Running()
  const [first, second] = [taskOf(0), taskOf(1)]
  running.begin(first)
  running.begin(second)
  expect(running.size).toBe(2)
  running.end(first)
  expect(running.size).toBe(1)
})

describe('a handler that is stuck', () => {
  test('is named after three of its timeouts, counted from when it was called', () => {
    const running = new Running()
    const task = taskOf(7)
    running.begin(task)
    expect([...running.stuck(1e9)], 'it waits for others').toEqual([])
    running.handling(task, 5_000)
    expect([...running.stuck(5_000 + 3 * TIMEOUT_MS - 1)]).toEqual([])
    expect([...running.stuck(5_000 + 3 * TIMEOUT_MS)]).toEqual([
      'handler things at things/0 offset 7 has ignored its signal for 3 timeouts',
    ])
  })

  test('is forgiven when it ends', () => {
    const running = new Running()
    const task = taskOf(7)
    running.begin(task)
    running.handling(task, 0)
    running.end(task)
    expect([...running.stuck(1e9)]).toEqual([])
    running.handling(task, 0)
    expect([...running.stuck(1e9)], 'a late word brings nothing back').toEqual([])
  })
})
