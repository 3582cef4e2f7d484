/** The decoder on a registry of its own, for tests of what it makes of bytes. */
import { systemClock } from '../../src/adapters/clock/clock.ts'
import { type RegistryDecoderOptions, registryDecoder } from '../../src/adapters/registry/decoder.ts'
import type { Decoded, Decoder, Log, ReaderSchema } from '../../src/consumer/ports.ts'
import { avroType, frame } from './avro.ts'
import { type Registered, type RegistryServer, registryServer } from './registry-server.ts'
import { SILENT } from './silent.ts'

export interface DecoderOnRegistry {
  readonly decoder: Decoder
  readonly server: RegistryServer
  /** What went to the log as an error. */
  readonly alerts: readonly { readonly fields: object; readonly message: string }[]
  /** Registers and loads. */
  readonly learn: (registered: Registered) => Promise<number>
  /** The bytes behind the frame are given. */
  readonly decode: (schemaId: number, avro: Uint8Array) => Decoded
  /** Written with `schema`, read by the reader. */
  readonly roundTrip: (schema: unknown, value: unknown) => Promise<Decoded>
  readonly close: () => Promise<void>
}

export const TOPIC = 'things'

/** One topic, with these readers. */
export async function decoderOnRegistry(
  readers: readonly ReaderSchema[],
  options: Partial<RegistryDecoderOptions> = {},
): Promise<DecoderOnRegistry> {
  const server = await registryServer()
  const alerts: { fields: object; message: string }[] = []
  const log: Log = { ...SILENT, error: (fields, message) => void alerts.push({ fields, message }) }
  const decoder = registryDecoder({
    url: server.url,
    timeoutMs: 5_000,
    readers: new Map([[TOPIC, readers]]),
    log,
    clock: systemClock(),
    ...options,
  })
  const learn = async (registered: Registered): Promise<number> => {
    const id = server.register(registered)
    await decoder.load(id)
    return id
  }
  const decode = (schemaId: number, avro: Uint8Array): Decoded => decoder.decode(TOPIC, frame(schemaId, avro))
  return {
    decoder,
    server,
    alerts,
    learn,
    decode,
    roundTrip: async (schema, value) => decode(await learn({ schema }), avroType(schema).toBuffer(value)),
    close: () => server.stop(),
  }
}

/** A reader of that one record. */
export function reader(avro: { readonly name: string; readonly namespace?: string }): ReaderSchema {
  return { name: avro.namespace === undefined ? avro.name : `${avro.namespace}.${avro.name}`, avro }
}

/** A record called `Thing` with these fields. */
export function thing(...fields: readonly object[]): {
  readonly type: 'record'
  readonly name: string
  readonly fields: readonly object[]
} {
  return { type: 'record', name: 'Thing', fields }
}
