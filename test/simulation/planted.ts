/**
 * Engines with one bug each, made by corrupting what a right one is told or answers. The checker must find every one of them:
 * a checker that finds nothing proves nothing.
 */
import type { Command, Fact, Task } from '../../src/core/facts.ts'
import type { Assignment, Taken } from '../../src/core/record.ts'
import {
  answering,
  claiming,
  committing,
  every,
  hearing,
  mistaking,
  type Plant,
  withoutCommand,
  withoutFact,
} from './corruptions.ts'
import type { Subject } from './world.ts'

export interface Planted {
  readonly name: string
  readonly plant: Plant
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

/** Says that a partition may go as soon as it is asked. */
function handsOverAtOnce(engine: Subject): Subject {
  return {
    decide(facts, now) {
      const commands = engine.decide(facts, now).filter(({ type }) => type !== 'handedOver')
      const asked = facts.flatMap(fact => (fact.type === 'revoking' ? fact.assignments : []))
      return asked.length === 0 ? commands : [...commands, { type: 'handedOver', assignments: asked }]
    },
    status: now => engine.status(now),
  }
}

/** Sends the metadata of the commit before. */
function keepsMetadata(engine: Subject): Subject {
  const last = new Map<number, string>()
  return committing(offset => {
    const { epoch } = offset.assignment
    const metadata = last.get(epoch) ?? offset.metadata
    last.set(epoch, offset.metadata)
    return { ...offset, metadata }
  })(engine)
}

/** Stops everything when something is to go, as a group does that rebalances eagerly. */
function revokesAllAtOnce(engine: Subject): Subject {
  const live = new Map<number, Assignment>()
  return {
    decide(facts, now) {
      const heard = facts.map((fact): Fact => {
        follow(live, fact)
        return fact.type === 'revoking' ? { ...fact, assignments: [...live.values()] } : fact
      })
      return engine.decide(heard, now)
    },
    status: now => engine.status(now),
  }
}

function follow(live: Map<number, Assignment>, fact: Fact): void {
  if (fact.type === 'lost') live.clear()
  if (fact.type === 'revoked') for (const { epoch } of fact.assignments) live.delete(epoch)
  if (fact.type === 'joined') live.clear()
  if (fact.type === 'joined' || fact.type === 'assigned') {
    for (const assignment of fact.assignments) live.set(assignment.epoch, assignment)
  }
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'a commit is one too high',
    plant: committing(offset => ({ ...offset, nextOffset: offset.nextOffset + 1 })),
  },
  {
    name: 'a commit is one too low',
    plant: committing(offset => ({ ...offset, nextOffset: offset.nextOffset - 1 })),
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
  { name: 'a lost membership goes unheard', plant: withoutFact('lost') },
  { name: 'a hand-over that is asked for goes unheard', plant: withoutFact('revoking') },
  { name: 'what is revoked goes unheard', plant: withoutFact('revoked') },
  { name: 'what begins beside the others goes unheard', plant: withoutFact('assigned') },
  {
    name: 'silence counts as an answer',
    plant: hearing(fact =>
      fact.type === 'ticked' ? [fact, { type: 'membershipConfirmed', askedAtMs: Number.POSITIVE_INFINITY }] : [fact],
    ),
  },
  { name: 'what runs for nobody is not aborted', plant: withoutCommand('abort') },
  { name: 'a hand-over is not answered', plant: withoutCommand('handedOver') },
  {
    name: 'a hand-over is answered twice',
    plant: answering(command => (command.type === 'handedOver' ? [command, command] : [command])),
  },
  { name: 'what leaves is handed over with its attempts under way', plant: handsOverAtOnce },
  { name: 'what is kept stops with what leaves', plant: revokesAllAtOnce },
  { name: 'what was stored goes unheard', plant: withoutFact('restored') },
  {
    name: 'what was settled before is not carried on',
    plant: hearing(fact => [fact.type === 'restored' ? { ...fact, completions: null } : fact]),
  },
  {
    name: 'what was settled before is handled again',
    plant: hearing(fact => {
      if (fact.type !== 'fetched') return [fact]
      const records = fact.records.map((record): Taken => {
        const { kind } = record.disposition
        return kind === 'completed' ? { ...record, disposition: { kind: 'handle', handler: 'h' } } : record
      })
      return [{ ...fact, records }]
    }),
  },
  { name: 'what is settled above the offset is not said', plant: committing(offset => ({ ...offset, metadata: '' })) },
  {
    name: 'a commit claims one more than is settled',
    plant: claiming(claims => ({ ...claims, settled: [...claims.settled, (claims.settled.at(-1) ?? 0) + 1] })),
  },
  {
    name: 'a commit claims one less than is settled',
    plant: claiming(claims => ({ ...claims, settled: claims.settled.slice(0, -1) })),
  },
  {
    name: 'a commit claims also what a later leader wrote',
    plant: claiming(claims => ({ ...claims, leaderEpoch: claims.leaderEpoch + 1 })),
  },
  {
    name: 'a new leader goes unnoticed',
    plant: hearing(fact => [fact.type === 'fetched' ? { ...fact, leaderEpoch: Math.min(fact.leaderEpoch, 0) } : fact]),
  },
  { name: 'metadata stands beside another offset', plant: keepsMetadata },
  { name: 'what waits long is not said', plant: withoutCommand('detach') },
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
