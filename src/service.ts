/**
 * The composition root: configuration → adapters → consumer → HTTP, in the order of starting, and the other way round at the
 * stop. The only file that knows everyone. It is also what a program of one's own imports.
 */
import { systemClock } from './adapters/clock/clock.ts'
import { httpServer } from './adapters/http/server.ts'
import { pinoLog } from './adapters/telemetry/log.ts'
import { prometheus } from './adapters/telemetry/prometheus.ts'
import { type Config, type Environment, environment, parseConfig } from './config.ts'
import { Consumer } from './consumer/consumer.ts'
import { describe, InvalidConfiguration, Misconfigured } from './consumer/errors.ts'
import type { Handler } from './consumer/handler.ts'
import { dependenciesOf, inspectionOf } from './consumer/inspection.ts'
import type { Clock, Log } from './consumer/ports.ts'
import { problemsOf, Routes, type TopicOptions } from './consumer/routes.ts'
import { Startup, type Step } from './consumer/startup.ts'
import { type Outside, outsideOf } from './outside.ts'
import { refuseToStart, superviseProcess } from './process.ts'
import { version } from './version.ts'

export type * from './consumer/handler.ts'
export { defineHandler, exponential, Reject, Unavailable } from './consumer/handler.ts'

export interface ServiceOptions {
  readonly handlers: readonly Handler[]
  /** What is set per topic. */
  readonly topics?: Readonly<Record<string, TopicOptions>>
  /** Default: the environment of the process. */
  readonly env?: Environment
  /** A folder of SQL files for the handlers' own tables: applied after the inbox's, each once, in the order of their names. */
  readonly migrations?: URL
  /** Default true: signals stop the service, and the exit code says how it ended. */
  readonly ownProcess?: boolean
}

export interface StopReport {
  /** A signal's name, or `stop` for a call. */
  readonly reason: string
  /** Records whose handlers had not ended in time; they are not committed. */
  readonly unfinished: number
  /** Whether everything that settled is committed. */
  readonly committed: boolean
}

export interface RunningService {
  /** Drains, commits, leaves, closes. A second call returns the first's promise. */
  stop(): Promise<StopReport>
  /** Where health, metrics and status are served. */
  readonly url: string
}

/**
 * Resolves when the service consumes, however long what it depends on takes to answer. Wrong configuration or handlers: every
 * problem is said, and the process ends with exit code 78, or, with `ownProcess: false`, it rejects with `InvalidConfiguration`.
 * A client that can not go on before it has consumed anything (brokers too old) rejects too. Then nothing of it is left open.
 */
export async function runService(options: ServiceOptions): Promise<RunningService> {
  const ownsProcess = options.ownProcess ?? true
  let service: Service | null = null
  try {
    service = new Service(options)
    if (ownsProcess) superviseProcess(service)
    await service.start()
    return service
  } catch (error) {
    if (ownsProcess) refuseToStart(error, pinoLog({ level: 'info' }))
    // The process goes on without us: nothing of ours is left open in it.
    await service?.stop('the start failed')
    throw error
  }
}

/** What is kept of the drain timeout for leaving the group and closing connections. A guess, never tuned. */
const CLOSING_SHARE = 0.15

class Service implements RunningService {
  readonly log: Log
  readonly drainTimeoutMs: number
  readonly #clock: Clock
  readonly #consumer: Consumer
  readonly #startup: Startup
  readonly #steps: readonly Step[]
  readonly #http: ReturnType<typeof httpServer>
  readonly #outside: Outside
  #url = ''
  #stopping: Promise<StopReport> | null = null
  #hasStopped = false

