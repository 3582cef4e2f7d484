/** Handlers that do what their record's steps say, and tell the checker. */
import { MemoryFailure } from '../../../src/adapters/memory/inbox.ts'
import { NobodyWaits } from '../../../src/consumer/attempt.ts'
import { ClaimBusy, ClaimLost, CommitUnknown, Reject, Unavailable } from '../../../src/consumer/errors.ts'
import {
  type ConsumedRecord,
  defineHandler,
  type Handler,
  type HandlerContext,
  type Schema,
} from '../../../src/consumer/handler.ts'
import type { Clock } from '../../../src/consumer/ports.ts'
import type { Checker } from './checker.ts'
import { ended, returned, started } from './handling.ts'
import type { Setting } from './scenario.ts'
import type { Observed, Run, Spending, WatchedUnit } from './tenure.ts'
import type { Step } from './vocabulary.ts'

/** What a record's value holds. */
interface Thing {
  readonly id: string
  readonly number: number
}

/** What handlers depend on beside the database. */
export interface Outside {
  paymentsDown: boolean
  tableMissing: boolean
}

export interface HandlerWorld {
  readonly setting: Setting
  readonly checker: Checker
  readonly observed: Observed
  readonly clock: Clock
  readonly outside: Outside
}

export const SCHEMA_IDS: Readonly<Record<string, number>> = { main: 1, side: 2, plain: 3 }

export function schemaOf(handler: string): Schema<Thing> {
  return { name: `simulated.${handler}`, avro: {} }
}

export function handlersOf(world: HandlerWorld): Handler[] {
  const { attemptsMax, retryMs, handlerTimeoutMs: timeoutMs, concurrencyMax, topics } = world.setting
  const retry = { ...retryMs, attemptsMax }
  const once = { topic: 'a', retry, timeoutMs, idempotencyKey: ({ value }: ConsumedRecord<Thing>) => value.id }
  const handle = (name: string) => (record: ConsumedRecord<Thing | null>, context: HandlerContext) =>
    handled(world, name, { record, context })
  const main = defineHandler<Thing>({ ...once, name: 'main', schema: schemaOf('main'), handle: handle('main') })
  const side = defineHandler<Thing>({
    ...once,
    name: 'side',
    schema: schemaOf('side'),
    orderBy: ({ key, offset }) => (key === null ? `none ${offset}` : Buffer.from(key).toString()),
    ...(concurrencyMax === null ? {} : { concurrencyMax }),
    handle: handle('side'),
  })
  const plain = defineHandler<Thing, true>({
    name: 'plain',
    topic: 'b',
    retry,
    timeoutMs,
    schema: schemaOf('plain'),
    tombstones: true,
    idempotencyKey: 'naturally-idempotent',
    // Boundary: without a transaction; its steps have no statements.
    handle: (record, context) => handled(world, 'plain', { record, context: context as HandlerContext }),
  })
  return topics.length > 1 ? [main, side, plain] : [main, side]
}

interface Call {
  readonly record: ConsumedRecord<Thing | null>
  readonly context: HandlerContext
}

function handled(world: HandlerWorld, handler: string, { record, context }: Call): Promise<void> {
  const { checker, observed, clock, outside } = world
  const book = checker.bookOf(record)
  const entry = book.at(record.offset)
  const tenure = observed.tenureAt(book)
  if (entry === null || tenure === null) {
    checker.broken(
      'nothing-starts-for-what-is-gone',
      `${record.topic}/${record.partition}@${record.offset} is handled by ${observed.name}, which does not have it`,
    )
    return Promise.resolve()
  }
  const { spec } = entry
  if (record.value?.number !== (spec.kind === 'tombstone' ? undefined : spec.number) || spec.handler !== handler)
    checker.broken('records-arrive-as-written', `handler ${handler} is given ${entry.name}, and it is another record`)
  const planned = spec.steps[Math.min(entry.starts, spec.steps.length - 1)] ?? { kind: 'throw at once' }
  entry.starts++
  const step = outsideStep(planned, { needsPayments: spec.needsPayments, handler, outside })
  const { signal, attempt } = context
  const unit = observed.units.get(entry.name) ?? null
  const run: Run = { entry, step, tenure, handler, startedAtMs: clock.nowMs(), signal, attempt, unit }
  started(checker, run, observed)
  observed.running.add(run)
  if (step.kind === 'throw at once') {
    end(world, run, { error: new Error(PLANNED) })
    throw new Error(PLANNED)
  }
  return perform(world, run, context).then(
    () => end(world, run, null),
    (error: unknown) => {
      end(world, run, { error })
      throw error
    },
  )
}

