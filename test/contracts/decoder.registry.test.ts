import avsc from 'avsc'
import { systemClock } from '../../src/adapters/clock/clock.ts'
import { registryDecoder } from '../../src/adapters/registry/decoder.ts'
import type { Clock } from '../../src/consumer/ports.ts'
import { frame } from '../support/avro.ts'
import { type Fault, json, registryServer } from '../support/registry-server.ts'
import { SILENT } from '../support/silent.ts'
import { CONTRACT_READERS, decoderContract } from './decoder.ts'

const FAULTS: Record<'refused' | 'hanging' | 'denied', Fault> = {
  refused: response => void response.destroy(),
  hanging: () => undefined,
  denied: response => json(response, 401, '{"error_code":40101}'),
}

decoderContract('a registry', async () => {
  const server = await registryServer()
  const clock = shiftedClock()
  const types = new Map<number, avsc.Type>()
  const limits = { missingAfterMs: 600, missingForMs: 30_000 }
  const decoder = registryDecoder({
    url: server.url,
    timeoutMs: 400,
    readers: CONTRACT_READERS,
    log: SILENT,
    clock,
    limits,
  })
  return {
    decoder,
    async register(schema) {
      const id = server.register({ schema })
      types.set(id, avsc.Type.forSchema(JSON.parse(JSON.stringify(schema))))
      return id
    },
    freshId: async () => types.size + 1,
    encode: async (schemaId, value) => frame(schemaId, types.get(schemaId)?.toBuffer(value) ?? Buffer.alloc(0)),
    asked: schemaId => server.requests.filter(path => path === `/schemas/ids/${schemaId}`).length,
    down: how => server.fault(FAULTS[how]),
    up: () => server.fault(null),
    eventually: promise => promise,
    passExpiry: () => clock.shift(limits.missingForMs),
    close: () => server.stop(),
  }
})

/** Real time, which a test can move on: for what it would have to sleep for. */
function shiftedClock(): Clock & { shift(ms: number): void } {
  const real = systemClock()
  let shiftMs = 0
  return {
    nowMs: () => real.nowMs() + shiftMs,
    wallMs: () => real.wallMs(),
    at: (atMs, callback) => real.at(atMs - shiftMs, callback),
    shift(ms) {
      shiftMs += ms
    },
  }
}
