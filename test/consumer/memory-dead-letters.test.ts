import { type MemoryDeadLetters, memoryDeadLetters } from '../../src/adapters/memory/dead-letters.ts'
import { Unavailable } from '../../src/consumer/errors.ts'
import { deadLettersContract } from '../contracts/dead-letters.ts'

const writers = new Map<string, MemoryDeadLetters>()

deadLettersContract('memory', () => ({
  async prepare() {
    const topic = `topic-${writers.size}`
    const deadLetters = memoryDeadLetters()
    writers.set(topic, deadLetters)
    return { topic, deadLetters }
  },
  read: async topic => writers.get(topic)?.written ?? [],
  refuse: async topic => writers.get(topic)?.refuse(new Unavailable('kafka', 'a test')),
}))
