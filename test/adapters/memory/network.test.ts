/** The parts in memory as several processes see them: over a network that takes its time, and through a clock of their own that can stand still. */
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { type MemoryClock, memoryClock } from '../../../src/adapters/memory/clock.ts'
import { DeadLetterTopic, memoryDeadLetters } from '../../../src/adapters/memory/dead-letters.ts'
import { memoryDecoder, memoryRegistry } from '../../../src/adapters/memory/decoder.ts'
import { MemoryInbox } from '../../../src/adapters/memory/inbox.ts'
import { type MemoryUnitOfWork, memoryUnitOfWork } from '../../../src/adapters/memory/unit-of-work.ts'
import { ClaimBusy, ClaimLost, CommitUnknown, DeadLetterNotWritten, Unavailable } from '../../../src/consumer/errors.ts'
import type { Claim, Clock, DeadLetter } from '../../../src/consumer/ports.ts'

const RECORD: Claim = { handler: 'h', idempotencyKey: 'k', topic: 't', partition: 0, offset: 7, value: null }
const TIMEOUT_MS = 1_000
const LATENCY_MS = 10

let world: MemoryClock
let inbox: MemoryInbox
beforeEach(() => {
  world = memoryClock()
  inbox = new MemoryInbox({ clock: world, connectionCheckMs: 200 })
})

/** The clock of a process that can be stopped and goes on where it was. */
function stoppable(): { clock: Clock; stop: () => void; goOn: () => void } {
  let waiting: (() => void)[] | null = null
  const clock: Clock = {
    nowMs: () => world.nowMs(),
    wallMs: () => world.wallMs(),
    at: (atMs, callback) => world.at(atMs, () => (waiting === null ? callback() : waiting.push(callback))),
  }
  return {
    clock,
    stop: () => void (waiting ??= []),
    goOn() {
      const due = waiting ?? []
      waiting = null
      for (const callback of due) callback()
    },
  }
}

function networkOf(clock: Clock) {
  return { clock, world, latencyMs: () => LATENCY_MS }
}

function processOf(clock: Clock = world, poolMax = 10): MemoryUnitOfWork {
  return memoryUnitOfWork({ clock, inbox, network: networkOf(clock), poolMax })
}

async function pass(ms: number): Promise<void> {
  const endMs = world.nowMs() + ms
  await turn()
  for (let nextMs = world.nextAtMs(); nextMs !== null && nextMs <= endMs; nextMs = world.nextAtMs()) {
    world.advanceToNext()
    await turn()
  }
  world.advanceTo(endMs)
}

function ended(promise: Promise<unknown>): { readonly end: unknown } {
  const seen: { end: unknown } = { end: null }
  promise.then(
    value => (seen.end = value ?? 'done'),
    (error: unknown) => (seen.end = error),
  )
  return seen
}

