/** What is true of the stack in docker-compose.yml: from nothing to running, under load while a replica stops, at four, and gone. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'

import { ADVISORY_LOCK } from '../../src/adapters/postgres/migrate.ts'
import { counted } from '../progress.ts'
import { kafkaAt } from '../send.ts'
import { type Docker, until } from './docker.ts'
import type { Facts } from './facts.ts'
import { type Replica, type Stack, statusOf } from './stack.ts'

export interface ProvingStack {
  readonly docker: Docker
  readonly facts: Facts
  readonly stack: Stack
  /** A copy of the checkout. */
  readonly checkout: string
}

const REPLICAS = 2
const SCALED = 4
/** Two topics of twelve. */
const PARTITIONS = 24
/** For what takes a second or two on an idle machine: a join of the group, two scrapes. */
const SOON_MS = 60_000
/** The first start builds an image. */
const UP_WITHIN_MS = 10 * 60_000
/** Enough to outlast a stop in the middle, on a quick machine too. */
const LOAD_TIMES = 6

export async function proveStack(proving: ProvingStack): Promise<void> {
  proving.facts.chapter('The stack')
  await proveStart(proving)
  await proveSharing(proving, REPLICAS)
  await proveTraffic(proving)
  await provePrometheus(proving)
  await proveStop(proving)
  await proveScale(proving)
  await proveDown(proving)
}

async function query<Row>(databaseUrl: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000, query_timeout: 60_000 })
  // A connection that breaks is told by the query that meets it.
  client.on('error', () => undefined)
  await client.connect()
  try {
    // Boundary: the caller names the columns of its own statement.
    return (await client.query(sql, values)).rows as Row[]
  } finally {
    await client.end()
  }
}

/** The lock of the migrations is held until every replica waits for it, so that all of them go on at the same moment. */
async function proveStart({ facts, stack, checkout }: ProvingStack): Promise<void> {
  const { databaseUrl } = stack
  await stack.compose('config', '--quiet')
  await stack.compose('up', '--wait', 'postgres')
  const holder = new Client({ connectionString: databaseUrl })
  holder.on('error', () => undefined)
  await holder.connect()
  const lock = [ADVISORY_LOCK.ours, ADVISORY_LOCK.migrations]
  await holder.query('select pg_advisory_lock($1, $2)', lock)
  const startedMs = performance.now()
  const up = stack.compose('up', '--wait')
  // Awaited below; a start that fails at once must not be an unhandled rejection meanwhile.
  up.catch(() => undefined)
  const waiting = async () => {
    const sql = `select 1 from pg_locks where locktype = 'advisory' and not granted and classid = $1 and objid = $2`
    const { length } = await query(databaseUrl, sql, lock)
    return length === REPLICAS ? length : undefined
  }
  const failed = up.then(() => undefined)
  const waited = await Promise.race([until('replicas that wait to migrate', UP_WITHIN_MS, waiting), failed])
  await holder.end()
  await up
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0)
  facts.add('docker compose up --wait', `every part is healthy after ${seconds} s`, true)
  const lines = (await stack.compose('logs', '--no-log-prefix', '--no-color', 'sluice')).split('\n')
  const applied = lines.filter(line => line.includes('a migration was applied')).length
  const files = (await readdir(join(checkout, 'migrations'), { recursive: true })).filter(name => name.endsWith('.sql'))
  facts.add(
    'replicas that start together migrate once',
    `${waited ?? 0} replicas waited for one lock; ${applied} applied, of ${files.length}`,
    waited === REPLICAS && applied === files.length,
  )
}

/** From the host: the group as the broker has it, and each replica over its own port. */
async function proveSharing({ facts, stack }: ProvingStack, wanted: number): Promise<void> {
  const admin = kafkaAt([stack.broker]).admin()
  await admin.connect()
  try {
    const { groups } = await admin.describeGroups(['sluice'])
    const members = groups[0]?.members.length ?? 0
    facts.add('the host reaches Kafka, and its group has', `${members} members`, members === wanted)
  } finally {
    await admin.disconnect()
  }
  const replicas = await stack.replicas()
  const shares = await until(`${PARTITIONS} partitions among ${wanted} replicas`, SOON_MS, async () => {
    const counts = await Promise.all(replicas.map(async replica => (await statusOf(replica)).partitions.length))
    const isBalanced = counts.every(count => count === PARTITIONS / wanted)
    return isBalanced ? counts : undefined
  })
  facts.add('every replica has partitions', shares.join(' + '), shares.length === wanted)
}

/** Of what the traffic says: how much it has sent, and its account, which comes last. */
const sentOf = (out: string): string => /sent +(.+)$/m.exec(out)?.[1] ?? 'nothing is sent'
const lastWordsOf = (out: string): string => out.trimEnd().split('\n').slice(-10).join('\n')

async function proveTraffic({ facts, stack }: ProvingStack): Promise<void> {
  const { code, out, err } = await stack.traffic()
  facts.add('the sample traffic is accounted for', `exit code ${code}; ${sentOf(out)}`, code === 0)
  if (code !== 0) console.log(lastWordsOf(`${err}\n${out}`))
}

