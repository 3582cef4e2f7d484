/** What may happen to the world, as fast-check draws it. Indexes are taken modulo what there is, so that any list of steps makes sense. */
import * as fc from 'fast-check'
import type { CommitFailure } from '../../src/core/facts.ts'
import type { Disposition } from '../../src/core/record.ts'
import type { Failure } from '../../src/core/verdict.ts'

export const HANDLERS = ['h', 'g'] as const
export const PLACES = ['a/0', 'a/1', 'b/0', 'b/1'] as const

/** A record that somebody produces; `gap` offsets before it were compacted away. */
export interface Produced {
  readonly gap: number
  readonly lane: string | null
  readonly disposition: Disposition
}

export type AttemptEnd = 'acked' | 'duplicate' | Failure

/** `stored, answer lost`: the broker has it, and we are told that it failed. `stored in part`: all but the first, and we are told which. */
export type CommitEnd = 'taken' | 'stored, answer lost' | 'stored in part' | CommitFailure

export type Step =
  | { readonly type: 'pass'; readonly ms: number }
  /** `whole`: the kept ones get a new epoch too. `order` turns the list. What is being revoked and not named stays so. */
  | { readonly type: 'join'; readonly places: readonly number[]; readonly whole: boolean; readonly order: number }
  /** `unknown`: and an assignment that was never ours. */
  | { readonly type: 'revoking'; readonly places: readonly number[]; readonly unknown: boolean }
  | { readonly type: 'revoked'; readonly places: readonly number[] }
  | { readonly type: 'lost' }
  | { readonly type: 'membershipConfirmed' }
  /** New records, read together with what the log has already. `onItsWay`: asked for before a pause. */
  | {
      readonly type: 'fetch'
      readonly place: number
      readonly records: readonly Produced[]
      readonly trailing: number
      readonly onItsWay: boolean
    }
  /** The log loses its beginning, so that the next fetch begins above the position. */
  | { readonly type: 'trim'; readonly place: number; readonly offsets: number }
  /** Another leader, that has not the last `lost` offsets; a source that has read them begins anew. */
  | { readonly type: 'elect'; readonly place: number; readonly lost: number }
  /** The topic is deleted and created again. */
  | { readonly type: 'recreate'; readonly place: number }
  | { readonly type: 'offsetsKnown' }
  | { readonly type: 'intakeHeld'; readonly place: number; readonly held: boolean }
  | { readonly type: 'attempt'; readonly which: number; readonly end: AttemptEnd }
  | { readonly type: 'letters'; readonly which: number; readonly taken: boolean }
  | { readonly type: 'commit'; readonly end: CommitEnd }

/** `more`: the next step's facts come in the same batch. */
export interface Drawn {
  readonly step: Step
  readonly more: boolean
}

export interface Setting {
  readonly inFlightMax: number
  readonly concurrencyMax: readonly (number | null)[]
  readonly attemptsMax: number
  readonly windowMax: number
  readonly recordsMax: number
  readonly commitIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly chance: number
  /** Of every log at its beginning; -1: written before there were any. */
  readonly leaderEpoch: number
  /** Records, at the most, that one answer carries. */
  readonly answerMax: number
}

export function concurrencyMaxOf({ concurrencyMax }: Setting, handler: string | undefined): number {
  return concurrencyMax[handler === 'h' ? 0 : 1] ?? Number.POSITIVE_INFINITY
}

/** How the run ends once its steps are done. */
export interface Ending {
  readonly attempts: readonly AttemptEnd[]
  readonly commits: readonly CommitEnd[]
  readonly letters: readonly boolean[]
  /** Attempts, by turns, that never answer. */
  readonly hanging: readonly boolean[]
}

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary })

const disposition: fc.Arbitrary<Disposition> = fc.oneof(
  weighted(
    12,
    fc.constantFrom(...HANDLERS).map(handler => ({ kind: 'handle', handler }) as const),
  ),
  weighted(1, fc.constant({ kind: 'dead-letter', reason: 'undecodable', error: 'no Avro', handler: null } as const)),
  weighted(1, fc.constant({ kind: 'dead-letter', reason: 'invalid-key', error: 'no key', handler: 'h' } as const)),
  weighted(1, fc.constant({ kind: 'ignore' } as const)),
)

const produced: fc.Arbitrary<Produced> = fc.record({
  gap: fc.oneof(weighted(5, fc.constant(0)), weighted(1, fc.nat(4))),
  lane: fc.constantFrom('k', 'k', 'l', 'm', null),
  disposition,
})

