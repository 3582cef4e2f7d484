/** What the simulation is worth: bugs that are built into whole consumers on purpose are found, each by the invariant that it breaks. */
import { describe, expect, test } from 'vitest'
import { Consumer, type ConsumerPorts } from '../../src/consumer/consumer.ts'
import type { RecordSource, SourceListener } from '../../src/consumer/ports.ts'
import type { ConsumerFactory } from './service/replica.ts'
import { simulate } from './service/simulate.ts'
import type { Invariant } from './service/vocabulary.ts'

/** The rarest of them shows within so many runs. */
const SEEDS = 150

interface Planted {
  readonly bug: string
  readonly plant: ConsumerFactory
  readonly found: readonly Invariant[]
}

const withPorts =
  (change: (ports: ConsumerPorts) => Partial<ConsumerPorts>): ConsumerFactory =>
  (options, ports) =>
    new Consumer(options, { ...ports, ...change(ports) })

const withSource = (change: (source: RecordSource) => Partial<RecordSource>): ConsumerFactory =>
  withPorts(({ source }) => ({ source: { ...source, ...change(source) } }))

const withListener = (change: (listener: SourceListener) => Partial<SourceListener>): ConsumerFactory =>
  withSource(source => ({ start: listener => source.start({ ...listener, ...change(listener) }) }))

const PLANTED: readonly Planted[] = [
  {
    bug: 'an offset is committed one too far',
    plant: withSource(source => ({
      commit: offsets => source.commit(offsets.map(one => ({ ...one, nextOffset: one.nextOffset + 1, metadata: '' }))),
    })),
    found: ['no-commit-past-the-unsettled'],
  },
  {
    bug: 'the first offset is committed again and again',
    plant: withSource(source => ({
      commit: offsets =>
        source.commit(offsets.map((one, index) => (index === 0 ? { ...one, nextOffset: 0, metadata: '' } : one))),
    })),
    found: ['committed-never-falls', 'a-clean-stop-repeats-nothing', 'a-stop-tells-the-truth'],
  },
  {
    bug: 'metadata is moved from one partition to another',
    plant: withSource(source => ({
      commit: offsets => source.commit(offsets.map(one => ({ ...one, metadata: offsets.at(-1)?.metadata ?? '' }))),
    })),
    found: ['metadata-is-true'],
  },
  {
    bug: 'dead letters are taken and thrown away',
    plant: withPorts(({ deadLetters }) => ({ deadLetters: { ...deadLetters, write: () => Promise.resolve() } })),
    found: ['no-commit-past-the-unsettled', 'a-key-keeps-its-order', 'metadata-is-true'],
  },
  {
    bug: 'the inbox knows nobody again',
    plant: withPorts(({ unitOfWork }) => {
      if (unitOfWork === null) return {}
      let claims = 0
      return {
        unitOfWork: {
          ...unitOfWork,
          known: async asked => asked.map(() => null),
          begin: (claim, timeoutMs) =>
            unitOfWork.begin({ ...claim, idempotencyKey: `${claim.idempotencyKey} ${claims++}` }, timeoutMs),
        },
      }
    }),
    found: ['effects-happen-once'],
  },
  {
    bug: 'an outage is taken for a failure of the record',
    plant: withPorts(({ unitOfWork }) => {
      if (unitOfWork === null) return {}
      const classify: typeof unitOfWork.classify = error => {
        const failure = unitOfWork.classify(error)
        const isOutage = failure?.kind === 'outage'
        return isOutage ? { kind: 'passing', reason: 'attempts-exhausted', timedOut: false } : failure
      }
      return { unitOfWork: { ...unitOfWork, classify } }
    }),
    found: ['attempts-are-bounded', 'dead-letters-are-deserved'],
  },
  {
    bug: 'one record more is in handlers than may be',
    plant: (options, ports) => new Consumer({ ...options, inFlightMax: options.inFlightMax + 1 }, ports),
    found: ['limits-are-kept'],
  },
  {
    bug: 'the silence of the coordinator is not minded',
    plant: (options, ports) => new Consumer({ ...options, sessionTimeoutMs: Number.POSITIVE_INFINITY }, ports),
    found: ['a-fenced-member-starts-nothing'],
  },
  {
    bug: 'what was completed before is forgotten',
    plant: withListener(listener => ({ restored: stored => listener.restored({ ...stored, metadata: '' }) })),
    found: ['planned-changes-repeat-nothing', 'a-clean-stop-repeats-nothing'],
  },
  {
    bug: 'partitions are handed over at once',
    plant: withListener(listener => ({
      revoking: assignments => {
        void listener.revoking(assignments)
        return Promise.resolve()
      },
    })),
    found: ['planned-changes-repeat-nothing'],
  },
  {
    bug: 'nobody is told that partitions are gone',
    plant: withListener(() => ({ lost: () => undefined, revoked: () => undefined })),
    found: [
      'nothing-starts-for-what-is-gone',
      'what-is-gone-is-aborted',
      'no-commit-for-what-is-gone',
      'calm-settles-everything',
    ],
  },
  {
    bug: 'answers come to a paused partition, and are not asked for again',
    plant: withSource(() => ({ resume: () => undefined })),
    found: ['calm-settles-everything'],
  },
]

describe.each(PLANTED)('$bug', ({ plant, found }) => {
  test('and the simulation finds it', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = await simulate(seed, { consumerFactory: plant })
      if (violation === null) continue
      expect([...found.filter(name => name === violation.invariant), violation.message]).toEqual([
        violation.invariant,
        violation.message,
      ])
      return
    }
    expect.fail(`${SEEDS} runs, and nobody noticed`)
  })
})
