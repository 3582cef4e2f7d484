/** The account of a fleet at the end of a test: what was sent is what was logged, handled and committed, once and in order. */
import { type Fleet, sum } from './fleet.ts'
import { disorder, repeatsInWords } from './fleet-journal.ts'
import type { Load } from './fleet-load.ts'
import { until } from './parts.ts'

/** Of many that are out of order, the first ones tell enough. */
const DISORDER_SHOWN_MAX = 20

/**
 * Stops the load, waits until all of it is handled and has every member leave. Then a line for each fault: records that were
 * lost, logged twice, not committed, delivered again, or before an earlier one of their key.
 */
export async function faultsOfAll(fleet: Fleet, load: Load): Promise<string[]> {
  const sent = await load.stop()
  await until('everything is handled', () => fleet.journals.handled() === sent, { timeoutMs: 120_000 })
  for (const member of fleet.members) await fleet.leave(member)
  const counts = { logged: await fleet.logged(), committed: sum(await fleet.committed()) }
  return [
    ...(sent === 0 ? ['nothing was sent'] : []),
    ...Object.entries(counts).flatMap(([what, count]) => (count === sent ? [] : [`${sent} sent, ${count} ${what}`])),
    ...repeatsInWords(fleet.journals.deliveries),
    ...disorder(fleet.journals.deliveries).slice(0, DISORDER_SHOWN_MAX),
  ]
}
