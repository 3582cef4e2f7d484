/** What every record source promises: each sentence of the port is a test here, run on the memory source and on Kafka. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Headers, RecordSource } from '../../src/consumer/ports.ts'
import { bytes, hex } from '../support/bytes.ts'
import { Listening } from './listening.ts'

export interface TestRecord {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: Headers
  readonly timestampMs?: number
}

/** The world around a source. */
export interface SourceHarness {
  readonly freshName: () => string
  readonly createTopic: (name: string, partitions: number) => Promise<void>
  readonly deleteTopic: (name: string) => Promise<void>
  readonly append: (topic: string, partition: number, records: readonly TestRecord[]) => Promise<void>
  /** Offsets without a record for a reader. */
  readonly appendAborted: (topic: string, partition: number, count: number) => Promise<void>
  readonly removeBefore: (topic: string, partition: number, offset: number) => Promise<void>
  readonly committed: (
    group: string,
    topic: string,
    partition: number,
  ) => Promise<{ nextOffset: number; metadata: string } | null>
  readonly source: (options: {
    group: string
    topics: readonly string[]
    startFrom?: 'earliest' | 'latest'
  }) => RecordSource
  /** The coordinator forgets all members of the group. */
  readonly expelAll: (group: string) => Promise<void>
  /** Time passes until it holds; rejects when it never does. */
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>
  /** So much time passes. */
  readonly pass: (ms: number) => Promise<void>
}

const numbered = (count: number, prefix = 'v'): TestRecord[] =>
  Array.from({ length: count }, (_, index) => ({ value: bytes(`${prefix}${index}`) }))

export function recordSourceContract(name: string, harness: () => SourceHarness): void {
  describe(`record source: ${name}`, () => {
    const running: { source: RecordSource; listening: Listening }[] = []

    const begin = async (options: { group?: string; topics: readonly string[]; startFrom?: 'earliest' | 'latest' }) => {
      const { group = harness().freshName(), ...rest } = options
      const source = harness().source({ group, ...rest })
      const listening = new Listening()
      running.push({ source, listening })
      await source.start(listening)
      return { source, listening, group }
    }
    const topicOf = async (partitions: number): Promise<string> => {
      const topic = harness().freshName()
      await harness().createTopic(topic, partitions)
      return topic
    }
    const pass = (ms: number) => harness().pass(ms)
    const until = (what: string, holds: () => boolean | Promise<boolean>) => harness().until(what, holds)

    afterEach(async () => {
      const ended = running.splice(0)
      await Promise.all(ended.map(({ source }) => source.stop()))
      expect(ended.flatMap(({ listening }) => listening.violations)).toEqual([])
    })

    readsWhatIsThere({ harness, begin, topicOf, until, pass })
    pauses({ harness, begin, topicOf, until, pass })
    commits({ harness, begin, topicOf, until, pass })
    sharesAGroup({ harness, begin, topicOf, until, pass })
    noticesTheLog({ harness, begin, topicOf, until, pass })
    begins({ harness, begin, topicOf, until, pass })
    ends({ harness, begin, topicOf, until, pass })
  })
}

interface Context {
  readonly harness: () => SourceHarness
  readonly begin: (options: {
    group?: string
    topics: readonly string[]
    startFrom?: 'earliest' | 'latest'
  }) => Promise<{
    source: RecordSource
    listening: Listening
    group: string
  }>
  readonly topicOf: (partitions: number) => Promise<string>
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>
  readonly pass: (ms: number) => Promise<void>
}

