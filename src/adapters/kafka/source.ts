/**
 * The Kafka source: kafkajs fetches, keeps the membership and carries commits; what is ours, since when and up to where is
 * kept here. A consumer that ends by itself is replaced by a new one; the listener sees `lost`, then `joined` with new epochs.
 */
import type { Broker } from 'kafkajs'
import { describe, Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Assignment, CommitResult, OffsetToCommit, RecordSource, SourceListener } from '../../consumer/ports.ts'
import { Questions } from './admin.ts'
import { Consuming } from './consuming.ts'
import { type Fault, faultOf, protocolErrorOf, refusalOf } from './faults.ts'
import { startAtTheEnd } from './latest.ts'
import { unseenTopics } from './offsets.ts'
import type { KafkaSourceOptions } from './options.ts'
import { consumingRefused, readingRefused } from './permissions.ts'
import { Run } from './run.ts'
import { backoff, LATE, rest, within } from './time.ts'
import { missingText, Voice } from './voice.ts'

export function kafkaSource(options: KafkaSourceOptions): RecordSource {
  return new KafkaSource(options)
}

const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 5_000
/** What somebody has to change first is asked for less often. */
const RETRY_MS_MAX_OURS = 30_000
/** A consumer that lived this long had no lasting trouble: the next trouble begins with short waits again. */
const HEALTHY_MS = 60_000
const COORDINATOR_TIMEOUT_MS = 5_000
const STOP_TIMEOUT_MS = 10_000

