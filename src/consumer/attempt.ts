/**
 * One try of one record: begin, look up, handle, finish; whatever goes wrong is classified, and the answer is a fact. Never
 * rejects. It ends only when the handler's promise does: until then the slot and the lane are taken, timeout or not.
 */

import { BrokenInvariant } from '../core/assert.ts'
import type { Fact, Task } from '../core/facts.ts'
import type { Failure } from '../core/verdict.ts'
import {
  ClaimBusy,
  ClaimLost,
  CommitUnknown,
  describe,
  HandlerTimeout,
  Misconfigured,
  placesOf,
  Reject,
  Unavailable,
  UnitClosed,
} from './errors.ts'
import type { HandlerContext } from './handler.ts'
import type { Delivery, IntakeRecord } from './intake.ts'
import type { Lookup } from './lookup.ts'
import type { Claim, Clock, Known, Log, Transaction, Unit, UnitOfWork } from './ports.ts'

export interface AttemptPorts {
  /** Null where no handler has an idempotency key. */
  readonly database: { readonly unitOfWork: UnitOfWork; readonly lookup: Lookup } | null
  readonly clock: Clock
  readonly log: Log
  readonly onDuplicate: (record: { topic: string; handler: string }, known: Known) => void
  /** Its handler is called now: what came before was spent on others. */
  readonly onHandling: (task: Task<IntakeRecord>) => void
  /** Records whose COMMIT was sent and never answered: the inbox will call them known, and they are no duplicates. */
  readonly unanswered: WeakSet<IntakeRecord>
}

/** Why nobody waits for an attempt any more: its partition is gone, or the drain's time is up. */
export class NobodyWaits extends Error {
  constructor() {
    super('nobody waits for this attempt any more: its partition is gone, or the time to stop is up')
    this.name = 'NobodyWaits'
  }
}

interface Ending {
  readonly known: Known | null
}

export async function attempt(
  task: Task<IntakeRecord>,
  abort: AbortController,
  ports: AttemptPorts,
): Promise<Fact<IntakeRecord>> {
  const { delivery } = task.record
  if (delivery === null) throw new BrokenInvariant('only a record with a handler is attempted')
  const { name } = delivery.handler
  const claim = claimOf(task, delivery)
  try {
    const known = claim === null ? null : await lookUp(claim, ports)
    const ending = known === null ? await tryOnce({ task, delivery, claim, abort, ports }) : { known }
    const ours = ending.known?.redelivered === true && ports.unanswered.has(task.record)
    if (ending.known === null || ours) return { type: 'settled', task, outcome: 'acked' }
    ports.onDuplicate({ topic: task.assignment.topic, handler: name }, ending.known)
    return { type: 'settled', task, outcome: 'duplicate' }
  } catch (error) {
    if (error instanceof CommitUnknown) ports.unanswered.add(task.record)
    const nobodyWaits = abort.signal.aborted && abort.signal.reason instanceof NobodyWaits
    const { failure, words, ...places } = judge(error, ports)
    return { type: 'failed', task, failure: nobodyWaits ? { kind: 'aborted' } : failure, error: words, ...places }
  }
}

function claimOf({ assignment, record }: Task<IntakeRecord>, { handler, idempotencyKey }: Delivery): Claim | null {
  if (idempotencyKey === null) return null
  const { topic, partition } = assignment
  return { handler: handler.name, idempotencyKey, topic, partition, offset: record.offset, value: record.raw.value }
}

/** It only saves work: a question that was not answered is nobody's failed attempt, nor the fault of all who asked it together. */
async function lookUp(claim: Claim, { database }: AttemptPorts): Promise<Known | null> {
  if (database === null) return null
  try {
    return await database.lookup.known(claim)
  } catch (error) {
    const kind = database.unitOfWork.classify(error)?.kind
    if (kind === 'passing') throw new ClaimBusy(error)
    // One of the records that were asked for together, or nobody knows what: each one's own claim will tell.
    if (kind === 'record' || kind === undefined) return null
    throw error
  }
}

interface Try {
  readonly task: Task<IntakeRecord>
  readonly delivery: Delivery
  readonly claim: Claim | null
  readonly abort: AbortController
  readonly ports: AttemptPorts
}