  constructor({ handlers, topics = {}, env = environment(), migrations }: ServiceOptions) {
    const config = checkedConfig(handlers, topics, env)
    const log = pinoLog({ level: config.logLevel })
    const clock = systemClock()
    const random = Math.random
    const routes = new Routes(handlers, topics)
    const outside = outsideOf(config, { env, routes, migrations, log, clock })
    const names = { version: version(), group: config.kafkaGroupId }
    const metrics = prometheus({
      ...names,
      handlers: routes.handlers,
      status: () => this.#consumer.status(),
      dependencies: () => dependenciesOf({ consumer: this.#consumer, startup: this.#startup }),
    })
    this.log = log
    this.drainTimeoutMs = config.drainTimeoutMs
    this.#clock = clock
    this.#outside = outside
    this.#steps = stepsOf(outside)
    this.#startup = new Startup([...new Set(this.#steps.map(({ dependency }) => dependency))], { clock, random, log })
    this.#consumer = new Consumer(
      {
        routes,
        inFlightMax: config.inFlightMax,
        budget: { recordsMax: config.bufferRecordsMax, bytesMax: config.bufferBytesMax },
        windowMax: config.partitionWindowMax,
        commitIntervalMs: config.commitIntervalMs,
        sessionTimeoutMs: config.kafkaSessionTimeoutMs,
      },
      { ...outside, clock, random, log, telemetry: metrics.telemetry },
    )
    this.#http = httpServer({
      host: config.httpHost,
      port: config.httpPort,
      inspection: inspectionOf({ consumer: this.#consumer, startup: this.#startup, ...names }),
      metrics: async () => ({ body: await metrics.metrics(), contentType: metrics.contentType }),
      log,
    })
  }

  get url(): string {
    return this.#url
  }

  get failed(): Promise<string> {
    return this.#consumer.failed
  }

  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** Live from the first moment, ready when everything has answered and the group is joined. */
  async start(): Promise<void> {
    this.#url = await this.#http.start()
    this.log.info({ url: this.#url, version: version() }, 'started; waiting for what the service depends on')
    if (!(await this.#startup.run(this.#steps))) return
    await this.#consumer.start()
    const why = await Promise.race([this.#consumer.joined, this.#consumer.failed])
    if (typeof why === 'string') throw new Misconfigured(why)
  }

  stop(reason = 'stop'): Promise<StopReport> {
    this.#stopping ??= this.#stop(reason)
    return this.#stopping
  }

  async #stop(reason: string): Promise<StopReport> {
    this.#startup.stop()
    const drained = await this.#consumer.drain(this.#clock.nowMs() + this.drainTimeoutMs * (1 - CLOSING_SHARE))
    const { source, deadLetters, unitOfWork } = this.#outside
    const closings: [name: string, stop: () => Promise<void>][] = [
      ['the group', () => source.stop()],
      ['the dead letter producer', () => deadLetters.stop()],
      ['the database pool', () => unitOfWork?.stop() ?? Promise.resolve()],
      ['the HTTP server', () => this.#http.stop()],
    ]
    for (const [name, stop] of closings) {
      try {
        await stop()
      } catch (error) {
        // The work is done and committed: what does not close ends with the process.
        this.log.warn({ error: describe(error) }, `${name} did not close cleanly`)
      }
    }
    this.#hasStopped = true
    this.log.info({ reason, ...drained }, 'stopped')
    return { reason, ...drained }
  }
}

function checkedConfig(
  handlers: readonly Handler[],
  topics: Readonly<Record<string, TopicOptions>>,
  env: Environment,
): Config {
  const problems = problemsOf(handlers, topics)
  const needs = handlers.map(({ name, timeoutMs, idempotencyKey, topics }) => ({
    name,
    timeoutMs,
    needsDatabase: idempotencyKey !== null,
    topics,
  }))
  let config: Config | null = null
  try {
    config = parseConfig(env, { handlers: needs })
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error
    problems.push(...error.problems)
  }
  if (config === null || problems.length > 0) throw new InvalidConfiguration(problems)
  return config
}

/** What has to answer before anything is consumed, in this order. The source itself waits for its brokers and topics. */
function stepsOf({ decoder, deadLetters, unitOfWork }: Outside): Step[] {
  const database = unitOfWork === null ? [] : [{ dependency: 'database', run: () => unitOfWork.start() }]
  return [
    ...database,
    { dependency: 'registry', run: () => decoder.ping() },
    { dependency: 'kafka', run: () => deadLetters.start() },
  ]
}
