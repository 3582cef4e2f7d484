/** The five bytes before the Avro: a zero, then the schema's id, big-endian. */
import { UndecodableRecord } from '../../consumer/errors.ts'

export const FRAME_BYTES = 5

const BRACE = 0x7b
const BRACKET = 0x5b

/** Throws an `UndecodableRecord` with the reason `framing`, and a hint where the bytes look like a known mistake. */
export function schemaIdOf(value: Uint8Array): number {
  if (value.byteLength === 0) throw framing('an empty value: neither a record nor a tombstone')
  const [magic, b1 = 0, b2 = 0, b3 = 0, b4 = 0] = value
  if (magic === BRACE || magic === BRACKET)
    throw framing('no schema id in front; it looks like JSON: is the producer without a schema serializer?')
  if (magic !== 0) throw framing('the first byte is not 0, so no schema id follows')
  if (value.byteLength < FRAME_BYTES)
    throw framing(`${value.byteLength} bytes, and a schema id alone takes ${FRAME_BYTES}`)
  const id = (b1 << 24) | (b2 << 16) | (b3 << 8) | b4 | 0
  if (id === 0)
    throw framing(
      'schema id 0: does the producer write ids of 8 bytes (an Apicurio serializer without its 4-byte id handler)?',
    )
  if (id < 0) throw framing('a negative schema id')
  return id
}

function framing(sentence: string): UndecodableRecord {
  return new UndecodableRecord('framing', sentence)
}