function readsWhatIsThere({ harness, begin, topicOf, until }: Context): void {
  test('a record comes as the log holds it: empty and null are different, headers may repeat', async () => {
    const topic = await topicOf(1)
    const headers: Headers = [
      ['constructor', bytes('of every object')],
      ['__proto__', bytes('too')],
      ['trace', bytes('one')],
      ['trace', bytes('two')],
      ['empty', bytes('')],
      ['binary', Uint8Array.of(0, 255, 128)],
    ]
    const sent: TestRecord[] = [
      { key: bytes('k'), value: bytes('v'), headers, timestampMs: 1_700_000_000_123 },
      { key: null, value: null },
      { key: bytes(''), value: bytes('') },
    ]
    await harness().append(topic, 0, sent)
    const { listening } = await begin({ topics: [topic] })
    await until('three records', () => listening.records.length === 3)
    const [first, second, third] = listening.records.map(({ record }) => record)
    expect({
      key: hex(first?.key),
      value: hex(first?.value),
      timestampMs: first?.timestampMs,
      offset: first?.offset,
    }).toEqual({
      key: hex(bytes('k')),
      value: hex(bytes('v')),
      timestampMs: 1_700_000_000_123,
      offset: 0,
    })
    expect(first?.headers.map(([header, value]) => [header, hex(value)])).toEqual(
      headers.map(([header, value]) => [header, hex(value)]),
    )
    expect([second?.key, second?.value]).toEqual([null, null])
    expect([third?.key?.length, third?.value?.length]).toEqual([0, 0])
  })

  test('all records of all partitions come, each partition in order and without overlap', async () => {
    const topic = await topicOf(3)
    for (const partition of [0, 1, 2]) await harness().append(topic, partition, numbered(1_200, `p${partition}-`))
    const { listening } = await begin({ topics: [topic] })
    await until('3,600 records', () => listening.records.length === 3_600)
    await harness().append(topic, 1, numbered(10, 'later-'))
    await until('the later ones', () => listening.records.length === 3_610)
    const offsets = listening.records.filter(({ place }) => place === '1').map(({ record }) => record.offset)
    expect(offsets).toEqual(Array.from({ length: 1_210 }, (_, index) => index))
    expect(listening.answers.every(answer => answer.bytes > 0 && answer.highWatermark >= answer.positionAfter)).toBe(
      true,
    )
    expect(listening.fetches).toBeGreaterThan(0)
  })

  test('the position moves over what no reader sees, also at the end of the log', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(2))
    await harness().appendAborted(topic, 0, 5)
    const { source, listening, group } = await begin({ topics: [topic] })
    await until(
      'the end of the log',
      () => (listening.answers.at(-1)?.positionAfter ?? 0) === listening.answers.at(-1)?.highWatermark,
    )
    await until('everything behind the two', () => (listening.answers.at(-1)?.positionAfter ?? 0) >= 7)
    expect(listening.values).toEqual(['v0', 'v1'])
    const end = listening.answers.at(-1)?.positionAfter
    expect(await source.commit(listening.everything())).toEqual({ ok: true })
    expect((await harness().committed(group, topic, 0))?.nextOffset).toBe(end)
  })

  test('a log of nothing but aborted records gives an empty answer, and its position can be committed', async () => {
    const topic = await topicOf(1)
    await harness().appendAborted(topic, 0, 5)
    const { source, listening, group } = await begin({ topics: [topic] })
    await until('an answer', () => (listening.answers.at(-1)?.positionAfter ?? 0) >= 5)
    expect(listening.records).toEqual([])
    await until('a commit', async () => (await source.commit(listening.everything())).ok)
    expect((await harness().committed(group, topic, 0))?.nextOffset).toBe(listening.answers.at(-1)?.positionAfter)
  })

  test('offsets are known for partitions that have nothing to read', async () => {
    const topic = await topicOf(2)
    await harness().append(topic, 0, numbered(4))
    const { source, listening } = await begin({ topics: [topic] })
    await until('offsets of both', () => listening.lastOffsets.length === 2)
    const byPartition = () => new Map(listening.lastOffsets.map(row => [row.assignment.partition, row]))
    expect(byPartition().get(0)).toMatchObject({ committed: null, highWatermark: 4, logStart: 0 })
    expect(byPartition().get(1)).toMatchObject({ committed: null, highWatermark: 0, logStart: 0 })
    await until('four records', () => listening.records.length === 4)
    await source.commit(listening.everything())
    await until('the commit is seen', () => byPartition().get(0)?.committed === 4)
  })

  test('membership is confirmed again and again', async () => {
    const { listening } = await begin({ topics: [await topicOf(1)] })
    await until('three confirmations', () => listening.confirmations >= 3)
    expect(listening.losses).toEqual([])
  })
}

