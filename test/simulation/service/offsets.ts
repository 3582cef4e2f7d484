/** Offsets: what may be stored, and what a stop may say of it. */
import type { Stored } from '../../../src/adapters/memory/broker-types.ts'
import type { Drained } from '../../../src/consumer/consumer.ts'
import { placeOf } from '../../../src/core/record.ts'
import { claimedBy, type Entry, type PlaceBook } from './book.ts'
import type { Checker } from './checker.ts'
import type { Observed, Tenure } from './tenure.ts'

export interface Draining extends Drained {
  /** Before the time to drain was over. */
  readonly wasInTime: boolean
}

/** The broker stores an offset. */
export function stored(checker: Checker, { topic, partition, nextOffset, metadata, memberId }: Stored): void {
  const place = { topic, partition }
  const book = checker.bookOf(place)
  const { committed } = book
  checker.trace(
    'broker',
    `stores ${placeOf(place)}=${nextOffset}${metadata === '' ? '' : ` with ${metadata}`} by ${memberId}`,
  )
  if (committed !== null && nextOffset < committed) {
    checker.broken('committed-never-falls', `${placeOf(place)} falls from ${committed} to ${nextOffset}`)
  }
  const open = book.firstOpen(committed ?? 0, nextOffset)
  if (open !== null)
    checker.broken(
      'no-commit-past-the-unsettled',
      `${placeOf(place)} is committed at ${nextOffset}, and ${open.name} is not settled`,
    )
  if (nextOffset > book.end)
    checker.broken(
      'no-commit-past-the-unsettled',
      `${placeOf(place)} is committed at ${nextOffset}, and ends at ${book.end}`,
    )
  book.committed = nextOffset
  book.metadata = metadata
  claimsAreTrue(checker, book)
}

function claimsAreTrue(checker: Checker, book: PlaceBook): void {
  if (book.metadata === '') return
  const claimed = claimedBy(book.metadata)
  if (claimed === null) return checker.broken('metadata-is-true', `nobody can read the metadata of ${placeOf(book)}`)
  if (claimed.base !== book.committed)
    checker.broken('metadata-is-true', `its base is ${claimed.base}, ${book.committed} is committed`)
  for (const offset of claimed.completed) {
    const entry = book.at(offset)
    if (offset >= book.end)
      checker.broken('metadata-is-true', `${placeOf(book)}@${offset} is called completed, and does not exist`)
    if (entry?.isDone === false)
      checker.broken('metadata-is-true', `${entry.name} is called completed, and is not settled`)
  }
}

/** A replica has come to the end of its drain. */
export function drained(checker: Checker, observed: Observed, { unfinished, committed, wasInTime }: Draining): void {
  checker.trace(observed.name, `has drained: ${unfinished} unfinished, ${committed ? '' : 'not '}committed`)
  const isClean = unfinished === 0 && committed
  checker.count(isClean ? 'clean stops' : 'cut-off stops')
  const { profile, metadataCharactersMax } = checker.setting
  if (!isClean && profile === 'planned')
    checker.broken(
      'a-stop-ends-in-time',
      `nothing went wrong, and ${observed.name} was cut off: ${unfinished} unfinished, committed: ${committed}`,
    )
  const running = [...observed.running].filter(({ tenure }) => tenure.state !== 'gone').length
  if (unfinished < running)
    checker.broken(
      'a-stop-tells-the-truth',
      `${observed.name} says that ${unfinished} are unfinished, and ${running} are in handlers`,
    )
  if (wasInTime && unfinished === 0 && !committed && observed.isMember)
    checker.broken('a-stop-ends-in-time', `${observed.name} did not use its time to commit what it had settled`)
  if (!isClean) return
  for (const tenure of observed.tenures.values()) {
    tenure.closedAtMs = checker.nowMs
    const left = metadataCharactersMax < 4_096 ? null : notStored(tenure)
    if (left !== null)
      checker.broken(
        'a-stop-tells-the-truth',
        `${observed.name} says that all is committed, and ${left.name}, which it settled, is not`,
      )
  }
}

/** What was settled under it and is not called so by what is stored. */
function notStored(tenure: Tenure): Entry | null {
  const { book, position } = tenure
  const completed = claimedBy(book.metadata)?.completed ?? []
  for (let offset = Math.max(book.committed ?? 0, book.start); offset < position; offset++) {
    const entry = book.at(offset)
    if (entry?.saidSettledIn === tenure && !completed.includes(offset)) return entry
  }
  return null
}
