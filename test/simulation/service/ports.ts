/** The checker's ears at the ports of one replica. Everything is passed on as it is. */
import type { MemoryUnitOfWork } from '../../../src/adapters/memory/unit-of-work.ts'
import type { IntakeRecord } from '../../../src/consumer/intake.ts'
import type {
  Assignment,
  DeadLetters,
  PartitionAnswer,
  RecordSource,
  SourceListener,
  Telemetry,
  Unit,
  UnitOfWork,
  UnitPhase,
} from '../../../src/consumer/ports.ts'
import type { Command, Fact } from '../../../src/core/facts.ts'
import { placeOf } from '../../../src/core/record.ts'
import type { Checker } from './checker.ts'
import { asked, excused } from './handling.ts'
import { condemned } from './letters.ts'
import type { Setting } from './scenario.ts'
import type { Observed, WatchedUnit } from './tenure.ts'

export interface Watch {
  readonly checker: Checker
  readonly observed: Observed
  readonly setting: Setting
}

export function watchSource(source: RecordSource, watch: Watch): RecordSource {
  const { checker, observed } = watch
  return {
    start: listener => source.start(watchListener(listener, watch)),
    pause: assignments => source.pause(assignments),
    resume: assignments => source.resume(assignments),
    rejoin(why) {
      checker.trace(observed.name, `asks for a join: ${why}`)
      source.rejoin(why)
    },
    stop: () => source.stop(),
    get alive() {
      return source.alive
    },
    async commit(offsets) {
      for (const { assignment, nextOffset } of offsets) {
        if (observed.tenures.has(assignment.epoch)) continue
        checker.broken(
          'no-commit-for-what-is-gone',
          `${observed.name} commits ${nextOffset} of ${nameOf(assignment)}, which it has lost`,
        )
      }
      const sentAtMs = checker.nowMs
      const result = await source.commit(offsets)
      if (result.ok) observed.confirmedAtMs = Math.max(observed.confirmedAtMs, sentAtMs)
      else {
        checker.trace(observed.name, `a commit failed: ${result.cause}, ${result.error}`)
        checker.count('failed offset commits')
        if (result.cause === 'fenced') {
          checker.count('fencings')
          observed.isMember = false
        }
      }
      return result
    },
  }
}

function watchListener(listener: SourceListener, watch: Watch): SourceListener {
  const { checker, observed } = watch
  const say = (what: string, assignments: readonly Assignment[]): void =>
    checker.trace(observed.name, `${what} ${assignments.map(nameOf).join(' ')}`)
  const begin = (assignment: Assignment): void => {
    if (!observed.tenures.has(assignment.epoch)) observed.begin(assignment, checker.bookOf(assignment), checker.nowMs)
  }
  return {
    ...listener,
    joined(assignments) {
      say('has joined:', assignments)
      observed.isMember = true
      const epochs = new Set(assignments.map(({ epoch }) => epoch))
      for (const { assignment, state } of observed.tenures.values())
        if (state === 'staying' && !epochs.has(assignment.epoch)) observed.end(assignment)
      for (const assignment of assignments) {
        begin(assignment)
        const tenure = observed.tenures.get(assignment.epoch)
        if (tenure !== undefined) tenure.state = 'staying'
      }
      listener.joined(assignments)
      nothingGoneRunsOn(watch)
    },
    restored(stored) {
      checker.trace(
        observed.name,
        `begins ${nameOf(stored.assignment)} at ${stored.committed}${stored.metadata === '' ? '' : ` with ${stored.metadata}`}`,
      )
      listener.restored(stored)
    },
    async revoking(assignments) {
      say('is to hand over:', assignments)
      checker.count('hand-overs', assignments.length)
      for (const { epoch } of assignments) {
        const tenure = observed.tenures.get(epoch)
        if (tenure !== undefined) tenure.state = 'leaving'
      }
      await listener.revoking(assignments)
      say('has handed over:', assignments)
    },
    revoked(assignments) {
      say('has lost:', assignments)
      for (const assignment of assignments) observed.end(assignment)
      listener.revoked(assignments)
      nothingGoneRunsOn(watch)
    },
    renewed({ gone, assignment }) {
      say('has another log:', [assignment])
      observed.end(gone)
      begin(assignment)
      listener.renewed({ gone, assignment })
      nothingGoneRunsOn(watch)
    },
    lost(why) {
      checker.trace(observed.name, `has lost everything: ${why}`)
      checker.count('evictions')
      observed.isMember = false
      for (const { assignment } of observed.tenures.values()) observed.end(assignment)
      listener.lost(why)
      nothingGoneRunsOn(watch)
    },
    answered(answer) {
      answered(answer, watch)
      listener.answered(answer)
    },
    missed(range) {
      checker.trace(
        observed.name,
        `misses ${placeOf(range.assignment)} from ${range.from} to ${range.to}: ${range.cause}`,
      )
      checker.count('missed by retention', range.to - range.from)
      listener.missed(range)
    },
    membershipConfirmed(askedAtMs) {
      observed.confirmedAtMs = Math.max(observed.confirmedAtMs, askedAtMs)
      listener.membershipConfirmed(askedAtMs)
    },
  }
}

