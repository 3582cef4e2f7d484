/** What a record source reads, and where it goes on: the part of its contract that one member needs. */
import { expect, test } from 'vitest'
import type { Headers } from '../../src/consumer/ports.ts'
import { bytes, hex } from '../support/bytes.ts'
import { type Context, numbered, type TestRecord } from './source-context.ts'

export function readsWhatIsThere({ harness, begin, topicOf, until }: Context): void {
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

  test('an answer says under which leader its records were written', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(5))
    const { listening } = await begin({ topics: [topic] })
    await until('five records', () => listening.records.length === 5)
    // Nobody else has led this log.
    expect(new Set(listening.answers.map(({ leaderEpoch }) => leaderEpoch))).toEqual(new Set([0]))
  })

  test('membership is confirmed again and again', async () => {
    const { listening } = await begin({ topics: [await topicOf(1)] })
    await until('three confirmations', () => listening.confirmations >= 3)
    expect(listening.losses).toEqual([])
  })
}

export function pauses({ harness, begin, leave, topicOf, until, pass }: Context): void {
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

  test('a pause lasts while other partitions leave and others come', async () => {
    const topic = await topicOf(2)
    const { source, listening, group } = await begin({ topics: [topic] })
    await until('both partitions', () => listening.assignments.length === 2)
    source.pause(listening.assignments)
    const second = await begin({ topics: [topic], group })
    await until('one each', () => listening.assignments.length === 1 && second.listening.assignments.length === 1)
    for (const partition of [0, 1]) await harness().append(topic, partition, numbered(3))
    await until('three records of the other', () => second.listening.records.length === 3)
    await leave(second)
    await until('both partitions again', () => listening.assignments.length === 2)
    await until('three records of the one that came', () => listening.records.length === 3)
    await pass(1_000)
    expect(listening.records.length).toBe(3)
    source.resume(listening.assignments)
    await until('those of the one that stayed', () => listening.records.length === 6)
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

export function commits({ harness, begin, leave, topicOf, until }: Context): void {
  test('what is committed is stored with its metadata, and the next source begins there', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(10))
    const first = await begin({ topics: [topic] })
    await until('ten records', () => first.listening.records.length === 10)
    const [assignment] = first.listening.assignments
    if (assignment === undefined) throw new Error('no assignment')
    expect(await first.source.commit([{ assignment, nextOffset: 6, metadata: 'done 8' }])).toEqual({ ok: true })
    expect(await harness().committed(first.group, topic, 0)).toEqual({ nextOffset: 6, metadata: 'done 8' })
    await leave(first)
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

export function noticesTheLog({ harness, begin, leave, topicOf, until }: Context): void {
  test('records that retention took before they were read are reported with their exact range', async () => {
    const topic = await topicOf(1)
    await harness().append(topic, 0, numbered(20))
    const first = await begin({ topics: [topic] })
    await until('twenty records', () => first.listening.records.length === 20)
    const [assignment] = first.listening.assignments
    if (assignment === undefined) throw new Error('no assignment')
    await first.source.commit([{ assignment, nextOffset: 5, metadata: '' }])
    await leave(first)
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
