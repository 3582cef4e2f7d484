import { collectDefaultMetrics, type Metric as PromMetric, Registry } from 'prom-client'
import type { DependencyStatus, Telemetry } from '../../consumer/ports.ts'
import type { Taken } from '../../core/record.ts'
import type { EngineStatus } from '../../core/status.ts'
import { METRICS, type Snapshot } from './metrics.ts'
import { type HandlerOfTopics, Numbers } from './numbers.ts'
import { Recorder } from './recorder.ts'

export interface PrometheusOptions {
  readonly version: string
  readonly group: string
  readonly handlers: readonly HandlerOfTopics[]
  /** Asked at every scrape. */
  readonly status: () => EngineStatus
  readonly dependencies: () => readonly DependencyStatus[]
}

export interface Prometheus<R extends Taken> {
  readonly telemetry: Telemetry<R>
  metrics(): Promise<string>
  readonly contentType: string
}

/** Gauges whose names end in `_total`, which is for counters: `promtool check metrics` refuses them. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/**
 * Prom-client keeps the registry, writes the text and measures the process; our numbers are read by it at scrape time. Its
 * own counters hash a label object for every increase, which costs more than all else that is done for a record here.
 */
export function prometheus<R extends Taken>(options: PrometheusOptions): Prometheus<R> {
  const { version, group } = options
  const numbers = new Numbers(options.handlers)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)

  const look = (): Snapshot => ({
    numbers,
    status: options.status(),
    dependencies: options.dependencies(),
    info: { version, group },
  })
  let snapshot: Snapshot | null = null
  for (const { name, type, help, read } of METRICS) {
    const get = (): object => ({ name, type, help, values: read((snapshot ??= look())) })
    // Boundary: of a metric the registry calls `get` and reads the name, and nothing else.
    registry.registerMetric({ name, get } as unknown as PromMetric)
  }

  return {
    telemetry: new Recorder<R>(numbers),
    metrics() {
      // One look for all metrics of a scrape, so that they agree with each other.
      snapshot = look()
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
}
