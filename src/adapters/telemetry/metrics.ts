/** Every metric of ours, once: its name, what it says, its labels, and where its numbers are. */

import type { DependencyStatus } from '../../consumer/ports.ts'
import type { EngineStatus, PartitionStatus } from '../../core/status.ts'
import { BUCKETS_SECONDS, type Histogram } from './histogram.ts'
import { type HandlerNumbers, NO_HANDLER, type Numbers, type TopicNumbers } from './numbers.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** Where it differs from the metric's: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string
}

/** What a scrape reads: the numbers as they are, and one look at the engine. */
export interface Snapshot {
  readonly numbers: Numbers
  readonly status: EngineStatus
  readonly dependencies: readonly DependencyStatus[]
  readonly info: { readonly version: string; readonly group: string }
}

export interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly read: (snapshot: Snapshot) => readonly Sample[]
}

/** A record, so that a reason which is added does not compile until it is listed here. */
const PAUSES = { budget: 0, window: 0, intake: 0, source: 0, stopping: 0 } satisfies Record<
  NonNullable<PartitionStatus['paused']>,
  number
>

const fromPartitions: readonly Metric[] = [
  gauge(
    'sluice_lag_records',
    'High watermark minus committed offset.',
    perPartition(({ lagRecords }) => lagRecords),
  ),
  gauge(
    'sluice_lag_seconds',
    'Now minus the timestamp of the oldest unsettled record, in hand or still in the log; 0 when there is none.',
    perPartition(({ lagSeconds }) => lagSeconds),
  ),
  gauge(
    'sluice_in_flight_records',
    'Records in handlers.',
    perTopic(({ inFlight }) => inFlight),
  ),
  gauge(
    'sluice_buffered_records',
    'Records fetched and not started.',
    perTopic(({ buffered }) => buffered),
  ),
  gauge(
    'sluice_buffered_bytes',
    'Bytes that the records in hand pin in memory.',
    perTopic(({ bufferedBytes }) => bufferedBytes),
  ),
  gauge(
    'sluice_assigned_partitions',
    'Partitions that this process owns.',
    perTopic(() => 1),
  ),
  gauge(
    'sluice_partition_paused',
    '1 while fetching from the partition is paused for this reason; source: its log can not be read on.',
    ({ status }) =>
      status.partitions.flatMap(({ topic, partition, paused }) =>
        Object.keys(PAUSES).map(reason => ({ labels: { topic, partition, reason }, value: paused === reason ? 1 : 0 })),
      ),
  ),
]

const fromRecords: readonly Metric[] = [
  histogram(
    'sluice_stage_duration_seconds',
    'How long records spend in each stage: broker (record timestamp to fetched), decode (bytes to value), queue (taken to handler starts), handle (starts to settled), commit (settled to committed), end_to_end (record timestamp to settled).',
    ({ numbers }) =>
      eachTopic(numbers, (topic, { stages }) =>
        Object.entries(stages).map(([stage, durations]) => [{ topic, stage }, durations] as const),
      ),
  ),
  counter(
    'sluice_records_total',
    'Records settled, by how. The handler is "none" where none has seen the record.',
    ({ numbers }) =>
      eachHandler(numbers, ({ topic, handler, of }) =>
        Object.entries(of.records)
          .filter(([outcome]) => outcome === 'dead_lettered' || (outcome === 'ignored') === (handler === NO_HANDLER))
          .map(([outcome, value]) => ({ labels: { topic, handler, outcome }, value })),
      ),
  ),
  counter(
    'sluice_attempts_total',
    'Tries of handlers, by how they ended. Held: no attempt was spent (an outage, a fault of ours, a wait for others).',
    ({ numbers }) =>
      eachHandler(numbers, ({ topic, handler, of }) =>
        handler === NO_HANDLER
          ? []
          : Object.entries(of.attempts).map(([outcome, value]) => ({ labels: { topic, handler, outcome }, value })),
      ),
  ),
  counter('sluice_dead_letters_total', 'Records that the dead letter topic has taken, by reason.', ({ numbers }) =>
    eachHandler(numbers, ({ topic, handler, of }) =>
      Object.entries(of.deadLetters).map(([reason, value]) => ({ labels: { topic, handler, reason }, value })),
    ),
  ),
  counter(
    'sluice_conflicting_duplicates_total',
    'Records with the idempotency key of an earlier one and another payload; the first one won.',
    ({ numbers }) =>
      eachHandler(numbers, ({ topic, handler, of }) =>
        handler === NO_HANDLER ? [] : [{ labels: { topic, handler }, value: of.conflictingDuplicates }],
      ),
  ),
  counter('sluice_redelivered_records_total', 'Records delivered again after they had been settled.', ({ numbers }) =>
    eachTopic(numbers, (topic, { redelivered }) => [{ labels: { topic }, value: redelivered }]),
  ),
  counter(
    'sluice_missed_records_total',
    'Offsets that were skipped because the log no longer had them.',
    ({ numbers }) =>
      eachTopic(numbers, (topic, { missed }) =>
        Object.entries(missed).map(([cause, value]) => ({ labels: { topic, cause }, value })),
      ),
  ),
]

