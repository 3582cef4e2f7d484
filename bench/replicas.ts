/**
 * `npm run bench:replicas`: how many records a second a replica settles, and what more replicas bring: with work that waits (a call,
 * a slow statement) and as far as this machine's processors go. Prints a table, writes it to bench/replicas.md, and exits 1 when replicas whose
 * work waits do not add up, or when one beyond the number of partitions settles anything. Under three minutes.
 */
import type { Parts } from '../dev/stack/parts.ts'
import { writePage } from './page.ts'
import { Crowd, type Pace } from './replicas-crowd.ts'
import { settingLine, withDatabase } from './replicas-setting.ts'

/** The sample handler's work on a login, without a transaction; its default. */
const WORK_MS = 50
/** With these, a replica is bound by waiting alone: 5 / 50 ms = 100 records a second. */
const IN_FLIGHT_OF_THE_WAITING = 5
/** Long enough for the just-in-time compiler, and for what a join moved. */
const PACE = { warmUpMs: 3_000, windowMs: 8_000 }
/** Of so many times the pace of one: the broker, the database and the load take their part of the processors, too. */
const NEARLY = 0.85
/** Two windows of the same thing differ by this much on a quiet machine. */
const NOISE = 1.1

interface Scenario {
  readonly title: string
  readonly about: string
  readonly partitions: number
  readonly replicas: readonly number[]
  readonly env: Readonly<Record<string, string>>
  readonly faults: (paces: readonly Pace[]) => readonly string[]
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'Work that waits: replicas add up',
    about: `\`IN_FLIGHT_MAX=${IN_FLIGHT_OF_THE_WAITING}\`, so that a replica can settle at most ${IN_FLIGHT_OF_THE_WAITING} / ${WORK_MS} ms = ${(IN_FLIGHT_OF_THE_WAITING * 1_000) / WORK_MS} records a second, and processors are left. 12 partitions.`,
    partitions: 12,
    replicas: [1, 2, 4],
    env: { IN_FLIGHT_MAX: String(IN_FLIGHT_OF_THE_WAITING) },
    faults: notAddedUp,
  },
  {
    title: 'More replicas than partitions',
    about: 'The same with 4 partitions: the fifth and the sixth replica own none, and stand by.',
    partitions: 4,
    replicas: [4, 6],
    env: { IN_FLIGHT_MAX: String(IN_FLIGHT_OF_THE_WAITING) },
    faults: helpedBeyond,
  },
  {
    title: 'Default settings: as far as the processors go',
    about: `\`IN_FLIGHT_MAX=100\`: the work alone would allow 100 / ${WORK_MS} ms = ${100_000 / WORK_MS} records a second and replica. 12 partitions. Where the machine is busy, more replicas share the same processors: the first row is what a replica can do, the others are what this machine can.`,
    partitions: 12,
    replicas: [1, 2, 4],
    env: {},
    faults: () => [],
  },
]

function notAddedUp(paces: readonly Pace[]): string[] {
  const [one] = paces
  return paces
    .filter(({ replicas, perSecond }) => perSecond < NEARLY * replicas * (one?.perSecond ?? 0))
    .map(({ replicas, perSecond }) => {
      return `${replicas} replicas settle ${perSecond.toFixed(0)} a second, one ${one?.perSecond.toFixed(0)}: less than ${NEARLY} × ${replicas} of it`
    })
}

function helpedBeyond([enough, more]: readonly Pace[]): string[] {
  if (enough === undefined || more === undefined || more.perSecond <= NOISE * enough.perSecond) return []
  return [
    `${more.replicas} replicas settle ${more.perSecond.toFixed(0)} a second, ${enough.replicas} settle ${enough.perSecond.toFixed(0)}: those without a partition can not have helped`,
  ]
}

async function run(parts: Parts, { partitions, replicas, env }: Scenario): Promise<Pace[]> {
  return withDatabase(parts.databaseUrl, async databaseUrl => {
    const crowd = await Crowd.of({
      parts: { ...parts, databaseUrl },
      partitions,
      env: { TEST_WORK_MS: String(WORK_MS), ...env },
    })
    try {
      const paces: Pace[] = []
      for (const count of replicas) {
        await crowd.growTo(count)
        paces.push(await crowd.pace(PACE))
      }
      return paces
    } finally {
      await crowd.end()
    }
  })
}

const HEAD = [
  'replicas',
  'partitions of each',
  'records a second',
  'of each replica',
  'against the first row',
  'processors used by replicas',
  'ms of processor a record',
  'machine busy',
]

function rowsOf(paces: readonly Pace[]): string[][] {
  const [first] = paces
  return paces.map(({ replicas, shares, perSecond, coresOfReplicas, machineBusy }) => [
    String(replicas),
    shares[0] === shares.at(-1) ? String(shares[0]) : `${shares[0]} to ${shares.at(-1)}`,
    perSecond.toFixed(0),
    (perSecond / replicas).toFixed(0),
    `× ${(perSecond / (first?.perSecond ?? 1)).toFixed(2)}`,
    coresOfReplicas.toFixed(2),
    ((coresOfReplicas * 1_000) / perSecond).toFixed(2),
    `${(machineBusy * 100).toFixed(0)} %`,
  ])
}

const SETTING = `The sample handler of \`user-activity\`: ${WORK_MS} ms of waiting, then its transaction in Postgres (claim, one upsert, commit). Every replica is a process, in one
group. The topic never runs dry; each figure is of ${PACE.windowMs / 1_000} s, ${PACE.warmUpMs / 1_000} s after the partitions were shared out.`

await writePage({ name: 'replicas', title: 'Records a second, by replicas' }, async ({ say, table }, parts) => {
  const faults: string[] = []
  say(await settingLine(parts))
  say(SETTING)
  for (const scenario of SCENARIOS) {
    const paces = await run(parts, scenario)
    faults.push(...scenario.faults(paces))
    say(`## ${scenario.title}`)
    say(scenario.about)
    table(HEAD, rowsOf(paces))
  }
  return faults
})
