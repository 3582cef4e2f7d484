/** The log and the effects: what is written, and what transactions leave. */
import type { CommitFate } from '../../../src/adapters/memory/inbox.ts'
import type { Claim } from '../../../src/consumer/ports.ts'
import { placeOf } from '../../../src/core/record.ts'
import type { Entry } from './book.ts'
import type { Checker } from './checker.ts'
import { excused } from './handling.ts'
import type { RecordSpec } from './vocabulary.ts'

/** An effect as the handlers write it. */
export interface Effect {
  readonly number: number
  readonly by: string
}

/** A record stands in the log. */
export function appended(checker: Checker, spec: RecordSpec): Entry {
  const entry = checker.bookOf(spec).append(spec)
  checker.count('records')
  if (spec.kind === 'unmatched' && checker.unmatchedPolicy(spec.topic) === 'ignore') entry.settled = 'ignored'
  if (spec.handler !== null && spec.handler !== 'plain' && spec.kind !== 'missing-idempotency-key') {
    const event = checker.events.get(eventOf(spec)) ?? { kept: null, entries: [] }
    checker.events.set(eventOf(spec), event)
    event.entries.push(entry)
    if (event.kept !== null) entry.settled = 'duplicate'
  }
  return entry
}

/** A transaction is committed. */
export function kept(checker: Checker, claim: Claim, effects: readonly unknown[]): void {
  const entry = checker.bookOf(claim).at(claim.offset)
  if (entry === null)
    return checker.broken(
      'records-arrive-as-written',
      `an effect of ${placeOf(claim)}@${claim.offset}, which is no record`,
    )
  const event = checker.events.get(eventOf(entry.spec))
  checker.trace('db', `keeps ${entry.name} of event ${entry.spec.id}`)
  checker.count('effects')
  if (event === undefined)
    return checker.broken('effects-happen-once', `${entry.name} has an effect, and no handler takes it`)
  if (event.kept !== null) {
    return checker.broken(
      'effects-happen-once',
      `event ${entry.spec.id} has an effect of ${event.kept.name}, and now one of ${entry.name}`,
    )
  }
  if (effects.some(effect => (effect as Effect).number !== entry.spec.number)) {
    return checker.broken('records-arrive-as-written', `the effect of ${entry.name} is another record's`)
  }
  const step = entry.spec.steps.at(-1)
  if (step?.kind === 'ok' && effects.length !== step.statements)
    checker.broken('effects-happen-once', `${entry.name} has ${effects.length} of its ${step.statements} effects`)
  checker.inOrder(entry, 'has an effect')
  event.kept = entry
  for (const other of event.entries) other.settled ??= other === entry ? 'effect' : 'duplicate'
}

/** A commit that does not end well was nobody's failure, unless the server refused it for a reason that may pass. */
export function fated(checker: Checker, claim: Claim, fate: CommitFate): void {
  const entry = checker.bookOf(claim).at(claim.offset)
  const words = typeof fate === 'string' ? fate : 'lateMs' in fate ? `late by ${fate.lateMs.toFixed(0)} ms` : fate.kind
  checker.trace('db', `commit of ${entry?.name}: ${words}`)
  const isUnknown = typeof fate === 'string' || 'lateMs' in fate
  if (isUnknown) checker.count('unknown commits')
  // By the transaction, not by the record: a process that has lost it may still have one open beside its new owner's.
  const returned = checker.units.get(claim)?.returned ?? null
  if (returned !== null && (isUnknown || fate.kind === 'outage')) excused(returned)
}

function eventOf({ handler, id }: RecordSpec): string {
  return `${handler} ${id}`
}