const failure: fc.Arbitrary<Failure> = fc.oneof(
  weighted(1, fc.constant({ kind: 'record', reason: 'rejected' } as const)),
  weighted(3, fc.constant({ kind: 'passing', reason: 'attempts-exhausted', timedOut: false } as const)),
  weighted(
    2,
    fc.constantFrom('database', 'search').map(dependency => ({ kind: 'outage', dependency }) as const),
  ),
  weighted(1, fc.constant({ kind: 'ours' } as const)),
  weighted(1, fc.constant({ kind: 'waiting' } as const)),
)

export const attemptEnd: fc.Arbitrary<AttemptEnd> = fc.oneof(
  weighted(5, fc.constantFrom('acked', 'acked', 'acked', 'duplicate')),
  weighted(4, failure),
)

export const commitEnd: fc.Arbitrary<CommitEnd> = fc.oneof(
  weighted(4, fc.constant('taken')),
  weighted(2, fc.constantFrom('stored, answer lost', 'stored in part', 'refused', 'generation', 'fenced')),
)

const place = fc.nat(PLACES.length - 1)
const is = <T extends string>(type: T) => fc.constant(type)

const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(10, fc.record({ type: is('pass'), ms: fc.oneof(fc.nat(300), fc.nat(2_000), fc.nat(40_000)) })),
  weighted(
    4,
    fc.record({
      type: is('join'),
      places: fc.oneof(fc.uniqueArray(place, { minLength: 1 }), fc.constant(PLACES.map((_, index) => index))),
      whole: fc.constantFrom(false, false, false, true),
      order: fc.nat(3),
    }),
  ),
  weighted(
    3,
    fc.record({ type: is('revoking'), places: fc.uniqueArray(place), unknown: fc.constantFrom(false, false, true) }),
  ),
  weighted(2, fc.record({ type: is('revoked'), places: fc.uniqueArray(place) })),
  weighted(1, fc.record({ type: is('lost') })),
  weighted(1, fc.record({ type: is('membershipConfirmed') })),
  weighted(
    30,
    fc.record({
      type: is('fetch'),
      place,
      records: fc.array(produced, { maxLength: 8 }),
      trailing: fc.constantFrom(0, 0, 0, 3),
      onItsWay: fc.constantFrom(false, false, true),
    }),
  ),
  weighted(1, fc.record({ type: is('trim'), place, offsets: fc.integer({ min: 1, max: 6 }) })),
  weighted(1, fc.record({ type: is('elect'), place, lost: fc.constantFrom(0, 0, 1, 3, 9) })),
  weighted(1, fc.record({ type: is('recreate'), place })),
  weighted(1, fc.record({ type: is('offsetsKnown') })),
  weighted(1, fc.record({ type: is('intakeHeld'), place, held: fc.boolean() })),
  weighted(40, fc.record({ type: is('attempt'), which: fc.nat(30), end: attemptEnd })),
  weighted(5, fc.record({ type: is('letters'), which: fc.nat(5), taken: fc.boolean() })),
  weighted(16, fc.record({ type: is('commit'), end: commitEnd })),
)

export const steps: fc.Arbitrary<Drawn[]> = fc.array(fc.record({ step, more: fc.constantFrom(false, false, true) }), {
  maxLength: 200,
  size: 'max',
})

export const setting: fc.Arbitrary<Setting> = fc.record({
  inFlightMax: fc.integer({ min: 1, max: 8 }),
  concurrencyMax: fc.tuple(fc.constantFrom(null, 1, 2), fc.constantFrom(null, 1)),
  attemptsMax: fc.integer({ min: 1, max: 3 }),
  windowMax: fc.constantFrom(1, 3, 10, 1_000, 1_000, 1_000),
  recordsMax: fc.constantFrom(4, 20, 1_000, 1_000),
  commitIntervalMs: fc.constantFrom(0, 500, 5_000),
  sessionTimeoutMs: fc.constantFrom(10_000, 1e9),
  chance: fc.nat(),
  leaderEpoch: fc.constantFrom(0, 0, 5, -1),
  answerMax: fc.constantFrom(2, 10),
})

export const ending: fc.Arbitrary<Ending> = fc.record({
  attempts: fc.array(attemptEnd, { minLength: 1, maxLength: 5 }),
  commits: fc.array(commitEnd, { minLength: 1, maxLength: 4 }),
  letters: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
  hanging: fc.array(fc.constantFrom(false, false, false, true), { minLength: 1, maxLength: 4 }),
})