class KafkaSource implements RecordSource {
  readonly #options: KafkaSourceOptions
  readonly #questions: Questions
  readonly #stop = new AbortController()
  #consuming: Consuming | null = null
  #serving: Promise<unknown> = Promise.resolve()
  #stopped: Promise<void> | null = null

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#questions = new Questions(options)
  }

  async start(listener: SourceListener): Promise<void> {
    if (this.#stop.signal.aborted) throw stoppedError()
    const consuming = new Consuming({
      options: this.#options,
      questions: this.#questions,
      voice: new Voice(listener),
    })
    this.#consuming = consuming
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#serving = Promise.all([this.#serve(consuming, { resolve, reject }), consuming.watchOffsets()])
    return await promise
  }

  pause(assignments: readonly Assignment[]): void {
    this.#consuming?.pause(assignments)
  }

  resume(assignments: readonly Assignment[]): void {
    this.#consuming?.resume(assignments)
  }

  async commit(offsets: readonly OffsetToCommit[]): Promise<CommitResult> {
    return this.#consuming === null ? { ok: true } : await this.#consuming.commit(offsets)
  }

  rejoin(why: string): void {
    this.#consuming?.rejoin(why)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#shutDown()
    return this.#stopped
  }

  get alive(): boolean {
    return this.#consuming?.alive ?? true
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort()
    await this.#consuming?.stop()
    await this.#questions.close()
    await within(this.#options.clock, STOP_TIMEOUT_MS, this.#serving)
  }

  /** One consumer after the other, until it is stopped or nothing but a restart helps. Never rejects. */
  async #serve(consuming: Consuming, started: { resolve(): void; reject(error: Error): void }): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stop
    let nextWaitMs = backoff(RETRY_MS_MIN, RETRY_MS_MAX_OURS)
    while (!signal.aborted) {
      await this.#topicsExist(consuming)
      if (signal.aborted) break
      const beganAtMs = clock.nowMs()
      const error = await this.#live(consuming, () => started.resolve())
      if (signal.aborted) break
      const fault = faultOf(error)
      if (fault === 'fatal') {
        const final =
          error instanceof Misconfigured
            ? error
            : new Misconfigured(`the consumer cannot go on: ${describe(error)}`, { cause: error })
        log.error(
          { error: describe(error) },
          'the Kafka client cannot go on without a change of configuration or version',
        )
        consuming.fail(final)
        started.reject(final)
        return
      }
      if (clock.nowMs() - beganAtMs >= HEALTHY_MS) nextWaitMs = backoff(RETRY_MS_MIN, RETRY_MS_MAX_OURS)
      const waitMs = Math.min(nextWaitMs(), retryMsMax(fault))
      const why = this.#reasonOf(error, fault)
      log.error({ error: describe(error), retryInMs: waitMs }, `the consumer ended: ${why}`)
      consuming.voice.waiting('start', why)
      await rest(clock, waitMs, signal)
    }
    started.reject(stoppedError())
  }

  /** Answers how it ended. */
  async #live(consuming: Consuming, joined: () => void): Promise<unknown> {
    const { startFrom } = this.#options
    const { signal } = this.#stop
    const run = new Run(this.#options, consuming.events)
    consuming.begins(run)
    try {
      const stopped = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      await Promise.race([run.connect(), stopped])
      if (signal.aborted) return null
      if (startFrom === 'latest')
        await startAtTheEnd({
          options: this.#options,
          questions: this.#questions,
          signal,
          coordinator: () => this.#coordinatorOf(run),
        })
      if (signal.aborted) return null
      await Promise.race([run.consume(), run.crashed, stopped])
      if (consuming.hasJoined) {
        joined()
        consuming.voice.waiting('start', null)
      }
      return await Promise.race([run.crashed, stopped])
    } catch (error) {
      return error
    } finally {
      if (!signal.aborted) await consuming.ended('the Kafka client started over')
    }
  }

  async #coordinatorOf(run: Run): Promise<Broker> {
    const answer = await within(this.#options.clock, COORDINATOR_TIMEOUT_MS, run.coordinator())
    if (answer === LATE) throw new Unavailable('kafka', 'the coordinator was not found in time')
    return answer
  }

  /** One line a try, with a capped wait between. */
  async #topicsExist(consuming: Consuming): Promise<void> {
    const { clock, log, topics } = this.#options
    const { signal } = this.#stop
    const nextWaitMs = backoff(RETRY_MS_MIN, RETRY_MS_MAX_OURS)
    while (!signal.aborted) {
      let why: string
      let waitMsMax = RETRY_MS_MAX
      try {
        const { missing, forbidden } = await this.#questions.ask(admin => unseenTopics(admin, topics))
        if (missing.length === 0 && forbidden.length === 0) return
        why = forbidden.length === 0 ? missingText(missing) : readingRefused(forbidden)
        if (forbidden.length > 0) waitMsMax = RETRY_MS_MAX_OURS
      } catch (error) {
        if (signal.aborted) return
        const fault = faultOf(error)
        why = this.#reasonOf(error, fault)
        waitMsMax = retryMsMax(fault)
      }
      const waitMs = Math.min(nextWaitMs(), waitMsMax)
      log.warn({ retryInMs: waitMs }, `waiting: ${why}`)
      consuming.voice.waiting('start', why)
      await rest(clock, waitMs, signal)
    }
  }

  #reasonOf(error: unknown, fault: Fault): string {
    switch (fault) {
      case 'unreachable':
        return protocolErrorOf(error) === null
          ? `no broker answers at ${this.#options.brokers.join(', ')} (${describe(error)})`
          : `the brokers are not ready (${describe(error)})`
      case 'credentials':
        return refusalOf(error)
      case 'permission':
        return consumingRefused(error, this.#options)
      case 'missing-topic':
        return `one of the topics ${this.#options.topics.join(', ')} does not exist`
      case 'client':
      case 'fatal':
        return `the Kafka client stumbled (${describe(error)})`
      default:
        return fault satisfies never
    }
  }
}

function retryMsMax(fault: Fault): number {
  switch (fault) {
    case 'unreachable':
    case 'missing-topic':
      return RETRY_MS_MAX
    case 'credentials':
    case 'permission':
    case 'client':
    case 'fatal':
      return RETRY_MS_MAX_OURS
    default:
      return fault satisfies never
  }
}

function stoppedError(): Unavailable {
  return new Unavailable('kafka', 'the source was stopped')
}
