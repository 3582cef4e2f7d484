import { afterAll } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemorySource, memoryBroker } from '../../src/adapters/memory/source.ts'
import { recordSourceContract, type SourceHarness } from '../contracts/record-source.ts'
import { turn } from '../support/floor.ts'

const PATIENCE_MS = 60_000

/** So much of the memory clock passes with every turn of the event loop. */
const TURN_MS = 10

function memoryHarness(): SourceHarness {
  const clock = memoryClock()
  const broker = memoryBroker({ clock })
  const sources: { group: string; source: MemorySource }[] = []
  let names = 0
  const pump = (): void => {
    clock.advance(TURN_MS)
    pumping = setImmediate(pump)
  }
  pump()
  return {
    freshName: () => {
      names++
      return `name-${names}`
    },
    createTopic: async (name, partitions) => broker.topic(name, partitions),
    deleteTopic: async name => broker.deleteTopic(name),
    append: async (topic, partition, records) => void broker.append(topic, partition, ...records),
    appendAborted: async (topic, partition, count) => broker.skip(topic, partition, count),
    removeBefore: async (topic, partition, offset) => broker.removeBefore(topic, partition, offset),
    committed: async (group, topic, partition) => broker.committed(group, topic, partition),
    source(options) {
      const source = broker.source(options)
      sources.push({ group: options.group, source })
      return source
    },
    expelAll: async group => {
      for (const { source, group: of } of sources) if (of === group) source.expel()
    },
    until: async (what, holds) => {
      const giveUpAtMs = clock.nowMs() + PATIENCE_MS
      while (!(await holds())) {
        if (clock.nowMs() > giveUpAtMs) throw new Error(`it never came: ${what}`)
        await turn()
      }
    },
    pass: async ms => {
      const untilMs = clock.nowMs() + ms
      while (clock.nowMs() < untilMs) await turn()
    },
  }
}

let pumping: NodeJS.Immediate | null = null
let harness: SourceHarness | null = null
recordSourceContract('memory', () => {
  harness ??= memoryHarness()
  return harness
})

afterAll(() => {
  if (pumping !== null) clearImmediate(pumping)
})
