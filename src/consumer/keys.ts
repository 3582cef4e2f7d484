/** Ordering keys and idempotency keys: from what a handler gives, or from the record's own key, to a checked string. */
import type { DeadLetterReason } from '../core/record.ts'
import { describe } from './errors.ts'
import type { ConsumedRecord, Handler } from './handler.ts'

export type Key =
  | { readonly ok: true; readonly key: string | null }
  | { readonly ok: false; readonly reason: DeadLetterReason; readonly error: string }

/** What a primary key of two text columns may well hold; the same limit everywhere, so that a key that passes can be stored. */
const IDEMPOTENCY_KEY_BYTES_MAX = 512

/** A byte order mark is part of the key: without it another one would share its lane. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The lane a record belongs to when its handler says nothing else: its key, null without one. Equal bytes give equal lanes. */
export function laneOf(key: Uint8Array | null): string | null {
  if (key === null) return null
  try {
    return utf8.decode(key)
  } catch {
    // Not text: one character a byte, behind half a character, which no text key can hold.
    return `\uD800${Array.from(key, byte => String.fromCharCode(byte)).join('')}`
  }
}

export function orderingKey({ orderBy }: Handler, record: ConsumedRecord<unknown>): Key {
  if (orderBy === null) return { ok: true, key: laneOf(record.key) }
  try {
    const key: unknown = orderBy(record)
    if (typeof key === 'string') return { ok: true, key }
    return { ok: false, reason: 'invalid-key', error: `orderBy returned ${typeof key}, not a string` }
  } catch (error) {
    return { ok: false, reason: 'invalid-key', error: `orderBy threw ${describe(error)}` }
  }
}

/** Null for a handler that needs none. */
export function idempotencyKey({ idempotencyKey: keyOf }: Handler, record: ConsumedRecord<unknown>): Key {
  if (keyOf === null) return { ok: true, key: null }
  let key: unknown
  try {
    key = keyOf(record)
  } catch (error) {
    return { ok: false, reason: 'invalid-key', error: `idempotencyKey threw ${describe(error)}` }
  }
  if (key === undefined || key === null || key === '') {
    return { ok: false, reason: 'missing-idempotency-key', error: 'idempotencyKey returned nothing' }
  }
  if (typeof key !== 'string') {
    return { ok: false, reason: 'invalid-key', error: `idempotencyKey returned ${typeof key}, not a string` }
  }
  const problem = problemOf(key)
  if (problem !== null) return { ok: false, reason: 'invalid-key', error: `idempotencyKey returned ${problem}` }
  return { ok: true, key }
}

function problemOf(key: string): string | null {
  // A Postgres text holds neither; a broken surrogate would be replaced, and two keys become one.
  if (key.includes('\0')) return 'a key with a NUL character'
  if (!key.isWellFormed()) return 'a key that is not well-formed Unicode'
  // No character takes more than three bytes a code unit.
  const bytes = key.length * 3 <= IDEMPOTENCY_KEY_BYTES_MAX ? 0 : encoder.encode(key).length
  return bytes > IDEMPOTENCY_KEY_BYTES_MAX ? `a key of ${bytes} bytes; the limit is ${IDEMPOTENCY_KEY_BYTES_MAX}` : null
}
