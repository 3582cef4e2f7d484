/** Avro as a producer writes it: by avsc, with exact longs, for tests of what reads it. */
import avsc from 'avsc'

type AvscSchema = Parameters<typeof avsc.Type.forSchema>[0]

const LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer(value: bigint) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => Number(a - b),
})

/** Longs are bigint; logical types are what they stand over; unions are wrapped. */
export function avroType(schema: unknown): avsc.Type {
  // Boundary: a copy, since avsc writes into schemas and ours are frozen in type.
  const copy = JSON.parse(JSON.stringify(schema)) as AvscSchema
  return avsc.Type.forSchema(copy, { wrapUnions: 'always', typeHook: nested => (isLong(nested) ? LONG : undefined) })
}

function isLong(schema: unknown): boolean {
  return (
    schema === 'long' || (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long')
  )
}

/** A record's value on the wire: a zero, the schema's id, Avro. */
export function frame(schemaId: number, avro: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5)
  head.writeInt32BE(schemaId, 1)
  return Buffer.concat([head, avro])
}