function pauses({ harness, begin, topicOf, until, pass }: Context): void {
  test('a partition that is paused inside an answer gives no further one until it is resumed; nothing comes twice', async () => {
    const topic = await topicOf(2)
    const { source, listening } = await begin({ topics: [topic] })
    await until('both partitions', () => listening.assignments.length === 2)
    listening.onAnswered = answer => {
      if (answer.assignment.partition === 0) source.pause([answer.assignment])
    }
    await harness().append(topic, 0, numbered(5, 'first-'))
    await until('the first five', () => listening.records.length === 5)
    await harness().append(topic, 0, numbered(5, 'second-'))
    await harness().append(topic, 1, numbered(5, 'other-'))
    await until('the other partition', () => listening.records.length === 10)
    await pass(1_000)
    expect(listening.values.filter(value => value.startsWith('second'))).toEqual([])
    source.resume(listening.assignments)
    await until('the second five', () => listening.records.length === 15)
    expect(listening.violations).toEqual([])
  })

  test('a pause lasts across joins', async () => {
    const topic = await topicOf(1)
    const { source, listening } = await begin({ topics: [topic] })
    await until('the partition', () => listening.assignments.length === 1)
    source.pause(listening.assignments)
    source.rejoin('a test')
    await until('the second join', () => listening.joins.length >= 2)
    await harness().append(topic, 0, numbered(3))
    await pass(1_000)
    expect(listening.records).toEqual([])
    source.resume(listening.assignments)
    await until('three records', () => listening.records.length === 3)
  })

  test('a pause of an assignment that is gone is passed over', async () => {
    const topic = await topicOf(1)
    const { source, listening } = await begin({ topics: [topic] })
    await until('the partition', () => listening.assignments.length === 1)
    source.pause([{ topic, partition: 0, epoch: -1 }])
    await harness().append(topic, 0, numbered(3))
    await until('three records', () => listening.records.length === 3)
    expect(listening.values).toEqual(['v0', 'v1', 'v2'])
  })
}

function commits({ harness, begin, topicOf, until }: Context): void {
  test('what is committed is stored with its metadata, and the next source begins there', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(10))
    const first = await begin({ topics: [topic] })
    await until('ten records', () => first.listening.records.length === 10)
    const [assignment] = first.listening.assignments
    if (assignment === undefined) throw new Error('no assignment')
    expect(await first.source.commit([{ assignment, nextOffset: 6, metadata: 'done 8' }])).toEqual({ ok: true })
    expect(await harness().committed(first.group, topic, 0)).toEqual({ nextOffset: 6, metadata: 'done 8' })
    await first.source.stop()
    const second = await begin({ topics: [topic], group: first.group })
    await until('the four behind it', () => second.listening.records.length === 4)
    expect(second.listening.values).toEqual(['v6', 'v7', 'v8', 'v9'])
    expect(second.listening.answers[0]?.positionBefore).toBe(6)
  })

  test('a commit for an assignment that is gone is passed over', async () => {
    const topic = await topicOf(2)
    for (const partition of [0, 1]) await harness().append(topic, partition, numbered(3))
    const { source, listening, group } = await begin({ topics: [topic] })
    await until('six records', () => listening.records.length === 6)
    const stale = { assignment: { topic, partition: 0, epoch: -1 }, nextOffset: 3, metadata: '' }
    expect(await source.commit([stale])).toEqual({ ok: true })
    expect(
      await source.commit([stale, ...listening.everything().filter(({ assignment }) => assignment.partition === 1)]),
    ).toEqual({ ok: true })
    expect(await harness().committed(group, topic, 0)).toBeNull()
    expect((await harness().committed(group, topic, 1))?.nextOffset).toBe(3)
  })
}

