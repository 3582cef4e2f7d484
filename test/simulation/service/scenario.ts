/** What one seed stands for: how big everything is, what is written when, how handlers behave, and what goes wrong. All of it is drawn before the run begins. */
import { drawFaults } from './draw-faults.ts'
import { drawRecords } from './draw-records.ts'
import { Chance } from './random.ts'
import type { Fault, RecordSpec } from './vocabulary.ts'

/** `planned`: joins, leaves and stops are all that happens. `wild`: one thing on top of the other. */
export type Profile = 'planned' | 'faulty' | 'wild'

export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  readonly unmatched: 'dead-letter' | 'ignore'
}

export interface Setting {
  readonly profile: Profile
  /** Replicas that are there all the time, but for faults. */
  readonly replicas: number
  /** More of them, that come and go. */
  readonly guests: number
  readonly topics: readonly TopicPlan[]
  /** Writing ends, and so do the faults. */
  readonly calmAtMs: number
  readonly inFlightMax: number
  readonly recordsMax: number
  readonly windowMax: number
  readonly commitIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly handOverTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly handlerTimeoutMs: number
  readonly attemptsMax: number
  readonly retryMs: { readonly initialMs: number; readonly maxMs: number }
  /** Of the handler that has a limit of its own. */
  readonly concurrencyMax: number | null
  readonly poolMax: number
  /** Of one way, to the database, the registry and the dead letter topic. */
  readonly latencyMsMax: number
  readonly brokerLatencyMsMax: number
  readonly answerOffsetsMax: number
  readonly missingAfterMs: number
  readonly metadataCharactersMax: number
  readonly protocol: 'cooperative' | 'eager'
}

export interface Scenario {
  readonly seed: number
  readonly setting: Setting
  readonly records: readonly RecordSpec[]
  readonly faults: readonly Fault[]
}

export function scenarioOf(seed: number): Scenario {
  const setting = drawSetting(new Chance(seed, 'setting'))
  const records = drawRecords(setting, new Chance(seed, 'records'))
  const faults = drawFaults(setting, new Chance(seed, 'faults'))
  return { seed, setting, records, faults }
}

function drawSetting(chance: Chance): Setting {
  const profile = chance.pickWeighted({ planned: 2, faulty: 6, wild: 2 })
  const isPlanned = profile === 'planned'
  const unmatched = () => chance.pick(['dead-letter', 'ignore'] as const)
  const topics: TopicPlan[] = [{ name: 'a', partitions: chance.whole(2, 4), unmatched: unmatched() }]
  if (chance.happens(0.5)) topics.push({ name: 'b', partitions: chance.whole(1, 2), unmatched: unmatched() })
  const handlerTimeoutMs = chance.whole(400, 1_200)
  return {
    profile,
    replicas: chance.whole(isPlanned ? 1 : 2, 3),
    guests: chance.whole(isPlanned ? 1 : 0, 2),
    topics,
    calmAtMs: chance.whole(8_000, 16_000),
    inFlightMax: chance.whole(1, 12),
    recordsMax: chance.happens(0.4) ? chance.whole(2, 12) : chance.whole(8, 120),
    windowMax: chance.whole(4, 80),
    commitIntervalMs: chance.whole(100, 1_500),
    sessionTimeoutMs: chance.whole(3_000, 6_000),
    rebalanceTimeoutMs: chance.whole(4_000, 8_000),
    handOverTimeoutMs: isPlanned ? 3_000 : chance.whole(500, 3_000),
    drainTimeoutMs: isPlanned ? 5_000 : Math.round(chance.mostlyLow(200, 5_000)),
    handlerTimeoutMs,
    attemptsMax: chance.whole(1, 4),
    retryMs: { initialMs: chance.whole(10, 60), maxMs: chance.whole(100, 1_000) },
    concurrencyMax: chance.happens(0.5) ? chance.whole(1, 3) : null,
    // A pool that is too small makes the fastest handlers slow.
    poolMax: !isPlanned && chance.happens(0.3) ? chance.whole(1, 3) : 20,
    latencyMsMax: chance.pick([0.5, 2, 10, 25]),
    brokerLatencyMsMax: chance.pick([0.5, 3, 30, 150]),
    answerOffsetsMax: chance.whole(2, 20),
    missingAfterMs: chance.whole(1_500, 4_000),
    metadataCharactersMax: chance.happens(0.1) ? chance.whole(0, 28) : 4_096,
    protocol: chance.happens(0.15) ? 'eager' : 'cooperative',
  }
}
