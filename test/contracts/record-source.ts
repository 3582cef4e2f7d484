/** What every record source promises: each sentence of the port is a test here, run on the memory source and on Kafka. */
import { afterEach, describe, expect, test } from 'vitest'
import { Listening } from './listening.ts'
import { type Consuming, type Context, numbered, type SourceHarness, type TestSourceOptions } from './source-context.ts'
import { handsOver, sharesAGroup } from './source-group.ts'
import { commits, noticesTheLog, pauses, readsWhatIsThere } from './source-reads.ts'
import { restores } from './source-restores.ts'

export type { SourceHarness }

export function recordSourceContract(name: string, harness: () => SourceHarness): void {
  describe(`record source: ${name}`, () => {
    const running: Consuming[] = []
    const members = new Map<string, Set<Listening>>()

    const begin = async ({
      group = harness().freshName(),
      ...rest
    }: Omit<TestSourceOptions, 'group'> & { group?: string }) => {
      const source = harness().source({ group, ...rest })
      const peers = members.get(group) ?? new Set()
      members.set(group, peers)
      const listening = new Listening(peers)
      peers.add(listening)
      const consuming = { source, listening, group }
      running.push(consuming)
      await source.start(listening)
      return consuming
    }
    const leave = ({ source, listening, group }: Consuming): Promise<void> => {
      // It is not told that it has nothing any more.
      members.get(group)?.delete(listening)
      return source.stop()
    }
    const topicOf = async (partitions: number): Promise<string> => {
      const topic = harness().freshName()
      await harness().createTopic(topic, partitions)
      return topic
    }
    const context: Context = {
      harness,
      begin,
      leave,
      topicOf,
      until: (what, holds) => harness().until(what, holds),
      pass: ms => harness().pass(ms),
    }

    afterEach(async () => {
      const ended = running.splice(0)
      await Promise.all(ended.map(({ source }) => source.stop()))
      expect(ended.flatMap(({ listening }) => listening.violations)).toEqual([])
    })

    readsWhatIsThere(context)
    restores(context)
    pauses(context)
    commits(context)
    sharesAGroup(context)
    handsOver(context)
    noticesTheLog(context)
    begins(context)
    ends(context)
  })
}

function begins({ harness, begin, leave, topicOf, until, pass }: Context): void {
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
    await leave(first)
    const second = await begin({ topics: [topic], group: first.group, startFrom: 'latest' })
    await until('three records', () => second.listening.records.length === 3)
    expect(second.listening.values).toEqual(['v2', 'v3', 'v4'])
  })
}

function ends({ harness, begin, leave, topicOf, until, pass }: Context): void {
  test('after stop the listener hears nothing, the second stop is the first, and others have the partitions at once', async () => {
    const topic = await topicOf(4)
    const first = await begin({ topics: [topic] })
    const second = await begin({ topics: [topic], group: first.group })
    await until('two each', () => first.listening.assignments.length === 2 && second.listening.assignments.length === 2)
    const stopping = leave(first)
    expect(first.source.stop()).toBe(stopping)
    const heard = JSON.stringify(first.listening)
    await until('all four', () => second.listening.assignments.length === 4)
    await harness().append(topic, 0, numbered(2))
    await pass(500)
    expect(JSON.stringify(first.listening)).toBe(heard)
    expect(await first.source.commit(first.listening.everything())).toHaveProperty('ok')
  })

  test('stop in the midst of a hand-over waits for nobody: the listener hears nothing more, others have the partitions', async () => {
    const topic = await topicOf(4)
    const first = await begin({ topics: [topic] })
    await until('all four', () => first.listening.assignments.length === 4)
    const gate = Promise.withResolvers<void>()
    first.listening.onRevoking = () => gate.promise
    const second = await begin({ topics: [topic], group: first.group })
    await until('a hand-over', () => first.listening.revokings.length === 1)
    await leave(first)
    const heard = JSON.stringify(first.listening)
    gate.resolve()
    await until('all four', () => second.listening.assignments.length === 4)
    await pass(500)
    expect(JSON.stringify(first.listening)).toBe(heard)
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
