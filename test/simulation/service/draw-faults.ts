/** What goes wrong, and when. */
import type { Chance } from './random.ts'
import type { Setting } from './scenario.ts'
import type { Fault, FaultKind } from './vocabulary.ts'

const PLANNED: Partial<Readonly<Record<FaultKind, number>>> = { stop: 4, join: 4, rejoin: 2 }

const FAULTY: Readonly<Record<FaultKind, number>> = {
  crash: 3,
  freeze: 4,
  stop: 3,
  join: 3,
  expel: 1.5,
  'client starts over': 1,
  'client dies': 0.5,
  rejoin: 1,
  'broker down': 1.5,
  'link down': 2,
  'link slow': 1,
  'coordinator moves': 1,
  'commits refused': 1.5,
  'commits hang': 1,
  'commit answers lost': 1.5,
  'heartbeats lost': 1.5,
  'database down': 2,
  'database hangs': 1,
  'claims slow': 1,
  'commit fates': 4,
  'registry down': 1,
  'letters refused': 1,
  'letters held': 0.5,
  'letter answers lost': 1,
  'payments down': 1,
  'table missing': 1,
  retention: 1,
}

/** Longer than a session now and then, and always over well before a run's patience is. */
const LONGEST_MS = 8_000

export function drawFaults(setting: Setting, chance: Chance): Fault[] {
  const { profile, calmAtMs } = setting
  const isPlanned = profile === 'planned'
  const count = isPlanned ? chance.whole(1, 6) : profile === 'faulty' ? chance.whole(1, 8) : chance.whole(8, 20)
  const weights = isPlanned ? PLANNED : FAULTY
  const faults: Fault[] = []
  for (let each = 0; each < count; each++) {
    // Boundary: the keys of both tables are kinds of faults.
    const kind = chance.pickWeighted(weights as Record<FaultKind, number>)
    // On the heels of another one is where it hurts.
    const near = chance.happens(0.35) ? faults.at(-1) : undefined
    const atMs =
      near === undefined
        ? chance.between(500, calmAtMs - 500)
        : Math.min(calmAtMs - 1, near.atMs + chance.mostlyLow(0, 1_500))
    faults.push(drawFault(kind, atMs, { setting, chance }))
  }
  if (chance.happens(0.12)) faults.push(...drawStorm(setting, chance))
  return faults.toSorted((one, other) => one.atMs - other.atMs)
}

/** Members come and go, faster than the group can settle. */
function drawStorm(setting: Setting, chance: Chance): Fault[] {
  const { replicas, guests, calmAtMs } = setting
  const fromMs = chance.between(500, calmAtMs / 2)
  const everyMs = chance.between(100, 700)
  return Array.from({ length: chance.whole(5, 12) }, (_, index): Fault => {
    const atMs = Math.min(calmAtMs - 1, fromMs + index * everyMs)
    if (guests > 0 && chance.happens(0.7)) {
      return {
        kind: 'join',
        atMs,
        slot: replicas + chance.whole(0, guests - 1),
        forMs: chance.between(50, 3 * everyMs),
      }
    }
    return { kind: 'stop', atMs, slot: chance.whole(0, replicas - 1), backAfterMs: chance.between(10, everyMs) }
  })
}

function drawFault(kind: FaultKind, atMs: number, { setting, chance }: { setting: Setting; chance: Chance }): Fault {
  const { replicas, guests } = setting
  const slot = chance.whole(0, replicas - 1)
  const anySlot = chance.whole(0, replicas + guests - 1)
  const forMs = chance.mostlyLow(50, LONGEST_MS)
  const backAfterMs = chance.mostlyLow(10, 4_000)
  switch (kind) {
    case 'crash':
      return { kind, atMs, slot, backAfterMs, noticedAfterMs: chance.mostlyLow(0, 3_000) }
    case 'freeze':
      return { kind, atMs, slot: anySlot, forMs: chance.between(50, LONGEST_MS * 1.2) }
    case 'stop':
    case 'client dies':
      return { kind, atMs, slot, backAfterMs }
    case 'join':
      return { kind, atMs, slot: guests === 0 ? slot : replicas + chance.whole(0, guests - 1), forMs: 500 + forMs }
    case 'expel':
    case 'client starts over':
    case 'rejoin':
      return { kind, atMs, slot: anySlot }
    case 'link down':
    case 'commits hang':
    case 'commit answers lost':
    case 'heartbeats lost':
      return { kind, atMs, slot: anySlot, forMs }
    case 'link slow':
      return { kind, atMs, slot: anySlot, forMs, latencyMsMax: chance.between(50, 800) }
    case 'broker down':
    case 'coordinator moves':
    case 'database down':
    case 'database hangs':
    case 'letters refused':
    case 'letters held':
    case 'payments down':
    case 'table missing':
      return { kind, atMs, forMs }
    case 'commits refused':
      return { kind, atMs, forMs, cause: chance.pick(['generation', 'refused'] as const) }
    case 'claims slow':
      return { kind, atMs, forMs, claimMs: chance.between(10, setting.handlerTimeoutMs * 1.2) }
    case 'commit fates':
      return { kind, atMs, fates: Array.from({ length: chance.whole(1, 5) }, () => drawFate(chance)) }
    case 'registry down':
      return { kind, atMs, forMs, how: chance.pick(['refused', 'denied', 'hanging'] as const) }
    case 'letter answers lost':
      return { kind, atMs, count: chance.whole(1, 3) }
    case 'retention': {
      const topic = chance.pick(setting.topics)
      const partition = chance.whole(0, topic.partitions - 1)
      return { kind, atMs, topic: topic.name, partition, share: chance.between(0.2, 1) }
    }
    default:
      return kind satisfies never
  }
}

type Fate = Extract<Fault, { kind: 'commit fates' }>['fates'][number]

function drawFate(chance: Chance): Fate {
  const kind = chance.pick(['unknown-done', 'unknown-lost', 'late', 'serialization', 'outage'] as const)
  switch (kind) {
    case 'unknown-done':
    case 'unknown-lost':
      return kind
    case 'late':
      return { lateMs: chance.mostlyLow(5, 3_000) }
    case 'serialization':
      return { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }
    case 'outage':
      return { kind: 'outage', dependency: 'database' }
    default:
      return kind satisfies never
  }
}