describe('the database', () => {
  test('is asked and answers in its time, and keeps what was committed before the answer is there', async () => {
    const finished = ended(processOf().begin(RECORD, TIMEOUT_MS).finish())
    await pass(3 * LATENCY_MS)
    expect([inbox.rows.size, finished.end]).toEqual([1, null])
    await pass(LATENCY_MS)
    expect(finished.end).toBe('done')
  })

  test('keeps the claim of a process that stands still until its idle time is over', async () => {
    const frozen = stoppable()
    const [one, other] = [processOf(frozen.clock), processOf()]
    const unit = one.begin(RECORD, TIMEOUT_MS)
    const first = ended(unit.tx.query('effect', ['first']))
    await pass(4 * LATENCY_MS)
    expect(first.end).not.toBeNull()
    frozen.stop()
    const second = ended(other.begin(RECORD, 2 * TIMEOUT_MS).finish())
    await pass(TIMEOUT_MS - 5 * LATENCY_MS)
    expect([second.end, inbox.rows.size]).toEqual([null, 0])
    await pass(8 * LATENCY_MS)
    expect(second.end).toBe('done')
    const revived = ended(unit.finish())
    frozen.goOn()
    await pass(2 * LATENCY_MS)
    expect(one.classify(revived.end)).toMatchObject({ kind: 'passing', timedOut: true })
  })

  test('tells a process that stands still nothing', async () => {
    const frozen = stoppable()
    const known = ended(processOf(frozen.clock).known([RECORD]))
    frozen.stop()
    await pass(20 * LATENCY_MS)
    expect(known.end).toBeNull()
    frozen.goOn()
    await turn()
    expect(known.end).toEqual([null])
  })

  test('commits what a process sent before it vanished', async () => {
    const gone = stoppable()
    const unit = processOf(gone.clock).begin(RECORD, TIMEOUT_MS)
    void unit.finish()
    await pass(2 * LATENCY_MS)
    // COMMIT is on its way.
    gone.stop()
    expect(inbox.rows.size).toBe(0)
    await pass(LATENCY_MS)
    expect(inbox.rows.size).toBe(1)
  })

  test('rolls back what a process that vanished had open', async () => {
    const work = processOf()
    const query = ended(work.begin(RECORD, TIMEOUT_MS).tx.query('effect', ['lost']))
    await pass(4 * LATENCY_MS)
    expect(query.end).not.toBeNull()
    work.vanish()
    const other = ended(processOf().begin(RECORD, TIMEOUT_MS).finish())
    await pass(4 * LATENCY_MS)
    expect([other.end, inbox.effects]).toEqual(['done', []])
  })

  test('may still keep what was given up while its COMMIT was on its way', async () => {
    const unit = processOf().begin(RECORD, TIMEOUT_MS)
    const finished = ended(unit.finish())
    await pass(2 * LATENCY_MS + 1)
    unit.destroy()
    await turn()
    expect(finished.end).toBeInstanceOf(CommitUnknown)
    await pass(LATENCY_MS)
    expect(inbox.rows.size).toBe(1)
  })

  test('may commit long after the client was cut off, and holds the claim until then', async () => {
    inbox.nextCommit({ lateMs: 500 })
    const finished = ended(processOf().begin(RECORD, TIMEOUT_MS).finish())
    await pass(4 * LATENCY_MS)
    expect([finished.end, inbox.rows.size]).toEqual([expect.any(CommitUnknown), 0])
    const again = ended(processOf().begin(RECORD, TIMEOUT_MS).tx.query('select'))
    await pass(300)
    expect(again.end).toBeNull()
    await pass(300)
    expect([again.end, inbox.rows.size]).toEqual([expect.any(ClaimLost), 1])
  })

  test('that hangs answers nobody, and who asked gives up in time', async () => {
    inbox.hang()
    const work = processOf()
    const asked = [ended(work.known([RECORD])), ended(work.begin(RECORD, TIMEOUT_MS).finish())]
    await pass(9_000)
    expect(asked.map(({ end }) => end)).toEqual([null, expect.any(Unavailable)])
    await pass(2_000)
    expect(asked[0]?.end).toBeInstanceOf(Unavailable)
    inbox.up()
    const later = ended(processOf().begin(RECORD, TIMEOUT_MS).finish())
    await pass(4 * LATENCY_MS)
    expect(later.end).toBe('done')
  })

  test('has as many connections for a process as its pool: who waits for one in vain was only waiting', async () => {
    const work = processOf(world, 1)
    const first = work.begin(RECORD, 10_000)
    const second = work.begin({ ...RECORD, idempotencyKey: 'l' }, 10_000)
    void first.tx.query('select')
    await pass(4 * LATENCY_MS)
    const waiting = ended(second.tx.query('select'))
    expect(second.phase).toBe('connecting')
    await pass(3_000)
    expect(waiting.end).toBeInstanceOf(ClaimBusy)
    await Promise.all([first.abandon(), pass(4 * LATENCY_MS)])
    const third = ended(work.begin({ ...RECORD, idempotencyKey: 'm' }, 10_000).finish())
    await pass(4 * LATENCY_MS)
    expect(third.end).toBe('done')
  })
})

test('a dead letter may be taken though its writer is never told', async () => {
  const topic = new DeadLetterTopic()
  const letters = memoryDeadLetters({ topic, network: networkOf(world) })
  const record = { offset: 7, timestampMs: 0, key: null, value: null, headers: [] }
  const letter: DeadLetter = {
    topic: 't',
    partition: 0,
    record,
    handler: null,
    reason: 'framing',
    error: '',
    attempts: 0,
    firstFailedAtMs: 0,
    failedAtMs: 0,
  }
  topic.loseAnswer()
  const written = ended(letters.write([letter]))
  await pass(2 * LATENCY_MS)
  expect([written.end, topic.written.length]).toEqual([expect.any(DeadLetterNotWritten), 1])
})

test('processes share a registry, and each asks for itself', async () => {
  const registry = memoryRegistry()
  const decoderOf = () => memoryDecoder({ readers: new Map(), clock: world, registry, network: networkOf(world) })
  const [one, other] = [decoderOf(), decoderOf()]
  registry.register(1, { name: 'test.Thing' })
  const loaded = ended(one.load(1))
  await pass(2 * LATENCY_MS)
  expect([loaded.end, one.asked(1), other.asked(1)]).toEqual(['done', 1, 0])
})

test('a clock may be moved on by one callback at a time', () => {
  const calls: string[] = []
  world.at(5, () => calls.push('second'))
  world.at(2, () => calls.push('first'))
  world.at(5, () => calls.push('third'))
  world.at(1, () => calls.push('never'))()
  expect(world.advanceToNext()).toBe(true)
  expect([world.nowMs(), calls]).toEqual([2, ['first']])
  world.advanceToNext()
  world.advanceToNext()
  expect([world.nowMs(), calls]).toEqual([5, ['first', 'second', 'third']])
  expect(world.advanceToNext()).toBe(false)
})
