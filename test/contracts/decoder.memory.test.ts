import { setImmediate as turn } from 'node:timers/promises'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { encodeJson, memoryDecoder } from '../../src/adapters/memory/decoder.ts'
import { CONTRACT_READERS, decoderContract } from './decoder.ts'

decoderContract('memory', async () => {
  const clock = memoryClock()
  const decoder = memoryDecoder({ readers: CONTRACT_READERS, clock })
  let lastId = 0
  return {
    decoder,
    async register({ name }) {
      lastId += 1
      decoder.register(lastId, { name })
      return lastId
    },
    freshId: async () => lastId + 1,
    encode: async (schemaId, value) => encodeJson(schemaId, value),
    asked: schemaId => decoder.asked(schemaId),
    down: how => decoder.down(how),
    up: () => decoder.up(),
    async eventually(promise) {
      const settled = { value: false }
      const settle = (): void => {
        settled.value = true
      }
      void promise.then(settle, settle)
      while (!settled.value) {
        await turn()
        clock.advance(500)
      }
      return promise
    },
    passExpiry: () => clock.advance(30_000),
    close: async () => undefined,
  }
})
