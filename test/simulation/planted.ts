/**
 * Engines with one bug each, made by corrupting what a right one is told or answers. The checker must find every one of them:
 * a checker that finds nothing proves nothing.
 */
import type { Command, Fact, Now, OffsetToCommit, Task } from '../../src/core/facts.ts'
import type { Taken } from '../../src/core/record.ts'
import type { Failure } from '../../src/core/verdict.ts'
import type { Subject } from './world.ts'

export interface Planted {
  readonly name: string
  readonly plant: (engine: Subject) => Subject
}

/** Corrupts what the engine answers; a command may become none, or several. */
function answering(corrupt: (command: Command, now: Now) => readonly Command[]): Planted['plant'] {
  return engine => ({
    decide: (facts, now) => engine.decide(facts, now).flatMap(command => corrupt(command, now)),
    status: now => engine.status(now),
  })
}

/** Corrupts what the engine is told. */
function hearing(corrupt: (fact: Fact) => readonly Fact[]): Planted['plant'] {
  return engine => ({
    decide: (facts, now) => engine.decide(facts.flatMap(corrupt), now),
    status: now => engine.status(now),
  })
}

function withoutCommand(type: Command['type']): Planted['plant'] {
  return answering(command => (command.type === type ? [] : [command]))
}

function mistaking(kind: Failure['kind'], failure: Failure): Planted['plant'] {
  return hearing(fact => [fact.type === 'failed' && fact.failure.kind === kind ? { ...fact, failure } : fact])
}

/** Starts the next record of a lane beside the one that is out. */
function startsTwoOfALane(engine: Subject): Subject {
  const fetched = new Map<number, Taken[]>()
  const forged = new Set<Task>()
  return {
    decide(facts, now) {
      const known = facts.filter(fact => !('task' in fact && forged.has(fact.task)))
      for (const fact of known) {
        if (fact.type !== 'fetched') continue
        const { epoch } = fact.assignment
        fetched.set(epoch, [...(fetched.get(epoch) ?? []), ...fact.records])
      }
      return engine.decide(known, now).map(command => {
        const [first] = command.type === 'start' ? command.tasks : []
        if (command.type !== 'start' || first === undefined) return command
        const { assignment, record, takenAtMs, startedAtMs } = first
        const next = fetched.get(assignment.epoch)?.find(({ lane, offset }) => {
          return lane !== null && lane === record.lane && offset > record.offset
        })
        if (next === undefined) return command
        const task = { assignment, record: next, attempt: 1, takenAtMs, startedAtMs, firstFailedAtMs: null }
        forged.add(task)
        return { type: 'start', tasks: [...command.tasks, task] }
      })
    },
    status: now => engine.status(now),
  }
}

/** Takes a dead letter for written as soon as it is sent. */
function settlesBeforeTheLetterIsWritten(engine: Subject): Subject {
  return {
    decide(facts, now) {
      const heard = facts.filter(({ type }) => type !== 'deadLettered' && type !== 'deadLetterFailed')
      const commands = engine.decide(heard, now)
      for (const command of commands) {
        if (command.type !== 'deadLetter') continue
        commands.push(...engine.decide([{ type: 'deadLettered', sentences: command.sentences }], now))
      }
      return commands
    },
    status: now => engine.status(now),
  }
}

/** Sends what a failed commit carried once more, instead of computing it anew. */
function replaysFailedCommits(engine: Subject): Subject {
  let sent: Command | null = null
  let failed: Command | null = null
  return {
    decide(facts, now) {
      if (facts.some(({ type }) => type === 'commitFailed')) failed = sent
      return engine.decide(facts, now).map(command => {
        if (command.type !== 'commit') return command
        sent = failed ?? command
        failed = null
        return sent
      })
    },
    status: now => engine.status(now),
  }
}

function moved(offsets: readonly OffsetToCommit[], by: number): OffsetToCommit[] {
  return offsets.map(({ assignment, nextOffset }) => ({ assignment, nextOffset: nextOffset + by }))
}