const PLANNED = 'as planned'

/** What is away comes before what was planned. */
function outsideStep(step: Step, at: { needsPayments: boolean; handler: string; outside: Outside }): Step {
  if (at.needsPayments && at.outside.paymentsDown) return { kind: 'unavailable', ms: 5 }
  if (at.handler === 'side' && at.outside.tableMissing)
    return { kind: 'fail', ms: 1, failure: { kind: 'ours' }, isCaught: false }
  if (at.handler !== 'plain') return step
  if (step.kind === 'stuck' || step.kind === 'fail') return { kind: 'throw', ms: 1, statements: 0, what: 'error' }
  return 'statements' in step ? { ...step, statements: 0 } : step
}

async function perform(world: HandlerWorld, run: Run, { tx, signal }: HandlerContext): Promise<void> {
  const { clock, observed } = world
  const { step, entry } = run
  const pass = (ms: number): Promise<void> => new Promise(resolve => void clock.at(clock.nowMs() + ms, resolve))
  const write = async (statements: number): Promise<void> => {
    for (let each = 0; each < statements; each++)
      await tx.query('effect', [{ number: entry.spec.number, by: observed.name }])
  }
  switch (step.kind) {
    case 'ok':
      await pass(step.ms)
      await write(step.statements)
      return pass(step.restMs)
    case 'throw':
      await pass(step.ms)
      await write(step.statements)
      throw step.what === 'error' ? new Error(PLANNED) : step.what === 'text' ? PLANNED : null
    case 'reject':
      await pass(step.ms)
      await write(step.statements)
      throw new Reject(PLANNED)
    case 'unavailable':
      await pass(step.ms)
      throw new Unavailable('payments', PLANNED)
    case 'hang':
      await write(step.statements)
      await pass(step.ms)
      if (step.end === 'throw') throw new Error('as planned, and late')
      return
    case 'obey':
      await write(step.statements)
      await new Promise<void>(resolve =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve()),
      )
      return signal.throwIfAborted()
    case 'stuck':
      return void (await tx.query('hang'))
    case 'fail':
      await pass(step.ms)
      try {
        await tx.query('fail', [step.failure])
      } catch (error) {
        if (!step.isCaught) throw error
      }
      return
    case 'throw at once':
      return
    default:
      step satisfies never
  }
}

/** Null: the handler returned. */
type Thrown = { readonly error: unknown } | null

function end(world: HandlerWorld, run: Run, thrown: Thrown): void {
  const { checker, observed } = world
  observed.running.delete(run)
  // By its signal, not by the clock: a process that stood still finds its timers due together, in their order.
  const isLate = run.signal.aborted && !(run.signal.reason instanceof NobodyWaits)
  const verdict = verdictOf(run, thrown, isLate)
  const words = thrown === null ? 'returns' : `fails with ${nameOf(thrown.error)}`
  checker.trace(observed.name, `${words} at ${run.entry.name}${isLate ? ', late' : ''}: ${verdict}`)
  if (isLate) checker.count('late handlers')
  if (thrown?.error instanceof Reject) run.entry.isRejected = true
  if (thrown?.error instanceof MemoryFailure && thrown.error.failure.kind === 'record') run.entry.isInvalid = true
  if (thrown === null && run.handler === 'plain') returned(run.entry)
  if (thrown === null && verdict === 'perhaps' && run.unit !== null) run.unit.returned = run
  ended(run, verdict)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error)
}

/** Whether it was a failed attempt, as far as that can be told from here. */
function verdictOf(run: Run, thrown: Thrown, isLate: boolean): Spending {
  if (run.signal.reason instanceof NobodyWaits) return 'excused'
  if (isLate) return isWaiting(run.unit) ? 'excused' : 'perhaps'
  if (thrown === null) return 'perhaps'
  const { error } = thrown
  if (error instanceof MemoryFailure) return error.failure.kind === 'passing' ? 'perhaps' : 'excused'
  if (NOT_ITS_FAULT.some(kind => error instanceof kind)) return 'excused'
  const isPlanned = error === null || error === PLANNED || (error instanceof Error && error.message === PLANNED)
  return isPlanned && !(error instanceof Reject) ? 'surely' : 'perhaps'
}

/** Others were in its way when its time was up: a claim, or all connections. */
function isWaiting(unit: WatchedUnit | null): boolean {
  return unit?.phaseAtTimeout === 'connecting' || unit?.phaseAtTimeout === 'claiming'
}

const NOT_ITS_FAULT = [Unavailable, ClaimBusy, ClaimLost, CommitUnknown]
