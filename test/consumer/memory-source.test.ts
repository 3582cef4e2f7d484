import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { type MemorySource, memoryBroker } from '../../src/adapters/memory/source.ts'
import { recordSourceContract, type SourceHarness } from '../contracts/record-source.ts'

/** Far more turns than any chain of promises here is long. */
const TURNS = 30
const MS_MAX = 60_000

function memoryHarness(): SourceHarness {
  const clock = memoryClock()
  const broker = memoryBroker({ clock })
  const sources: { group: string; source: MemorySource }[] = []
  let names = 0
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < TURNS; turn++) await Promise.resolve()
  }
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed++) {
      clock.advance(1)
      await settle()
    }
  }
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
      // Promises of a clock that stands still would never settle: whoever waits for a commit lets time pass.
      return new Proxy(source, {
        get(target, name) {
          if (name !== 'commit') {
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? value.bind(target) : value
          }
          return async (offsets: Parameters<MemorySource['commit']>[0]) => {
            const committing = target.commit(offsets)
            await settle()
            clock.advance(2)
            await settle()
            return committing
          }
        },
      })
    },
    expelAll: async group => {
      for (const { source, group: of } of sources) if (of === group) source.expel()
    },
    until: async (what, holds) => {
      for (let passed = 0; passed < MS_MAX; passed++) {
        if (await holds()) return
        await pass(1)
      }
      throw new Error(`it never came: ${what}`)
    },
    pass,
  }
}

let harness: SourceHarness | null = null
recordSourceContract('memory', () => {
  harness ??= memoryHarness()
  return harness
})