function sharesAGroup({ harness, begin, topicOf, until, pass }: Context): void {
  test('partitions that stay keep their epoch and position over a join; nothing comes twice', async () => {
    const topic = await topicOf(3)
    for (const partition of [0, 1, 2]) await harness().append(topic, partition, numbered(20))
    const { source, listening } = await begin({ topics: [topic] })
    await until('sixty records', () => listening.records.length === 60)
    const before = listening.assignments
    source.rejoin('a test')
    await until('the second join', () => listening.joins.length >= 2)
    expect(listening.assignments).toEqual(before)
    await harness().append(topic, 0, numbered(1, 'after-'))
    await until('the record after it', () => listening.values.includes('after-0'))
    await pass(1_000)
    expect(listening.records.length).toBe(61)
    expect(listening.handOvers).toBe(1)
    expect(listening.losses).toEqual([])
  })

  test('twelve partitions are shared and handed over: commits are taken before the join, nothing is lost or comes twice', async () => {
    const topic = await topicOf(12)
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(10, `${partition}-`))
    const first = await begin({ topics: [topic] })
    const commitsAtJoin: unknown[] = []
    first.listening.onJoining = async () => {
      commitsAtJoin.push(await first.source.commit(first.listening.everything()))
    }
    await until('everything', () => first.listening.records.length === 120)
    const second = await begin({ topics: [topic], group: first.group })
    await until('six each', () => first.listening.assignments.length === 6 && second.listening.assignments.length === 6)
    expect(commitsAtJoin).toEqual([{ ok: true }])
    expect(
      [...first.listening.partitions, ...second.listening.partitions].toSorted((one, other) => one - other),
    ).toEqual([...Array(12).keys()])
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(5, `${partition}-later-`))
    await until('sixty more', () => first.listening.records.length + second.listening.records.length === 180)
    expect(second.listening.values.every(value => value.includes('later'))).toBe(true)
    await first.source.commit(first.listening.everything())
    await first.source.stop()
    await until('all twelve', () => second.listening.assignments.length === 12)
    for (let partition = 0; partition < 12; partition++)
      await harness().append(topic, partition, numbered(1, `${partition}-last-`))
    await until('the last twelve', () => second.listening.values.filter(value => value.includes('last')).length === 12)
    expect(new Set([...first.listening.values, ...second.listening.values]).size).toBe(192)
    expect(first.listening.values.length + second.listening.values.length).toBe(192)
  })

  test('a hand-over that does not end is not waited for beyond its time', async () => {
    const topic = await topicOf(1)
    const { source, listening } = await begin({ topics: [topic] })
    await until('the partition', () => listening.assignments.length === 1)
    listening.handsOverForEver = true
    listening.onJoining = () => Promise.withResolvers<void>().promise
    source.rejoin('a test')
    await until('the second join', () => listening.joins.length >= 2)
    await harness().append(topic, 0, numbered(1))
    await until('a record', () => listening.records.length === 1)
    expect(listening.handOvers).toBe(1)
  })

  test('a member that was expelled loses everything and comes back with new epochs', async () => {
    const topic = await topicOf(2)
    await harness().append(topic, 0, numbered(3))
    const { source, listening, group } = await begin({ topics: [topic] })
    await until('three records', () => listening.records.length === 3)
    const before = listening.assignments
    const committing = listening.everything()
    await harness().expelAll(group)
    await until('the loss', () => listening.losses.length === 1)
    await until('a new assignment', () => listening.assignments.length === 2)
    const epochs = new Set(before.map(({ epoch }) => epoch))
    expect(listening.assignments.some(({ epoch }) => epochs.has(epoch))).toBe(false)
    expect(await source.commit(committing)).toEqual({ ok: true })
    expect(await harness().committed(group, topic, 0)).toBeNull()
    await until('the records again', () => listening.records.length === 6)
  })
}

function noticesTheLog({ harness, begin, topicOf, until }: Context): void {
  test('records that retention took before they were read are reported with their exact range', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(20))
    const first = await begin({ topics: [topic] })
    await until('twenty records', () => first.listening.records.length === 20)
    const [assignment] = first.listening.assignments
    if (assignment === undefined) throw new Error('no assignment')
    await first.source.commit([{ assignment, nextOffset: 5, metadata: '' }])
    await first.source.stop()
    await harness().removeBefore(topic, 0, 12)
    const second = await begin({ topics: [topic], group: first.group })
    await until('the eight that are left', () => second.listening.records.length === 8)
    expect(second.listening.misses).toEqual([
      { assignment: second.listening.assignments[0], from: 5, to: 12, cause: 'retention' },
    ])
    expect(second.listening.values[0]).toBe('v12')
  })

  test('records that retention takes from under a running reader are reported too, under the same epoch', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(10))
    const { source, listening } = await begin({ topics: [topic] })
    await until('ten records', () => listening.records.length === 10)
    source.pause(listening.assignments)
    await harness().append(topic, 0, numbered(10, 'gone-'))
    await harness().removeBefore(topic, 0, 15)
    source.resume(listening.assignments)
    await until('the five that are left', () => listening.records.length === 15)
    expect(listening.misses).toEqual([{ assignment: listening.assignments[0], from: 10, to: 15, cause: 'retention' }])
  })

  test('a topic that is created again is read from its beginning, under a new epoch', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(30, 'old-'))
    const { source, listening } = await begin({ topics: [topic] })
    await until('thirty records', () => listening.records.length === 30)
    await source.commit(listening.everything())
    const [before] = listening.assignments
    await harness().deleteTopic(topic)
    await harness().createTopic(topic, 1)
    await harness().append(topic, 0, numbered(8, 'new-'))
    await until('the eight new ones', () => listening.values.filter(value => value.startsWith('new')).length === 8)
    expect(listening.assignments[0]?.epoch).not.toBe(before?.epoch)
    expect(listening.values.filter(value => value.startsWith('old')).length).toBe(30)
  })
}