const fromProcess: readonly Metric[] = [
  histogram(
    'sluice_fetch_duration_seconds',
    'How long fetch requests take at the network and the broker.',
    ({ numbers }) => [[{}, numbers.fetchDuration]],
  ),
  counter('sluice_fetched_bytes_total', 'Bytes that fetch requests have brought.', ({ numbers }) => [
    { labels: {}, value: numbers.fetchedBytes },
  ]),
  counter('sluice_commits_total', 'Commits, by result: ok, or why the broker did not take it.', ({ numbers }) =>
    Object.entries(numbers.commits).map(([result, value]) => ({ labels: { result }, value })),
  ),
  counter('sluice_rebalances_total', 'Joins of the group that ended.', ({ numbers }) => [
    { labels: {}, value: numbers.rebalances },
  ]),
  histogram(
    'sluice_rebalance_duration_seconds',
    'From leaving off for a rebalance, or the loss of the membership, to the next join.',
    ({ numbers }) => [[{}, numbers.rebalanceDuration]],
  ),
  gauge('sluice_dependency_up', '1 while the dependency answers.', ({ dependencies }) =>
    dependencies.map(({ name, up }) => ({ labels: { dependency: name }, value: up ? 1 : 0 })),
  ),
  gauge('sluice_info', 'Always 1: which version runs, in which group.', ({ info }) => [
    { labels: { ...info }, value: 1 },
  ]),
]

export const METRICS: readonly Metric[] = [...fromPartitions, ...fromRecords, ...fromProcess]

function gauge(name: string, help: string, read: Metric['read']): Metric {
  return { name, type: 'gauge', help, read }
}

function counter(name: string, help: string, read: Metric['read']): Metric {
  return { name, type: 'counter', help, read }
}

function histogram(
  name: string,
  help: string,
  each: (snapshot: Snapshot) => readonly (readonly [labels: Sample['labels'], durations: Histogram])[],
): Metric {
  return {
    name,
    type: 'histogram',
    help,
    read: snapshot => each(snapshot).flatMap(([labels, durations]) => samplesOf(name, labels, durations)),
  }
}

function samplesOf(name: string, labels: Sample['labels'], durations: Histogram): Sample[] {
  const cumulative = durations.cumulative()
  const buckets = cumulative.map((value, index) => ({
    metricName: `${name}_bucket`,
    labels: { le: BUCKETS_SECONDS[index] ?? '+Inf', ...labels },
    value,
  }))
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: durations.sumSeconds },
    { metricName: `${name}_count`, labels, value: cumulative.at(-1) ?? 0 },
  ]
}

/** Left out where it is not known: a lag of 0 would be a lie. */
function perPartition(value: (partition: PartitionStatus) => number | null): Metric['read'] {
  return ({ status }) =>
    status.partitions.flatMap(each => {
      const found = value(each)
      return found === null ? [] : [{ labels: { topic: each.topic, partition: each.partition }, value: found }]
    })
}

/** Sums; 0 for a topic of ours of which no partition is assigned. */
function perTopic(value: (partition: PartitionStatus) => number): Metric['read'] {
  return ({ status, numbers }) => {
    const sums = new Map([...numbers.topics.keys()].map(topic => [topic, 0]))
    for (const each of status.partitions) sums.set(each.topic, (sums.get(each.topic) ?? 0) + value(each))
    return [...sums].map(([topic, sum]) => ({ labels: { topic }, value: sum }))
  }
}

function eachTopic<Item>(numbers: Numbers, items: (topic: string, of: TopicNumbers) => readonly Item[]): Item[] {
  return [...numbers.topics].flatMap(([topic, of]) => items(topic, of))
}

function eachHandler(
  numbers: Numbers,
  samples: (each: { topic: string; handler: string; of: HandlerNumbers }) => readonly Sample[],
): Sample[] {
  return eachTopic(numbers, (topic, { handlers }) =>
    [...handlers].flatMap(([handler, of]) => samples({ topic, handler, of })),
  )
}
