import { beforeEach, describe, expect, test } from 'vitest'
import { Histogram } from '../../../src/adapters/telemetry/histogram.ts'
import { type Prometheus, prometheus } from '../../../src/adapters/telemetry/prometheus.ts'
import type { Fact, Now, Task } from '../../../src/core/facts.ts'
import type { Assignment, Disposition, Taken } from '../../../src/core/record.ts'
import type { EngineStatus, PartitionStatus } from '../../../src/core/status.ts'
import type { Failure } from '../../../src/core/verdict.ts'
import { lintExposition, readExposition, samplesOf } from '../../support/exposition.ts'

const ORDERS: Assignment = { topic: 'orders', partition: 0, epoch: 1 }
const WALL_MS = 1_750_000_000_000
const BYTES = 100

const PARTITION: PartitionStatus = {
  topic: 'orders',
  partition: 0,
  epoch: 1,
  committed: 10,
  position: 20,
  highWatermark: 25,
  lagRecords: 15,
  lagSeconds: 2.5,
  buffered: 3,
  bufferedBytes: 300,
  inFlight: 2,
  oldestUnsettled: 10,
  paused: null,
  blockedBy: null,
}

let status: EngineStatus
let prom: Prometheus<Taken>

beforeEach(() => {
  status = engineStatus([])
  prom = prometheus({
    version: '1.2.3',
    group: 'g',
    handlers: [
      { name: 'order', topics: ['orders'] },
      { name: 'audit', topics: ['orders', 'users'] },
    ],
    status: () => status,
    dependencies: () => [
      { name: 'kafka', up: true, error: null },
      { name: 'database', up: false, error: 'refused' },
    ],
  })
})

function engineStatus(partitions: readonly PartitionStatus[]): EngineStatus {
  return {
    state: 'running',
    joined: true,
    standingStill: null,
    inFlight: 0,
    buffered: 0,
    bufferedBytes: 0,
    partitions,
    breakers: [],
    handlers: [],
  }
}

function record(
  offset: number,
  disposition: Disposition = { kind: 'handle', handler: 'order' },
  timestampMs = WALL_MS,
): Taken {
  return { offset, timestampMs, bytes: BYTES, lane: null, disposition }
}

function task(offset: number, more: Partial<Task> = {}): Task {
  return {
    assignment: ORDERS,
    record: record(offset),
    attempt: 1,
    takenAtMs: 0,
    startedAtMs: 0,
    firstFailedAtMs: null,
    ...more,
  }
}

function fetched(records: readonly Taken[], assignment = ORDERS): Fact {
  return {
    type: 'fetched',
    assignment,
    records,
    positionBefore: 0,
    positionAfter: 100,
    highWatermark: 100,
    leaderEpoch: 0,
  }
}

const at = (nowMs: number): Now => ({ nowMs, wallMs: WALL_MS + nowMs })
const hear = (nowMs: number, ...facts: Fact[]): void => prom.telemetry.heard(facts, [], at(nowMs))
const join = (nowMs = 0, ...assignments: Assignment[]): void =>
  hear(nowMs, { type: 'joined', assignments: assignments.length > 0 ? assignments : [ORDERS] })
const settled = (offset: number, outcome: 'acked' | 'duplicate' = 'acked', more: Partial<Task> = {}): Fact => ({
  type: 'settled',
  task: task(offset, more),
  outcome,
})
const committed = (nextOffset: number, assignment = ORDERS): Fact => ({
  type: 'committed',
  offsets: [{ assignment, nextOffset, metadata: '' }],
})
const failed = (failure: Failure): Fact => ({ type: 'failed', task: task(0), failure, error: 'x' })
const sample = async (series: string): Promise<number | undefined> => samplesOf(await prom.metrics()).get(series)
const stage = async (name: string, what: 'sum' | 'count'): Promise<number | undefined> =>
  sample(`sluice_stage_duration_seconds_${what}{stage="${name}",topic="orders"}`)