function begins({ harness, begin, topicOf, until, pass }: Context): void {
  test('a topic that does not exist is named and waited for', async () => {
    const topic = harness().freshName()
    const source = harness().source({ group: harness().freshName(), topics: [topic] })
    const listening = new Listening()
    let isStarted = false
    const starting = (async () => {
      await source.start(listening)
      isStarted = true
    })()
    await until('a word of it', () => listening.waits.some(why => why?.includes(topic)))
    expect(isStarted).toBe(false)
    await harness().createTopic(topic, 1)
    await harness().append(topic, 0, numbered(2))
    await until('two records', () => listening.records.length === 2)
    await starting
    expect(listening.waits.at(-1)).toBeNull()
    await source.stop()
  })

  test('from the latest: only what comes after the start, and that beginning is a commit', async () => {
    const topic = await topicOf(2)
    for (const partition of [0, 1]) await harness().append(topic, partition, numbered(5, 'before-'))
    const { listening, group } = await begin({ topics: [topic], startFrom: 'latest' })
    await until('both partitions', () => listening.assignments.length === 2)
    expect((await harness().committed(group, topic, 0))?.nextOffset).toBe(5)
    await pass(500)
    await harness().append(topic, 0, numbered(2, 'after-'))
    await until('two records', () => listening.records.length === 2)
    expect(listening.values).toEqual(['after-0', 'after-1'])
  })

  test('from the latest: a group that has commits goes on from them', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(5))
    const first = await begin({ topics: [topic] })
    await until('five records', () => first.listening.records.length === 5)
    const [assignment] = first.listening.assignments
    if (assignment === undefined) throw new Error('no assignment')
    await first.source.commit([{ assignment, nextOffset: 2, metadata: '' }])
    await first.source.stop()
    const second = await begin({ topics: [topic], group: first.group, startFrom: 'latest' })
    await until('three records', () => second.listening.records.length === 3)
    expect(second.listening.values).toEqual(['v2', 'v3', 'v4'])
  })
}

function ends({ harness, begin, topicOf, until, pass }: Context): void {
  test('after stop the listener hears nothing, the second stop is the first, and others have the partitions at once', async () => {
    const topic = await topicOf(4)
    const first = await begin({ topics: [topic] })
    const second = await begin({ topics: [topic], group: first.group })
    await until('two each', () => first.listening.assignments.length === 2 && second.listening.assignments.length === 2)
    const stopping = first.source.stop()
    expect(first.source.stop()).toBe(stopping)
    const heard = JSON.stringify(first.listening)
    await until('all four', () => second.listening.assignments.length === 4)
    await harness().append(topic, 0, numbered(2))
    await pass(500)
    expect(JSON.stringify(first.listening)).toBe(heard)
    expect(await first.source.commit(first.listening.everything())).toHaveProperty('ok')
  })

  test('stop is safe before start, which then rejects', async () => {
    const source = harness().source({ group: harness().freshName(), topics: [harness().freshName()] })
    await source.stop()
    await expect(source.start(new Listening())).rejects.toThrow('stopped')
    expect(source.alive).toBe(true)
  })

  test('stop while the source waits for its topic ends the start', async () => {
    const source = harness().source({ group: harness().freshName(), topics: [harness().freshName()] })
    const listening = new Listening()
    const starting = source.start(listening)
    // Looked at below; until then nobody else may take it for unhandled.
    starting.catch(() => undefined)
    await until('it waits', () => listening.waits.length > 0)
    await source.stop()
    await expect(starting).rejects.toThrow('stopped')
  })
}