async function provePrometheus({ facts, stack }: ProvingStack): Promise<void> {
  const seen = await stack.query('count by (instance) (sluice_lag_records)')
  facts.add('Prometheus has the lag of both replicas', `${seen.length} instances`, seen.length === REPLICAS)
  const [peak] = await stack.query('max_over_time(sum(sluice_lag_records)[10m:1s])')
  const lagged = `${counted(peak?.value ?? 0)} records at its highest`
  facts.add('it has seen the lag of the traffic', lagged, (peak?.value ?? 0) > 0)
  const left = await until('a lag of 0 in Prometheus', SOON_MS, async () => {
    const [sum] = await stack.query('sum(sluice_lag_records)')
    return sum?.value === 0 ? sum.value : undefined
  })
  facts.add('and it reaches 0', `${left} records`, left === 0)
}

interface Effects {
  readonly events: number
  readonly effects: number
}

/** What the handlers wrote, beside the events that were handled: a doubled effect would make it more. */
const EFFECTS = `
  select (select count(*) from sluice.inbox)::int as events,
    ((select coalesce(sum(logins + logouts), 0) from public.user_profile) + (select count(*) from public.order_history))::int
      as effects`

async function proveStop(proving: ProvingStack): Promise<void> {
  const { facts, stack } = proving
  const replicas = await stack.replicas()
  const [stopped] = replicas
  if (stopped === undefined) throw new Error('there is no replica to stop')
  const sending = stack.traffic('--times', String(LOAD_TIMES), '--seed', '2')
  const busy = await until('a replica with work', SOON_MS, async () => {
    const { inFlight, partitions } = await statusOf(stopped)
    const lag = partitions.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0)
    return inFlight > 0 && lag > 1_000 ? { inFlight, lag } : undefined
  })
  await stopOne(proving, stopped, busy)
  const { code, out } = await sending
  facts.add('no event of that load is lost or doubled', `exit code ${code}; ${sentOf(out)}`, code === 0)
  if (code !== 0) console.log(lastWordsOf(out))
  const [found] = await query<Effects>(stack.databaseUrl, EFFECTS)
  const { events = 0, effects = -1 } = found ?? {}
  facts.add('Postgres has an effect for every event', `${counted(effects)} of ${counted(events)}`, events === effects)
}

async function stopOne(
  { docker, facts }: ProvingStack,
  { id }: Replica,
  busy: { inFlight: number; lag: number },
): Promise<void> {
  const startedMs = performance.now()
  await docker.must(['stop', id])
  const tookMs = performance.now() - startedMs
  const code = await docker.must(['inspect', '--format', '{{.State.ExitCode}}', id])
  const { out } = await docker.run(['logs', '--tail', '1', id])
  // Boundary: the service's last line, whose fields are its own; read defensively below.
  const last = JSON.parse(out) as { msg?: string; unfinished?: number; committed?: boolean }
  facts.add(
    'one replica is stopped under load',
    `${busy.inFlight} in flight, ${counted(busy.lag)} behind; exit code ${code} after ${(tookMs / 1_000).toFixed(1)} s`,
    code === '0',
  )
  const isClean = last.msg === 'stopped' && last.unfinished === 0 && last.committed === true
  facts.add(
    'it has finished and committed what it held',
    `${last.unfinished} unfinished, committed: ${last.committed}`,
    isClean,
  )
}

async function proveScale(proving: ProvingStack): Promise<void> {
  const { facts, stack } = proving
  const startedMs = performance.now()
  await stack.compose('up', '--wait', '--scale', `sluice=${SCALED}`)
  facts.add(`--scale sluice=${SCALED}`, `healthy after ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`, true)
  await proveSharing(proving, SCALED)
  const instances = await until('every replica in Prometheus', SOON_MS, async () => {
    const up = await stack.query('up{job="sluice"} == 1')
    return up.length === SCALED ? up.length : undefined
  })
  facts.add('Prometheus finds the new ones by itself', `${instances} instances`, instances === SCALED)
  const where = await stack.compose('port', '--index', String(SCALED), 'sluice', '8080')
  const { ok } = await fetch(`http://${where}/readyz`)
  facts.add('docker compose port says where each answers', `replica ${SCALED} at ${where}`, ok)
}

async function proveDown({ docker, facts, stack }: ProvingStack): Promise<void> {
  const filter = ['--quiet', '--filter', `label=com.docker.compose.project=${stack.project}`]
  const ids = (await docker.must(['ps', '--all', ...filter])).split('\n')
  // Those without a name, too, which carry no label of the project.
  const format = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}}\n{{end}}{{end}}'
  const mounted = (await docker.must(['inspect', '--format', format, ...ids])).split('\n').filter(name => name !== '')
  const volumes = new Set(mounted)
  await stack.compose('down', '--volumes')
  const containers = await docker.must(['ps', '--all', ...filter])
  const networks = await docker.must(['network', 'ls', ...filter])
  const all = (await docker.must(['volume', 'ls', '--quiet'])).split('\n')
  const kept = all.filter(name => volumes.has(name))
  facts.add(
    'docker compose down -v leaves nothing',
    `of ${ids.length} containers, ${volumes.size} volumes and a network`,
    containers === '' && networks === '' && kept.length === 0,
  )
}