describe('the exposition', () => {
  test('has every metric of the contract with exactly its labels', async () => {
    status = engineStatus([PARTITION])
    const families = new Map(readExposition(await prom.metrics()).map(family => [family.name, family]))
    const ours = Object.fromEntries(
      [...families.values()]
        .filter(({ name }) => name.startsWith('sluice_'))
        .map(({ name, type, samples }) => [
          name,
          `${type} ${Object.keys(samples[0]?.labels ?? {})
            .filter(label => label !== 'le')
            .toSorted()
            .join(' ')}`.trim(),
        ]),
    )
    expect(ours).toEqual({
      sluice_lag_records: 'gauge partition topic',
      sluice_lag_seconds: 'gauge partition topic',
      sluice_stage_duration_seconds: 'histogram stage topic',
      sluice_fetch_duration_seconds: 'histogram',
      sluice_fetched_bytes_total: 'counter',
      sluice_records_total: 'counter handler outcome topic',
      sluice_attempts_total: 'counter handler outcome topic',
      sluice_dead_letters_total: 'counter handler reason topic',
      sluice_conflicting_duplicates_total: 'counter handler topic',
      sluice_commits_total: 'counter result',
      sluice_in_flight_records: 'gauge topic',
      sluice_buffered_records: 'gauge topic',
      sluice_buffered_bytes: 'gauge topic',
      sluice_assigned_partitions: 'gauge topic',
      sluice_partition_paused: 'gauge partition reason topic',
      sluice_rebalances_total: 'counter',
      sluice_rebalance_duration_seconds: 'histogram',
      sluice_redelivered_records_total: 'counter topic',
      sluice_missed_records_total: 'counter cause topic',
      sluice_dependency_up: 'gauge dependency',
      sluice_info: 'gauge group version',
    })
    expect([...families.keys()]).toEqual(
      expect.arrayContaining([
        'process_cpu_seconds_total',
        'nodejs_eventloop_lag_seconds',
        'nodejs_heap_size_used_bytes',
      ]),
    )
  })

  test('gives the linter nothing to find', async () => {
    status = engineStatus([PARTITION, { ...PARTITION, partition: 1, lagRecords: null, paused: 'budget' }])
    join()
    hear(5, fetched([record(1)]), settled(1), committed(2))
    const text = await prom.metrics()
    expect(lintExposition(text)).toEqual([])
    expect([...samplesOf(text)].filter(([name, value]) => name.startsWith('sluice_') && Number.isNaN(value))).toEqual(
      [],
    )
  })

  test('is what the linter would object to if it were wrong', () => {
    const wrong = [
      '# TYPE a_total gauge',
      'a_total 1',
      '# HELP b x',
      '# TYPE b counter',
      'b{x="1"} 1',
      'b{x="1"} 2',
      '# HELP c_ms x',
      '# TYPE c_ms gauge',
      'c_ms 1',
    ].join('\n')
    expect(lintExposition(wrong)).toEqual([
      'a_total: no help text',
      'a_total: non-counter metrics should not have "_total" suffix',
      'a_total: a suffix of counters or histograms',
      'b: counter metrics should have "_total" suffix',
      'b: the same series twice: b [["x","1"]]',
      'c_ms: use base units',
    ])
  })

  test('begins at 0 for every topic, handler, outcome and reason that is known beforehand', async () => {
    const text = samplesOf(await prom.metrics())
    const zeroes = [
      ['sluice_records_total', 2 * 2 + 3 * 3],
      ['sluice_attempts_total', 3 * 5],
      ['sluice_dead_letters_total', 5 * 12],
      ['sluice_missed_records_total', 2 * 3],
      ['sluice_commits_total', 4],
      ['sluice_in_flight_records', 2],
    ] as const
    for (const [name, count] of zeroes) {
      const series = [...text].filter(([key]) => key.startsWith(`${name}{`))
      expect([name, series.length, series.every(([, value]) => value === 0)]).toEqual([name, count, true])
    }
    expect(text.get('sluice_stage_duration_seconds_count{stage="decode",topic="users"}')).toBe(0)
  })

  test('is Prometheus text', () => {
    expect(prom.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
  })
})

describe('gauges are read from the engine at scrape time', () => {
  test('by partition and by topic', async () => {
    status = engineStatus([
      PARTITION,
      { ...PARTITION, partition: 1, lagRecords: null, lagSeconds: 0, paused: 'window' },
    ])
    const text = samplesOf(await prom.metrics())
    expect(text.get('sluice_lag_records{partition="0",topic="orders"}')).toBe(15)
    expect(text.has('sluice_lag_records{partition="1",topic="orders"}')).toBe(false)
    expect(text.get('sluice_lag_seconds{partition="0",topic="orders"}')).toBe(2.5)
    expect(text.get('sluice_in_flight_records{topic="orders"}')).toBe(4)
    expect(text.get('sluice_buffered_records{topic="orders"}')).toBe(6)
    expect(text.get('sluice_buffered_bytes{topic="orders"}')).toBe(600)
    expect(text.get('sluice_assigned_partitions{topic="orders"}')).toBe(2)
    expect(text.get('sluice_assigned_partitions{topic="users"}')).toBe(0)
    expect(text.get('sluice_partition_paused{partition="0",reason="window",topic="orders"}')).toBe(0)
    expect(text.get('sluice_partition_paused{partition="1",reason="window",topic="orders"}')).toBe(1)
    status = engineStatus([{ ...PARTITION, paused: 'source' }])
    const held = 'sluice_partition_paused{partition="0",reason="source",topic="orders"}'
    expect(samplesOf(await prom.metrics()).get(held)).toBe(1)
    status = engineStatus([])
    expect(samplesOf(await prom.metrics()).has('sluice_lag_seconds{partition="0",topic="orders"}')).toBe(false)
  })

  test('dependencies and what runs', async () => {
    expect(await sample('sluice_dependency_up{dependency="kafka"}')).toBe(1)
    expect(await sample('sluice_dependency_up{dependency="database"}')).toBe(0)
    expect(await sample('sluice_info{group="g",version="1.2.3"}')).toBe(1)
  })
})

describe('stages', () => {
  test('broker is from the timestamp to the fetch, decode as it was measured, queue until the handler starts', async () => {
    join()
    hear(200, fetched([record(0), record(1)]))
    prom.telemetry.decoded('orders', 0.5)
    prom.telemetry.heard([], [{ type: 'start', tasks: [task(0, { takenAtMs: 200 })] }], at(230))
    expect([await stage('broker', 'count'), await stage('broker', 'sum')]).toEqual([2, 0.4])
    expect([await stage('decode', 'count'), await stage('decode', 'sum')]).toEqual([1, 0.0005])
    expect([await stage('queue', 'count'), await stage('queue', 'sum')]).toEqual([1, 0.03])
  })

  test('a retry is not in the queue again', async () => {
    join()
    prom.telemetry.heard([], [{ type: 'start', tasks: [task(0, { attempt: 2, firstFailedAtMs: WALL_MS })] }], at(9_000))
    expect(await stage('queue', 'count')).toBe(0)
  })

  test('handle is from the start to the end of the last attempt, end to end from the timestamp', async () => {
    join()
    hear(250, settled(0, 'acked', { startedAtMs: 50 }))
    expect(await stage('handle', 'sum')).toBe(0.2)
    expect(await stage('end_to_end', 'sum')).toBe(0.25)
  })

  test('commit is from settled to the commit that covers it, and later ones wait for theirs', async () => {
    join()
    hear(100, settled(7))
    hear(200, settled(5))
    hear(1_000, committed(7))
    expect([await stage('commit', 'count'), await stage('commit', 'sum')]).toEqual([1, 0.8])
    hear(2_000, committed(8))
    expect([await stage('commit', 'count'), await stage('commit', 'sum')]).toEqual([2, 0.8 + 1.9])
    hear(3_000, committed(8))
    expect(await stage('commit', 'count')).toBe(2)
  })

  test('what waits for a commit is forgotten with its assignment', async () => {
    join()
    hear(100, settled(1))
    join(200, { ...ORDERS, epoch: 2 })
    hear(300, committed(10), committed(10, { ...ORDERS, epoch: 2 }))
    expect(await stage('commit', 'count')).toBe(0)
  })

  test('what waits for a commit that never comes is bounded', async () => {
    join()
    for (let offset = 0; offset < 100_010; offset++) hear(100, settled(offset))
    hear(200, committed(200_000))
    expect(await stage('commit', 'count')).toBe(100_000)
    hear(300, settled(200_000), committed(200_001))
    expect(await stage('commit', 'count')).toBe(100_001)
  })

  test('a kept assignment goes on through a join', async () => {
    join()
    hear(100, settled(1))
    join(200, ORDERS, { ...ORDERS, partition: 1, epoch: 2 })
    hear(300, committed(10))
    expect(await stage('commit', 'count')).toBe(1)
  })

  test('no duration is negative, and a record without a timestamp has no age', async () => {
    join()
    hear(0, fetched([record(0, undefined, WALL_MS + 60_000), record(1, undefined, -1)]))
    expect([await stage('broker', 'count'), await stage('broker', 'sum')]).toEqual([1, 0])
  })
})

describe('records', () => {
  test('are counted by how they were settled', async () => {
    join()
    hear(1, fetched([record(9, { kind: 'ignore' })]), settled(0), settled(1), settled(2, 'duplicate'))
    const framing = { kind: 'dead-letter', reason: 'framing', error: 'x', handler: null } as const
    hear(2, {
      type: 'deadLettered',
      sentences: [
        {
          task: task(3, { record: record(3, framing), startedAtMs: null }),
          reason: 'framing',
          error: 'x',
          attempts: 0,
          handler: null,
        },
        { task: task(4), reason: 'rejected', error: 'x', attempts: 1, handler: 'order' },
      ],
    })
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(2)
    expect(await sample('sluice_records_total{handler="order",outcome="duplicate",topic="orders"}')).toBe(1)
    expect(await sample('sluice_records_total{handler="none",outcome="ignored",topic="orders"}')).toBe(1)
    expect(await sample('sluice_records_total{handler="none",outcome="dead_lettered",topic="orders"}')).toBe(1)
    expect(await sample('sluice_records_total{handler="order",outcome="dead_lettered",topic="orders"}')).toBe(1)
    expect(await sample('sluice_dead_letters_total{handler="none",reason="framing",topic="orders"}')).toBe(1)
    expect(await sample('sluice_dead_letters_total{handler="order",reason="rejected",topic="orders"}')).toBe(1)
    expect(await stage('handle', 'count')).toBe(4)
    expect(await stage('end_to_end', 'count')).toBe(6)
  })

  test('of an assignment that is gone are not settled, though the attempt was one and the dead letter is written', async () => {
    join()
    hear(1, { type: 'lost' })
    hear(2, settled(0), fetched([record(1, { kind: 'ignore' })]), {
      type: 'deadLettered',
      sentences: [{ task: task(4), reason: 'rejected', error: 'x', attempts: 1, handler: 'order' }],
    })
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(0)
    expect(await sample('sluice_records_total{handler="none",outcome="ignored",topic="orders"}')).toBe(0)
    expect(await sample('sluice_records_total{handler="order",outcome="dead_lettered",topic="orders"}')).toBe(0)
    expect(await sample('sluice_attempts_total{handler="order",outcome="acked",topic="orders"}')).toBe(1)
    expect(await sample('sluice_dead_letters_total{handler="order",reason="rejected",topic="orders"}')).toBe(1)
  })

  test('that an assignment before this one has settled are counted as redelivered, and as nothing else', async () => {
    join()
    hear(1, fetched([record(0, { kind: 'completed' }), record(1, { kind: 'completed' }), record(2)]))
    hear(2, fetched([record(3, { kind: 'completed' })], { ...ORDERS, epoch: 99 }))
    expect(await sample('sluice_redelivered_records_total{topic="orders"}')).toBe(2)
    expect([await stage('broker', 'count'), await stage('end_to_end', 'count')]).toEqual([1, 0])
    hear(3, committed(10))
    expect(await stage('commit', 'count'), 'they were committed before').toBe(0)
    const counted = [...samplesOf(await prom.metrics())].filter(([key]) => key.startsWith('sluice_records_total'))
    expect(counted.every(([, value]) => value === 0)).toBe(true)
  })

  test('that settle during a hand-over count until the partition is revoked, whatever is joined meanwhile', async () => {
    const other = { ...ORDERS, partition: 1, epoch: 2 }
    join(0, ORDERS, other)
    hear(1, { type: 'revoking', assignments: [ORDERS] })
    join(2, other)
    hear(3, settled(0))
    join(4, other)
    hear(5, settled(1), committed(2))
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(2)
    expect(await stage('commit', 'count')).toBe(2)
    hear(6, { type: 'revoked', assignments: [ORDERS] }, settled(2), committed(3))
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(2)
    expect(await stage('commit', 'count')).toBe(2)
  })

  test('of a partition that was given back, and then is not named, are not settled', async () => {
    join()
    hear(1, { type: 'revoking', assignments: [ORDERS] })
    join(2)
    join(3, { ...ORDERS, partition: 1, epoch: 2 })
    hear(4, settled(0))
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(0)
  })

  test('of a log that is another one are settled under its new epoch only', async () => {
    join()
    const renewed = { ...ORDERS, epoch: 2 }
    hear(1, { type: 'revoked', assignments: [ORDERS] }, { type: 'assigned', assignments: [renewed] })
    hear(2, settled(0), settled(0, 'acked', { assignment: renewed }))
    expect(await sample('sluice_records_total{handler="order",outcome="acked",topic="orders"}')).toBe(1)
  })

  test('that were seen before, or say another thing than before, are counted', async () => {
    prom.telemetry.duplicate({ topic: 'orders', handler: 'order' }, { redelivered: true, conflicting: false })
    prom.telemetry.duplicate({ topic: 'orders', handler: 'order' }, { redelivered: false, conflicting: true })
    expect(await sample('sluice_redelivered_records_total{topic="orders"}')).toBe(1)
    expect(await sample('sluice_conflicting_duplicates_total{handler="order",topic="orders"}')).toBe(1)
  })

  test('that the log no longer had are counted by why', async () => {
    prom.telemetry.missed({ topic: 'orders', partition: 0, from: 10, to: 25, cause: 'retention' })
    expect(await sample('sluice_missed_records_total{cause="retention",topic="orders"}')).toBe(15)
  })
})

test.each<readonly [outcome: string, failure: Failure]>([
  ['rejected', { kind: 'record', reason: 'rejected' }],
  ['failed', { kind: 'record', reason: 'invalid-data' }],
  ['failed', { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }],
  ['timed_out', { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }],
  ['held', { kind: 'outage', dependency: 'database' }],
  ['held', { kind: 'ours' }],
  ['held', { kind: 'waiting' }],
  ['held', { kind: 'aborted' }],
])('an attempt is %s after %j', async (outcome, failure) => {
  join()
  hear(1, failed(failure))
  const text = samplesOf(await prom.metrics())
  const counted = [...text].filter(([key, value]) => key.startsWith('sluice_attempts_total') && value > 0)
  expect(counted).toEqual([[`sluice_attempts_total{handler="order",outcome="${outcome}",topic="orders"}`, 1]])
})

describe('the group', () => {
  test('commits are counted by result', async () => {
    join()
    hear(1, committed(1), { type: 'commitFailed', error: 'x', cause: 'fenced' })
    expect(await sample('sluice_commits_total{result="ok"}')).toBe(1)
    expect(await sample('sluice_commits_total{result="fenced"}')).toBe(1)
  })

  test('rebalances are measured from leaving off to the join; the first join follows nothing', async () => {
    join(5_000)
    hear(6_000, { type: 'revoking', assignments: [ORDERS] })
    hear(6_500, { type: 'revoking', assignments: [ORDERS] })
    join(8_000)
    expect(await sample('sluice_rebalances_total{}')).toBe(2)
    expect(await sample('sluice_rebalance_duration_seconds_count{}')).toBe(1)
    expect(await sample('sluice_rebalance_duration_seconds_sum{}')).toBe(2)
    hear(9_000, { type: 'lost' })
    join(9_500)
    join(20_000)
    expect(await sample('sluice_rebalance_duration_seconds_sum{}')).toBe(2.5)
  })

  test('a rebalance that takes partitions away lasts until the join after they were handed over', async () => {
    const other = { ...ORDERS, partition: 1, epoch: 2 }
    join(0, ORDERS, other)
    hear(1_000, { type: 'revoking', assignments: [ORDERS] })
    join(1_000, other)
    expect(await sample('sluice_rebalance_duration_seconds_count{}')).toBe(0)
    hear(2_500, { type: 'revoked', assignments: [ORDERS] })
    join(4_000, other)
    expect(await sample('sluice_rebalances_total{}')).toBe(3)
    expect(await sample('sluice_rebalance_duration_seconds_sum{}')).toBe(3)
  })

  test('fetches are measured', async () => {
    prom.telemetry.fetchDone({ durationMs: 100, bytes: 4_096 })
    expect(await sample('sluice_fetched_bytes_total{}')).toBe(4_096)
    expect(await sample('sluice_fetch_duration_seconds_sum{}')).toBe(0.1)
  })
})

describe('a histogram', () => {
  test('counts at or below each bound; what lies above all of them too', () => {
    const histogram = new Histogram()
    for (const ms of [0, 1, 1.0001, 600_000, 600_001, -5]) histogram.observeMs(ms)
    const cumulative = histogram.cumulative()
    expect([cumulative[0], cumulative[1], cumulative.at(-2), cumulative.at(-1)]).toEqual([3, 4, 5, 6])
    expect(histogram.sumSeconds).toBeCloseTo(1_200.0030001)
  })

  test('is written with its bounds in seconds', async () => {
    prom.telemetry.decoded('orders', 2)
    expect(await sample('sluice_stage_duration_seconds_bucket{le="0.001",stage="decode",topic="orders"}')).toBe(0)
    expect(await sample('sluice_stage_duration_seconds_bucket{le="0.0025",stage="decode",topic="orders"}')).toBe(1)
    expect(await sample('sluice_stage_duration_seconds_bucket{le="+Inf",stage="decode",topic="orders"}')).toBe(1)
  })
})
