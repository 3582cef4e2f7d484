/**
 * `npm run bench:rebalance`: what joins, leaves and kills cost a group under load, on real processes and a real broker. Prints a
 * table and writes it to bench/rebalance.md; exits 1 when a planned join or leave, or a broker that is killed, had any record delivered again, or a record was lost. Three minutes.
 */
import type { RunningParts } from '../dev/stack/parts.ts'
import { Fleet, sum } from '../test/support/fleet.ts'
import { nowMs } from '../test/support/fleet-journal.ts'
import { until } from '../test/support/parts.ts'
import { machineLine, writePage } from './page.ts'
import { type BrokerKill, killBroker } from './rebalance-broker.ts'
import { type Kind, type Measured, measure, redeliveries } from './rebalance-events.ts'

const PER_SECOND = 1_000
const PARTITIONS = 12
const MEMBERS = 3
/** Joins and leaves in turn, then a kill with a join after it, so often. */
const ROUNDS = 3
const KILLS = 2
/** A kill is noticed after the session. */
const SESSION = { KAFKA_SESSION_TIMEOUT_MS: '6000', KAFKA_REBALANCE_TIMEOUT_MS: '10000' }

const WORK = {
  '10 ms a record': { TEST_WORK_MS: '10' },
  '10 ms a record, one in 47 takes 1.5 s': { TEST_WORK_MS: '10', TEST_SLOW: '47:1500' },
} as const
type Work = keyof typeof WORK

interface Outcome {
  readonly work: Work
  readonly events: readonly Measured[]
  /** How many records were delivered again in the time of each event. */
  readonly redelivered: ReadonlyMap<Measured, number>
  readonly sent: number
  readonly handled: number
  readonly committed: number
}

async function run(parts: RunningParts, work: Work): Promise<Outcome> {
  const fleet = await Fleet.of({ parts, topics: [PARTITIONS], env: { ...SESSION, ...WORK[work] } })
  const acts: Readonly<Record<Kind, () => Promise<number>>> = {
    // Its start costs processor time, which is not what is measured: it serves HTTP when that is over, and then joins.
    join: async () => {
      await fleet.join()
      return nowMs()
    },
    leave: async () => {
      const fromMs = nowMs()
      await fleet.leave(fleet.oldest)
      return fromMs
    },
    kill: async () => {
      const fromMs = nowMs()
      await fleet.kill(fleet.oldest)
      return fromMs
    },
  }
  const kinds: Kind[] = []
  for (let round = 0; round < ROUNDS; round++) kinds.push('join', 'leave')
  for (let kill = 0; kill < KILLS; kill++) kinds.push('kill', 'join')
  try {
    await Promise.all(Array.from({ length: MEMBERS }, () => fleet.join()))
    await fleet.settled()
    const load = fleet.load(PER_SECOND)
    const measured: Measured[] = []
    for (const kind of kinds) measured.push(await measure(fleet, kind, acts[kind]))
    const sent = await load.stop()
    await until('everything is handled', () => fleet.journals.handled() >= sent, { timeoutMs: 20_000 }).catch(() => {})
    await Promise.all([...fleet.members].map(member => fleet.leave(member)))
    const redelivered = redeliveries(fleet, measured)
    const committed = sum(await fleet.committed())
    return { work, events: measured, redelivered, sent, handled: fleet.journals.handled(), committed }
  } finally {
    await fleet.end()
  }
}

const HEAD = [
  'event',
  'times',
  'redelivered',
  'moved',
  'settled after',
  'kept stand still',
  'moved stand still',
  'steady',
]

function rowsOf({ events, redelivered }: Outcome): string[][] {
  return (['join', 'leave', 'kill'] as const).map(kind => {
    const of = events.filter(event => event.kind === kind)
    const spread = (pick: (event: Measured) => readonly number[]) => averageAndWorst(of.flatMap(pick))
    const again = of.map(event => redelivered.get(event) ?? 0)
    const moved = of.map(event => event.moved)
    return [
      kind === 'kill' ? 'kill' : `planned ${kind}`,
      String(of.length),
      `${sum(again)} (worst ${Math.max(...again)})`,
      `${(sum(moved) / of.length).toFixed(1)} of ${PARTITIONS}`,
      spread(event => [event.settledAfterMs]),
      spread(event => event.keptGapsMs),
      spread(event => event.movedGapsMs),
      spread(event => event.steadyGapsMs),
    ]
  })
}

function averageAndWorst(gapsMs: readonly number[]): string {
  if (gapsMs.length === 0) return '–'
  const average = sum(gapsMs) / gapsMs.length
  return `${average.toFixed(0)} / ${Math.max(...gapsMs).toFixed(0)} ms`
}

function brokerLine(kill: BrokerKill | string): string {
  if (typeof kill === 'string') return `Not measured: ${kill}.`
  const { downMs, againAfterMs, redelivered, sent, handled } = kill
  return `${(downMs / 1_000).toFixed(1)} s without a broker: every partition goes on ${(againAfterMs / 1_000).toFixed(1)} s after it answers again; ${redelivered} redelivered, ${sent - handled} of ${sent} lost.`
}

function faultsOf({ work, events, redelivered, sent, handled, committed }: Outcome): string[] {
  const planned = events.filter(({ kind }) => kind !== 'kill')
  const again = sum(planned.map(event => redelivered.get(event) ?? 0))
  return [
    again > 0 ? `${work}: ${again} records were delivered again after a planned join or leave` : '',
    handled === sent ? '' : `${work}: ${sent} were sent and ${handled} handled`,
    committed === sent ? '' : `${work}: ${sent} were sent and ${committed} committed`,
  ].filter(fault => fault !== '')
}

function faultsOfKill({ redelivered, sent, handled }: BrokerKill): string[] {
  if (redelivered === 0 && handled === sent) return []
  return [`the broker was killed: ${redelivered} records were delivered again, ${handled} of ${sent} handled`]
}

const SETTING = `${PER_SECOND.toLocaleString('en')} records a second over ${PARTITIONS} partitions; ${MEMBERS} members, each a process, one more after a join. A killed
member is missed after a session of ${SESSION.KAFKA_SESSION_TIMEOUT_MS} ms. Standing still: the longest time without a start on a partition, average / worst over
partitions and events; steady: the same in the quiet time before.`

await writePage({ name: 'rebalance', title: 'Rebalances' }, async ({ say, table }, parts) => {
  const faults: string[] = []
  say(machineLine(parts))
  say(SETTING)
  // Boundary: the keys of a literal.
  for (const work of Object.keys(WORK) as Work[]) {
    const outcome = await run(parts, work)
    faults.push(...faultsOf(outcome))
    say(`## With work of ${work}`)
    table(HEAD, rowsOf(outcome))
  }
  say('## When the broker is killed (SIGKILL) under load, between joins and leaves')
  const killed = await killBroker(parts)
  say(brokerLine(killed))
  return typeof killed === 'string' ? faults : [...faults, ...faultsOfKill(killed)]
})
