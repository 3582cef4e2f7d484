/** What the plan of a record becomes in the log. */
import { encodeJson, type MemorySchema } from '../../../src/adapters/memory/decoder.ts'
import { appended } from './effects.ts'
import { SCHEMA_IDS, schemaOf } from './handlers.ts'
import type { World } from './replica.ts'
import type { RecordSpec } from './vocabulary.ts'

const UNMATCHED_ID = 8
const INCOMPATIBLE_ID = 9
/** Schemas of their own, one for each such record. */
const LATE_IDS_FROM = 1_000
const UNKNOWN_IDS_FROM = 10_000

/** Of the time that a missing schema is waited for: so much later it is registered. */
const LATE_SHARE = 0.4

export function schemasOf(): Map<number, MemorySchema> {
  const schemas = new Map<number, MemorySchema>()
  for (const [handler, id] of Object.entries(SCHEMA_IDS)) schemas.set(id, { name: schemaOf(handler).name })
  schemas.set(UNMATCHED_ID, { name: 'simulated.Other' })
  return schemas
}

/** Every record is written at its time. */
export function write(world: World): void {
  const { scenario, clock, broker, checker, registry } = world
  const { missingAfterMs, topics } = scenario.setting
  for (const [index, reader] of ['main', 'plain'].slice(0, topics.length).entries()) {
    registry.register(INCOMPATIBLE_ID + index, { name: schemaOf(reader).name, poison: 'incompatible-schema' })
  }
  for (const spec of scenario.records) {
    clock.at(spec.atMs, () => {
      const { topic, partition, key, gap } = spec
      const entry = appended(checker, spec)
      checker.trace(
        'log',
        `${entry.name} is ${spec.kind} ${spec.id}${spec.handler === null ? '' : ` for ${spec.handler}`}, key ${key}`,
      )
      if (spec.kind === 'late-schema') {
        const lateMs = clock.nowMs() + missingAfterMs * LATE_SHARE
        clock.at(lateMs, () =>
          registry.register(LATE_IDS_FROM + spec.number, { name: schemaOf(spec.handler ?? '').name }),
        )
      }
      broker.append(topic, partition, { key: key === null ? null : Buffer.from(key), value: valueOf(spec) })
      if (gap > 0) broker.skip(topic, partition, gap)
    })
  }
}

function valueOf({ kind, handler, id, number, topic }: RecordSpec): Uint8Array | null {
  const schemaId = SCHEMA_IDS[handler ?? ''] ?? 1
  switch (kind) {
    case 'event':
      return encodeJson(schemaId, { id, number })
    case 'late-schema':
      return encodeJson(LATE_IDS_FROM + number, { id, number })
    case 'unknown-schema':
      return encodeJson(UNKNOWN_IDS_FROM + number, { id, number })
    case 'missing-idempotency-key':
      return encodeJson(schemaId, { id: '', number })
    case 'tombstone':
      return null
    case 'framing':
      return Buffer.from([1, 2, 3])
    case 'undecodable':
      return Buffer.concat([encodeJson(topic === 'a' ? 1 : 3, {}).subarray(0, 5), Buffer.from('{')])
    case 'incompatible-schema':
      return encodeJson(topic === 'a' ? INCOMPATIBLE_ID : INCOMPATIBLE_ID + 1, { id, number })
    case 'unmatched':
      return encodeJson(UNMATCHED_ID, { id, number })
    default:
      return kind satisfies never
  }
}
