/** Dead letters: who deserves one. */
import type { DeadLetter } from '../../../src/consumer/ports.ts'
import { placeOf } from '../../../src/core/record.ts'
import type { Entry } from './book.ts'
import type { Checker } from './checker.ts'
import type { Observed, Tenure } from './tenure.ts'

/** A process asks for them to be written. */
export function condemned(checker: Checker, letters: readonly DeadLetter[], observed: Observed): void {
  for (const letter of letters) {
    const entry = checker.bookOf(letter).at(letter.record.offset)
    if (entry === null)
      return checker.broken(
        'dead-letters-are-deserved',
        `a dead letter of ${placeOf(letter)}@${letter.record.offset}, which is no record`,
      )
    const tenure = observed.tenureAt(entry.book)
    const why =
      tenure === null ? `${observed.name} does not have its partition` : undeserved(checker, { entry, tenure }, letter)
    if (why !== null)
      checker.broken('dead-letters-are-deserved', `${entry.name} is dead-lettered as ${letter.reason}: ${why}`)
  }
}

interface Charged {
  readonly entry: Entry
  readonly tenure: Tenure
}

/** Why it should not have one; null when it should. */
function undeserved(checker: Checker, { entry, tenure }: Charged, { reason, attempts }: DeadLetter): string | null {
  const { spec, offset, isRejected, isInvalid } = entry
  const { attemptsMax } = checker.setting
  switch (reason) {
    case 'framing':
    case 'undecodable':
    case 'incompatible-schema':
    case 'unknown-schema':
    case 'missing-idempotency-key':
      return spec.kind === reason ? null : `it is a ${spec.kind}`
    case 'unexpected-tombstone':
      return spec.kind === 'tombstone' && spec.handler === null ? null : `it is a ${spec.kind}`
    case 'unmatched':
      return spec.kind === 'unmatched' && checker.unmatchedPolicy(spec.topic) === 'dead-letter'
        ? null
        : `it is a ${spec.kind}`
    case 'rejected':
      return isRejected ? null : 'no handler rejected it'
    case 'invalid-data':
      return isInvalid ? null : 'the database took it for valid'
    case 'attempts-exhausted': {
      const spent = tenure.spent.get(offset) ?? 0
      return spent >= attemptsMax && attempts === attemptsMax
        ? null
        : `${spent} of ${attemptsMax} attempts failed, it says ${attempts}`
    }
    case 'too-large':
    case 'invalid-key':
      return 'no record here can deserve that'
    default:
      return reason satisfies never
  }
}

/** The topic took it. */
export function written(checker: Checker, { topic, partition, record, reason }: DeadLetter): void {
  const entry = checker.bookOf({ topic, partition }).at(record.offset)
  if (entry === null) return
  checker.trace('dlt', `takes ${entry.name} as ${reason}`)
  checker.count('dead letters')
  checker.inOrder(entry, 'is dead-lettered')
  entry.settled ??= 'dead letter'
}
