/** The inbox: who claims an event's row first does it; whoever meets the row leaves it. */
import { crc32 } from 'node:zlib'
import { ClaimBusy } from '../../consumer/errors.ts'
import type { Claim, Known } from '../../consumer/ports.ts'
import { sqlstateOf } from './classify.ts'
import type { Connection } from './connection.ts'
import type { ConnectionPool } from './pool.ts'

const CLAIM = `
  insert into sluice.inbox (handler, idempotency_key, topic, partition, record_offset, value_crc32)
  values ($1, $2, $3, $4, $5, $6)
  on conflict do nothing
  returning 1`

const READ = `
  select topic = $3 and partition = $4 and record_offset = $5 as redelivered, value_crc32 <> $6 as conflicting
  from sluice.inbox
  where handler = $1 and idempotency_key = $2`

const KNOWN = `
  select claim.position::integer as position,
    inbox.topic = claim.topic and inbox.partition = claim.partition and inbox.record_offset = claim.record_offset as redelivered,
    inbox.value_crc32 <> claim.value_crc32 as conflicting
  from unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[])
    with ordinality as claim (handler, idempotency_key, topic, partition, record_offset, value_crc32, position)
  join sluice.inbox using (handler, idempotency_key)`

/** How a claim ends that waited for others in vain: lock timeout, statement timeout, and what only concurrency can cause. No handler ran, so none of them is an attempt. */
const OTHERS_IN_THE_WAY = new Set(['55P03', '57014', '40001', '40P01'])

/** Within the open transaction. Null: ours. Rejects with `ClaimBusy` while another transaction holds it. */
export async function claimEvent(connection: Connection, claim: Claim, timeoutMs: number): Promise<Known | null> {
  const values = valuesOf(claim)
  try {
    const { rowCount } = await connection.query({ name: 'sluice-claim', text: CLAIM, values }, timeoutMs)
    if (rowCount === 1) return null
    const { rows } = await connection.query<Known>({ name: 'sluice-read', text: READ, values }, timeoutMs)
    const known = rows[0]
    // The sweep took the row between the two statements. The next attempt meets no row.
    if (known === undefined) throw new ClaimBusy(null)
    return known
  } catch (error) {
    throw OTHERS_IN_THE_WAY.has(sqlstateOf(error) ?? '') ? new ClaimBusy(error) : error
  }
}

export async function knownEvents(pool: ConnectionPool, claims: readonly Claim[]): Promise<readonly (Known | null)[]> {
  const answer: (Known | null)[] = claims.map(() => null)
  // Postgres stores no NUL, so a key with one is not there; sent along, it would fail the whole statement.
  const sent = claims.flatMap((claim, position) => (claim.idempotencyKey.includes('\0') ? [] : [{ claim, position }]))
  if (sent.length === 0) return answer
  const rows = sent.map(({ claim }) => valuesOf(claim))
  const values = [0, 1, 2, 3, 4, 5].map(column => rows.map(row => row[column]))
  const found = await pool.query<Known & { position: number }>({ name: 'sluice-known', text: KNOWN, values })
  for (const { position, redelivered, conflicting } of found.rows) {
    const there = sent[position - 1]
    if (there !== undefined) answer[there.position] = { redelivered, conflicting }
  }
  return answer
}

/** A null value counts as 0 by definition, which is also what an empty one has. */
function valuesOf({ handler, idempotencyKey, topic, partition, offset, value }: Claim): readonly (string | number)[] {
  return [handler, idempotencyKey, topic, partition, offset, value === null ? 0 : crc32(value)]
}
