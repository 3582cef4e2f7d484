/**
 * `npm run bench:rollout`: what a rollout of three replicas costs under load, one by one (RollingUpdate) and all at once (Recreate), on real
 * processes, a real broker and a real database. Prints tables, writes them to bench/rollout.md; exits 1 when a record was handled twice or lost.
 * Under three minutes.
 */
import type { Parts } from '../dev/stack/parts.ts'
import { Fleet, sum } from '../test/support/fleet.ts'
import { repeatsInWords } from '../test/support/fleet-journal.ts'
import { until } from '../test/support/parts.ts'
import { writePage } from './page.ts'
import { settingLine, withDatabase } from './replicas-setting.ts'
import { type Again, type Rollout, redeliveries, rollOut, type Strategy } from './rollout-strategies.ts'

/** What two idle cores carry beside starting processes, with room. */
const PER_SECOND = 240
const PARTITIONS = 12
const REPLICAS = 3
/** Each strategy so often, by turns. */
const ROUNDS = 2
const STRATEGIES: readonly Strategy[] = ['RollingUpdate', 'Recreate']

const WORK = {
  '50 ms a record': { TEST_WORK_MS: '50' },
  '50 ms a record, one in 47 takes 2 s': { TEST_WORK_MS: '50', TEST_SLOW: '47:2000' },
} as const
type Work = keyof typeof WORK

interface Outcome {
  readonly work: Work
  readonly rollouts: readonly Rollout[]
  readonly redelivered: ReadonlyMap<Rollout, Again>
  readonly sent: number
  readonly handled: number
  readonly committed: number
  /** Who was delivered again what whom had been delivered before. */
  readonly repeats: readonly string[]
}

async function run(parts: Parts, work: Work): Promise<Outcome> {
  return withDatabase(parts.databaseUrl, async databaseUrl => {
    const env = { DATABASE_URL: databaseUrl, TEST_ONCE: 'true', ...WORK[work] }
    const fleet = await Fleet.of({ parts, topics: [PARTITIONS], env })
    try {
      await Promise.all(Array.from({ length: REPLICAS }, () => fleet.join()))
      await fleet.settled()
      const load = fleet.load(PER_SECOND)
      const rollouts: Rollout[] = []
      for (let round = 0; round < ROUNDS; round++)
        for (const strategy of STRATEGIES) rollouts.push(await rollOut(fleet, strategy))
      const sent = await load.stop()
      // What is missing then is said below.
      await until('everything is handled', () => fleet.journals.handled() >= sent, { timeoutMs: 60_000 }).catch(
        () => {},
      )
      await Promise.all([...fleet.members].map(member => fleet.leave(member)))
      const committed = sum(await fleet.committed())
      return {
        work,
        rollouts,
        redelivered: redeliveries(fleet, rollouts),
        sent,
        handled: fleet.journals.handled(),
        committed,
        repeats: repeatsInWords(fleet.journals.deliveries),
      }
    } finally {
      await fleet.end()
    }
  })
}

const HEAD = [
  'strategy',
  'times',
  'redelivered',
  'handled before',
  'a partition stands still',
  'steady',
  'nothing anywhere',
  'took',
] as const

function rowsOf({ rollouts, redelivered }: Outcome): string[][] {
  return STRATEGIES.map(strategy => {
    const of = rollouts.filter(rollout => rollout.strategy === strategy)
    return [
      strategy,
      String(of.length),
      String(countOf(redelivered, 'elsewhere', of)),
      String(countOf(redelivered, 'handledBefore', of)),
      averageAndWorst(of.flatMap(({ gapsMs }) => gapsMs)),
      averageAndWorst(of.flatMap(({ steadyGapsMs }) => steadyGapsMs)),
      averageAndWorst(of.map(({ allStillMs }) => allStillMs)),
      averageAndWorst(of.map(({ tookMs }) => tookMs)),
    ]
  })
}

function countOf(redelivered: Outcome['redelivered'], which: keyof Again, of = [...redelivered.keys()]): number {
  return sum(of.map(rollout => redelivered.get(rollout)?.[which] ?? 0))
}

function averageAndWorst(allMs: readonly number[]): string {
  return `${seconds(sum(allMs) / allMs.length)} / ${seconds(Math.max(...allMs))} s`
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2)
}

function faultsOf({ work, redelivered, repeats, sent, handled, committed }: Outcome): string[] {
  const again = countOf(redelivered, 'handledBefore')
  return [
    again > 0 ? [`${work}: ${again} records were handled before and delivered again`, ...repeats].join('\n  ') : '',
    handled === sent ? '' : `${work}: ${sent} were sent and ${handled} handled`,
    committed === sent ? '' : `${work}: ${sent} were sent and ${committed} committed`,
  ].filter(fault => fault !== '')
}

const SETTING = `${PER_SECOND} records a second over ${PARTITIONS} partitions; ${REPLICAS} replicas, each a process with the sample handler and its transaction in Postgres. RollingUpdate: \`maxSurge: 1,
maxUnavailable: 0\`: a new one is started; when it is ready, an old one gets SIGTERM, and the next new one is started beside it. Recreate: all get
SIGTERM; when the last one has ended, all new ones are started. Average / worst. A partition stands still: the longest time without a start on it; steady: the
same in the quiet time before; nothing anywhere: the longest time without a start on any. Redelivered: to another replica than before; handled before: of those,
what the one before had handled, the rest it had given up. What a cluster adds is not in it: scheduling, pulling the image, the
period of the readiness probe.`

await writePage({ name: 'rollout', title: 'Rollouts' }, async ({ say, table }, parts) => {
  const faults: string[] = []
  say(await settingLine(parts))
  say(SETTING)
  // Boundary: the keys of a literal.
  for (const work of Object.keys(WORK) as Work[]) {
    const outcome = await run(parts, work)
    faults.push(...faultsOf(outcome))
    say(`## With work of ${work}`)
    table(HEAD, rowsOf(outcome))
  }
  return faults
})