async function tryOnce(one: Try): Promise<Ending> {
  const { task, delivery, claim, abort, ports } = one
  const { handler } = delivery
  const unit = claim === null ? null : (ports.database?.unitOfWork.begin(claim, handler.timeoutMs) ?? null)
  let timeout: HandlerTimeout | ClaimBusy | null = null
  let disarm = ports.clock.at(ports.clock.nowMs() + handler.timeoutMs, () => {
    timeout = timeoutOf(unit, one)
    abort.abort(timeout)
    unit?.destroy()
    disarm = ports.clock.at(ports.clock.nowMs() + handler.timeoutMs, () => logDeaf(one))
  })
  try {
    // Others may own its partition since the inbox was asked.
    abort.signal.throwIfAborted()
    ports.onHandling(task)
    await handler.handle(delivery.record, contextOf(one, unit))
    if (timeout !== null) throw timeout
    return { known: unit === null ? null : await unit.finish() }
  } catch (error) {
    // COMMIT may have happened: only the inbox can tell. And what went wrong is decided before the rollback, which takes its time.
    const cause = error instanceof CommitUnknown ? error : (timeout ?? error)
    await unit?.abandon()
    // A lost claim settles the record, whatever the handler made of it.
    if (unit?.known != null) return { known: unit.known }
    throw cause
  } finally {
    disarm()
  }
}

/** Said once: nothing else is, as long as the handler does not end. */
function logDeaf({ task, delivery: { handler }, ports: { log } }: Try): void {
  const { topic, partition } = task.assignment
  log.warn(
    { handler: handler.name, topic, partition, offset: task.record.offset, timeoutMs: handler.timeoutMs },
    'a handler goes on although its signal went off a whole timeout ago: its slot and its lane stay taken until it ends; after three timeouts /livez fails',
  )
}

/** Time spent waiting for others (a connection, somebody else's claim) is not the handler's failure. */
function timeoutOf(unit: Unit | null, { delivery: { handler } }: Try): HandlerTimeout | ClaimBusy {
  const timeout = new HandlerTimeout(handler.name, handler.timeoutMs)
  return unit?.phase === 'connecting' || unit?.phase === 'claiming' ? new ClaimBusy(timeout) : timeout
}

function contextOf({ task, delivery, abort, ports }: Try, unit: Unit | null): HandlerContext {
  const { topic, partition } = task.assignment
  const fields = { handler: delivery.handler.name, topic, partition, offset: task.record.offset, attempt: task.attempt }
  return {
    tx: unit?.tx ?? NO_TRANSACTION,
    log: withFields(ports.log, fields),
    signal: abort.signal,
    attempt: task.attempt,
  }
}

/** The types keep a naturally idempotent handler from it; JavaScript does not. */
const NO_TRANSACTION: Transaction = {
  query: () => Promise.reject(new Misconfigured('a naturally idempotent handler has no tx: give it an idempotencyKey')),
}

function withFields(log: Log, fields: object): Log {
  return {
    debug: (more, text) => log.debug({ ...fields, ...more }, text),
    info: (more, text) => log.info({ ...fields, ...more }, text),
    warn: (more, text) => log.warn({ ...fields, ...more }, text),
    error: (more, text) => log.error({ ...fields, ...more }, text),
  }
}

const PASSING: Failure = { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }

/** Total: the record has to be answered for, whatever was thrown. */
function judge(error: unknown, ports: AttemptPorts): { failure: Failure; words: string; at?: readonly string[] } {
  try {
    const failure = classify(error, ports)
    const words = explain(error, ports)
    // A mistake wants its line; of everything else the words say enough.
    const isMistake = failure.kind === 'ours' || (failure.kind === 'passing' && !failure.timedOut)
    const at = isMistake ? placesOf(error) : []
    return at.length > 0 ? { failure, words, at } : { failure, words }
  } catch {
    // A getter of somebody's error class threw: nobody knows what it would have said.
    return { failure: PASSING, words: describe(error) }
  }
}

/** What a thrown thing means. Ours first, then the database's; what nobody knows may pass. */
export function classify(error: unknown, { database }: Pick<AttemptPorts, 'database'>): Failure {
  if (error instanceof Reject) return { kind: 'record', reason: 'rejected' }
  if (error instanceof Unavailable) return { kind: 'outage', dependency: error.dependency }
  if (error instanceof Misconfigured || error instanceof BrokenInvariant || isAssertion(error)) return { kind: 'ours' }
  if (error instanceof ClaimBusy) return { kind: 'waiting' }
  if (error instanceof CommitUnknown) return { kind: 'outage', dependency: 'database' }
  if (error instanceof HandlerTimeout) return { kind: 'passing', reason: 'attempts-exhausted', timedOut: true }
  if (error instanceof UnitClosed || error instanceof ClaimLost) return PASSING
  return database?.unitOfWork.classify(error) ?? PASSING
}

function isAssertion(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION'
}

/** In words without values: a database's own text may quote them. */
function explain(error: unknown, { database }: AttemptPorts): string {
  return database?.unitOfWork.explain(error) ?? describe(error)
}