function nothingGoneRunsOn({ checker, observed }: Watch): void {
  for (const { tenure, signal, entry } of observed.running) {
    if (tenure.state === 'gone' && !signal.aborted)
      checker.broken(
        'what-is-gone-is-aborted',
        `${entry.name} is still handled as if ${observed.name} had its partition`,
      )
  }
}

function answered(
  { assignment, positionBefore, positionAfter, records }: PartitionAnswer,
  { checker, observed, setting }: Watch,
): void {
  const tenure = observed.tenures.get(assignment.epoch)
  if (tenure === undefined)
    return checker.broken('records-arrive-as-written', `${nameOf(assignment)} is answered and gone`)
  checker.trace(
    observed.name,
    `reads ${nameOf(assignment)} ${positionBefore}..${positionAfter}: ${records.length} records`,
  )
  tenure.start ??= positionBefore
  tenure.position = positionAfter
  let inHand = 0
  for (const { book, start, position } of observed.tenures.values()) inHand += book.openCount(start ?? 0, position)
  // What is on its way when all are paused still comes in, an answer for each.
  const most = setting.recordsMax + observed.tenures.size * setting.answerOffsetsMax
  if (inHand > most)
    checker.broken('limits-are-kept', `${observed.name} has ${inHand} records in hand, ${most} are allowed`)
}

export function watchUnitOfWork(database: MemoryUnitOfWork, checker: Checker, observed: Observed): UnitOfWork {
  return {
    ...database,
    known(claims) {
      for (const claim of claims) asked(checker, claim, observed)
      return database.known(claims)
    },
    begin(claim, timeoutMs) {
      const unit = database.begin(claim, timeoutMs)
      const watched: WatchedUnit = { phaseAtTimeout: null, returned: null }
      observed.units.set(`${placeOf(claim)}@${claim.offset}`, watched)
      checker.units.set(claim, watched)
      return watchUnit(unit, phase => {
        watched.phaseAtTimeout ??= phase
        const isWaiting = phase === 'connecting' || phase === 'claiming'
        if (isWaiting && watched.returned !== null) excused(watched.returned)
      })
    },
  }
}

function watchUnit(unit: Unit, onTimeout: (phase: UnitPhase) => void): Unit {
  return {
    tx: unit.tx,
    get phase() {
      return unit.phase
    },
    get known() {
      return unit.known
    },
    finish: () => unit.finish(),
    abandon: () => unit.abandon(),
    destroy() {
      onTimeout(unit.phase)
      unit.destroy()
    },
  }
}

export function watchDeadLetters(letters: DeadLetters, checker: Checker, observed: Observed): DeadLetters {
  return {
    ...letters,
    write(batch) {
      condemned(checker, batch, observed)
      return letters.write(batch)
    },
  }
}

export function watchTelemetry(watch: Watch): Telemetry<IntakeRecord> {
  const { checker, observed } = watch
  return {
    heard(facts, commands) {
      for (const fact of facts) learn(fact, checker, observed)
      for (const command of commands) if (command.type === 'start') mayStart(command, watch)
    },
    decoded: () => undefined,
    fetchDone: () => undefined,
    missed: () => undefined,
    duplicate: () => checker.count('duplicates'),
  }
}

function learn(fact: Fact<IntakeRecord>, checker: Checker, observed: Observed): void {
  if (fact.type === 'settled') saidSettled(fact.task, checker, observed)
  if (fact.type === 'deadLettered') for (const { task } of fact.sentences) saidSettled(task, checker, observed)
  if (fact.type === 'fetched') {
    for (const { disposition } of fact.records)
      if (disposition.kind === 'completed') checker.count('completed by metadata')
  }
}

/** The process is done with it, under an assignment that it has: nobody is to see it again, as far as that can be had. */
function saidSettled(
  { assignment, record }: { assignment: Assignment; record: IntakeRecord },
  checker: Checker,
  observed: Observed,
): void {
  const tenure = observed.tenures.get(assignment.epoch)
  const entry = checker.bookOf(assignment).at(record.offset)
  if (tenure !== undefined && entry !== null) entry.saidSettledIn = tenure
}

function mayStart(
  { tasks }: Extract<Command<IntakeRecord>, { type: 'start' }>,
  { checker, observed, setting }: Watch,
): void {
  const silentMs = checker.nowMs - observed.confirmedAtMs
  for (const { assignment, record } of tasks) {
    const name = `${nameOf(assignment)}@${record.offset}`
    if (silentMs >= setting.sessionTimeoutMs)
      checker.broken(
        'a-fenced-member-starts-nothing',
        `${observed.name} starts ${name} after ${Math.round(silentMs)} ms of silence`,
      )
    if (observed.tenures.get(assignment.epoch)?.state !== 'staying')
      checker.broken(
        'nothing-starts-for-what-is-gone',
        `${observed.name} starts ${name}, which is not its own to start any more`,
      )
  }
}

function nameOf(assignment: Assignment): string {
  return `${placeOf(assignment)}e${assignment.epoch}`
}
