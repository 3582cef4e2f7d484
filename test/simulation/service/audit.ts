/** At the very end, from nothing but what is left in the parts: the log, the rows, the effects and the dead letters. */
import { placeOf } from '../../../src/core/record.ts'
import type { Entry } from './book.ts'
import type { Checker } from './checker.ts'
import type { Effect } from './effects.ts'
import type { World } from './replica.ts'

export function audit(checker: Checker, { inbox, letters }: World): void {
  const lettered = new Set(
    letters.written.map(({ topic, partition, record }) => `${topic}/${partition}@${record.offset}`),
  )
  const rows = new Set([...inbox.rows.values()].map(({ handler, idempotencyKey }) => `${handler} ${idempotencyKey}`))
  const isAnswered = ({ spec, name, settled }: Entry): boolean =>
    lettered.has(name) || rows.has(`${spec.handler} ${spec.id}`) || settled === 'ignored' || settled === 'returned'
  for (const book of checker.books.values()) {
    for (const entry of book.entries) {
      if (entry === null || entry.isRemoved || isAnswered(entry)) continue
      checker.broken(
        'nothing-is-lost',
        `${entry.name} is passed at ${placeOf(book)}=${book.committed}, and nobody has answered for it`,
      )
    }
  }
  const numbers = new Map<number, string>()
  for (const effect of inbox.effects) {
    // Boundary: the handlers write nothing else.
    const { number, by } = effect as Effect
    const other = numbers.get(number) ?? by
    if (other !== by) checker.broken('effects-happen-once', `record ${number} has effects of ${other} and of ${by}`)
    numbers.set(number, by)
  }
}
