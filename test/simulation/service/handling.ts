/** Calls of handlers: what may be called when, how often, and beside what. */
import type { Claim } from '../../../src/consumer/ports.ts'
import type { Entry } from './book.ts'
import type { Checker } from './checker.ts'
import { add, type Observed, type Run, type Spending, type Tenure } from './tenure.ts'

/** A handler is called. */
export function started(checker: Checker, run: Run, observed: Observed): void {
  const { entry, tenure, attempt } = run
  const { inFlightMax, concurrencyMax, attemptsMax, windowMax } = checker.setting
  checker.trace(observed.name, `handles ${entry.name}, attempt ${attempt}: ${run.step.kind}`)
  checker.count('handled')
  notAgain(checker, entry, tenure)
  if (tenure.state === 'gone')
    checker.broken(
      'nothing-starts-for-what-is-gone',
      `${entry.name} is handled though ${observed.name} has lost its partition`,
    )
  const same = [...observed.running].filter(({ handler }) => handler === run.handler)
  if (observed.running.size >= inFlightMax)
    checker.broken('limits-are-kept', `${observed.running.size + 1} records are in handlers, ${inFlightMax} may be`)
  if (run.handler === 'side' && concurrencyMax !== null && same.length >= concurrencyMax)
    checker.broken('limits-are-kept', `${same.length + 1} records are in handler side, ${concurrencyMax} may be`)
  const lowest = Math.max(entry.book.lowestUnsettled, tenure.start ?? 0)
  if (entry.offset >= lowest + windowMax)
    checker.broken(
      'limits-are-kept',
      `${entry.name} is handled though ${lowest} is open and the window is ${windowMax}`,
    )
  for (const other of observed.running) {
    if (other.entry.lane !== null && other.entry.lane === entry.lane && other.entry.book === entry.book)
      checker.broken('one-of-a-lane-at-a-time', `${entry.name} is handled beside ${other.entry.name} of the same key`)
  }
  checker.inOrder(entry, 'is handled')
  const spent = tenure.spent.get(entry.offset) ?? 0
  const surely = tenure.spentSurely.get(entry.offset) ?? 0
  if (attempt > attemptsMax || attempt > spent + 1 || attempt < surely + 1)
    checker.broken(
      'attempts-are-bounded',
      `${entry.name} is handled in attempt ${attempt} of ${attemptsMax}, after ${surely} to ${spent} that failed`,
    )
  if (entry.settled !== null && entry.settled !== 'duplicate') checker.count('redeliveries')
}

/** A process is about to try it. */
export function asked(checker: Checker, claim: Claim, observed: Observed): void {
  const book = checker.bookOf(claim)
  const entry = book.at(claim.offset)
  const tenure = observed.tenureAt(book)
  if (entry !== null && tenure !== null) notAgain(checker, entry, tenure)
}

function notAgain(checker: Checker, entry: Entry, tenure: Tenure): void {
  const before = entry.saidSettledIn
  if (before === null || before === tenure || checker.setting.metadataCharactersMax < 4_096) return
  const { profile } = checker.setting
  const again = `${entry.name} was settled under ${before.assignment.epoch} and is delivered again under ${tenure.assignment.epoch}`
  if (profile === 'planned') checker.broken('planned-changes-repeat-nothing', again)
  if (before.closedAtMs !== null && tenure.beganAtMs > before.closedAtMs)
    checker.broken('a-clean-stop-repeats-nothing', again)
}

export function ended({ entry: { offset }, tenure }: Run, spending: Spending): void {
  if (spending !== 'excused') add(tenure.spent, offset, 1)
  if (spending === 'surely') add(tenure.spentSurely, offset, 1)
}

/** What came after its handler had returned was no failure of its own. */
export function excused({ entry: { offset }, tenure }: Run): void {
  add(tenure.spent, offset, -1)
}

/** A naturally idempotent handler returned. Late or not, its work is done. */
export function returned(entry: Entry): void {
  entry.settled ??= 'returned'
}