/** Every so often one is lost. */
function every(nth: number): () => boolean {
  let count = 0
  return () => ++count % nth === 0
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'a commit is one too high',
    plant: answering(command => {
      if (command.type !== 'commit') return [command]
      return [{ ...command, offsets: moved(command.offsets, 1) }]
    }),
  },
  {
    name: 'a commit is one too low',
    plant: answering(command => {
      if (command.type !== 'commit') return [command]
      return [{ ...command, offsets: moved(command.offsets, -1) }]
    }),
  },
  { name: 'a failed commit is replayed', plant: replaysFailedCommits },
  {
    name: 'a commit goes out twice',
    plant: answering(command => (command.type === 'commit' ? [command, command] : [command])),
  },
  {
    name: 'what a coordinator that does not know us said is taken for a refusal',
    plant: hearing(fact => [fact.type === 'commitFailed' ? { ...fact, cause: 'refused' } : fact]),
  },
  { name: 'two records of a lane run at once', plant: startsTwoOfALane },
  {
    name: 'a retry is forgotten',
    plant: answering(command => {
      if (command.type !== 'start') return [command]
      const tasks = command.tasks.filter(({ attempt }) => attempt === 1)
      return tasks.length === 0 ? [] : [{ ...command, tasks }]
    }),
  },
  { name: 'an outage dead-letters', plant: mistaking('outage', { kind: 'record', reason: 'rejected' }) },
  { name: 'a fault of ours dead-letters', plant: mistaking('ours', { kind: 'record', reason: 'rejected' }) },
  {
    name: 'an outage spends an attempt',
    plant: mistaking('outage', { kind: 'passing', reason: 'attempts-exhausted', timedOut: false }),
  },
  { name: 'a reject is tried again', plant: mistaking('record', { kind: 'waiting' }) },
  {
    name: 'a settled record is forgotten',
    plant: engine => {
      const lost = every(5)
      return hearing(fact => (fact.type === 'settled' && lost() ? [] : [fact]))(engine)
    },
  },
  {
    name: 'a failed record is taken for settled',
    plant: engine => {
      const wrong = every(4)
      return hearing(fact => {
        return [fact.type === 'failed' && wrong() ? { type: 'settled', task: fact.task, outcome: 'acked' } : fact]
      })(engine)
    },
  },
  { name: 'a dead letter settles before it is written', plant: settlesBeforeTheLetterIsWritten },
  {
    name: 'a refused dead letter is taken for written',
    plant: hearing(fact => [
      fact.type === 'deadLetterFailed' ? { type: 'deadLettered', sentences: fact.sentences } : fact,
    ]),
  },
  { name: 'a lost membership goes unheard', plant: hearing(fact => (fact.type === 'lost' ? [] : [fact])) },
  { name: 'a rebalance goes unheard', plant: hearing(fact => (fact.type === 'joining' ? [] : [fact])) },
  {
    name: 'silence counts as an answer',
    plant: hearing(fact => (fact.type === 'ticked' ? [fact, { type: 'membershipConfirmed' }] : [fact])),
  },
  { name: 'what runs for nobody is not aborted', plant: withoutCommand('abort') },
  { name: 'a hand-over is not answered', plant: withoutCommand('handedOver') },
  { name: 'a paused partition is never resumed', plant: withoutCommand('resume') },
  { name: 'a full partition is not paused', plant: withoutCommand('pause') },
  { name: 'nobody wakes the engine', plant: withoutCommand('wakeAt') },
  {
    name: 'the engine never sleeps',
    plant: answering((command, { nowMs }) => [command.type === 'wakeAt' ? { ...command, atMs: nowMs } : command]),
  },
  {
    name: 'the engine naps',
    plant: engine => ({
      decide: (facts, now) => [...engine.decide(facts, now), { type: 'wakeAt', atMs: now.nowMs + 1 }],
      status: now => engine.status(now),
    }),
  },
  { name: 'a stop never ends', plant: withoutCommand('stopped') },
  {
    name: 'a stop says that all is well',
    plant: answering(command => [
      command.type === 'stopped' ? { ...command, unfinished: 0, committed: true } : command,
    ]),
  },
]
