/** What is written to the log, and how the handler of each record behaves. */
import type { Chance } from './random.ts'
import type { Setting, TopicPlan } from './scenario.ts'
import type { RecordKind, RecordSpec, Step } from './vocabulary.ts'

/** The handlers of each topic; the last one of `b` is naturally idempotent and takes tombstones. */
export const HANDLERS_OF: Readonly<Record<string, readonly string[]>> = { a: ['main', 'side'], b: ['plain'] }

/** Time to settle what was written last, before the faults are over. */
const LAST_WRITE_BEFORE_CALM_MS = 1_000

const KINDS: Readonly<Record<RecordKind, number>> = {
  event: 100,
  tombstone: 1,
  framing: 1,
  undecodable: 1,
  'incompatible-schema': 1,
  unmatched: 2,
  'missing-idempotency-key': 1,
  'unknown-schema': 0.3,
  'late-schema': 1,
}

export function drawRecords(setting: Setting, chance: Chance): RecordSpec[] {
  const count = chance.whole(24, 100)
  const keys = chance.whole(2, 12)
  const endMs = setting.calmAtMs - LAST_WRITE_BEFORE_CALM_MS
  const bursts = Array.from({ length: chance.whole(1, 5) }, () => chance.between(0, endMs))
  const times = Array.from({ length: count }, () =>
    chance.happens(0.6) ? Math.min(endMs, chance.pick(bursts) + chance.between(0, 200)) : chance.between(0, endMs),
  )
  const records: RecordSpec[] = []
  for (const [number, atMs] of times.toSorted((one, other) => one - other).entries()) {
    const topic = chance.happens(0.75) ? setting.topics[0] : chance.pick(setting.topics)
    if (topic === undefined) throw new RangeError('there is a topic')
    records.push(drawRecord({ number, atMs, keys, topic }, { setting, records, chance }))
  }
  return records
}

interface Slot {
  readonly number: number
  readonly atMs: number
  readonly keys: number
  readonly topic: TopicPlan
}

interface Drawing {
  readonly setting: Setting
  /** Drawn so far: what is written again is one of them. */
  readonly records: readonly RecordSpec[]
  readonly chance: Chance
}

function drawRecord({ number, atMs, keys, topic }: Slot, { setting, records, chance }: Drawing): RecordSpec {
  const kind = chance.pickWeighted(KINDS)
  const handler = chance.pick(HANDLERS_OF[topic.name] ?? [])
  const key = chance.happens(0.12) ? null : `k${chance.whole(1, keys)}`
  const partition = key === null ? chance.whole(0, topic.partitions - 1) : hashOf(key) % topic.partitions
  const original = chance.happens(0.06) ? chance.pick(records.length > 0 ? records : [null]) : null
  const isRepeat = original !== null && original.kind === 'event' && original.topic === topic.name && kind === 'event'
  return {
    number,
    topic: topic.name,
    partition,
    atMs,
    key,
    kind,
    handler: isRepeat ? original.handler : handlerOf(kind, handler, topic.name),
    id: isRepeat ? original.id : `e${number}`,
    steps: isRepeat ? original.steps : drawSteps(setting, chance),
    needsPayments: chance.happens(0.1),
    gap: chance.happens(0.06) ? chance.whole(1, 3) : 0,
  }
}

function handlerOf(kind: RecordKind, handler: string, topic: string): string | null {
  if (kind === 'event' || kind === 'late-schema') return handler
  // Only `plain` takes tombstones; it has no idempotency key that could be missing.
  if (kind === 'tombstone') return topic === 'b' ? 'plain' : null
  if (kind === 'missing-idempotency-key') return topic === 'a' ? handler : 'plain'
  return null
}

function hashOf(key: string): number {
  let hash = 7
  for (const character of key) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003
  return hash
}

/** What never succeeds never has an effect, in whichever process: else two processes could rightly disagree on it. */
function drawSteps(setting: Setting, chance: Chance): Step[] {
  const fate = chance.pickWeighted({ good: 80, stumbles: 14, rejects: 3, fails: 3 })
  switch (fate) {
    case 'good':
      return [drawOk(setting, chance)]
    case 'rejects':
      return [{ kind: 'reject', ms: chance.mostlyLow(0, 100), statements: chance.whole(0, 1) }]
    case 'fails':
      return [drawThrow(chance)]
    case 'stumbles': {
      const stumbles = Array.from({ length: chance.whole(1, 3) }, () => drawStumble(setting, chance))
      return [...stumbles, drawOk(setting, chance)]
    }
    default:
      return fate satisfies never
  }
}

function drawOk({ profile, handlerTimeoutMs }: Setting, chance: Chance): Step {
  // Time is lost on the way to the database as well.
  const longestMs = profile === 'planned' ? handlerTimeoutMs * 0.4 : handlerTimeoutMs * 0.9
  const ms = chance.mostlyLow(0, longestMs)
  return { kind: 'ok', ms, statements: chance.whole(0, 2), restMs: chance.mostlyLow(0, longestMs - ms) }
}

function drawThrow(chance: Chance): Step {
  if (chance.happens(0.1)) return { kind: 'throw at once' }
  const what = chance.pick(['error', 'error', 'text', 'null'] as const)
  return { kind: 'throw', ms: chance.mostlyLow(0, 100), statements: chance.whole(0, 1), what }
}

function drawStumble({ profile, handlerTimeoutMs }: Setting, chance: Chance): Step {
  if (profile === 'planned') return drawThrow(chance)
  const kind = chance.pickWeighted({ throw: 6, unavailable: 1, hang: 1.5, obey: 1, stuck: 0.7, fail: 2 })
  const statements = chance.whole(0, 1)
  switch (kind) {
    case 'throw':
      return drawThrow(chance)
    case 'unavailable':
      return { kind, ms: chance.mostlyLow(0, 100) }
    case 'hang':
      return {
        kind,
        ms: handlerTimeoutMs * chance.mostlyLow(1.05, 8),
        statements,
        end: chance.pick(['return', 'throw']),
      }
    case 'obey':
      return { kind, statements }
    case 'stuck':
      return { kind }
    case 'fail': {
      const failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false } as const
      return { kind, ms: chance.mostlyLow(0, 50), failure, isCaught: chance.happens(0.3) }
    }
    default:
      return kind satisfies never
  }
}
