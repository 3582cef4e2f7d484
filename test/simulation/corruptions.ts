/** Ways to make a wrong engine of a right one: by corrupting what it is told, or what it answers. */
import { decodeCompletions, encodeCompletions } from '../../src/core/completions.ts'
import type { Command, Fact, Now, OffsetToCommit } from '../../src/core/facts.ts'
import type { Failure } from '../../src/core/verdict.ts'
import type { Subject } from './world.ts'

export type Plant = (engine: Subject) => Subject

/** Corrupts what the engine answers; a command may become none, or several. */
export function answering(corrupt: (command: Command, now: Now) => readonly Command[]): Plant {
  return engine => ({
    decide: (facts, now) => engine.decide(facts, now).flatMap(command => corrupt(command, now)),
    status: now => engine.status(now),
  })
}

/** Corrupts what the engine is told. */
export function hearing(corrupt: (fact: Fact) => readonly Fact[]): Plant {
  return engine => ({
    decide: (facts, now) => engine.decide(facts.flatMap(corrupt), now),
    status: now => engine.status(now),
  })
}

export function withoutCommand(type: Command['type']): Plant {
  return answering(command => (command.type === type ? [] : [command]))
}

export function withoutFact(type: Fact['type']): Plant {
  return hearing(fact => (fact.type === type ? [] : [fact]))
}

export function mistaking(kind: Failure['kind'], failure: Failure): Plant {
  return hearing(fact => [fact.type === 'failed' && fact.failure.kind === kind ? { ...fact, failure } : fact])
}

/** Corrupts what a commit carries. */
export function committing(corrupt: (offset: OffsetToCommit) => OffsetToCommit): Plant {
  return answering(command =>
    command.type === 'commit' ? [{ ...command, offsets: command.offsets.map(corrupt) }] : [command],
  )
}

/** Corrupts what a commit says to be settled above its offset. */
export function claiming(
  corrupt: (claims: { settled: number[]; leaderEpoch: number }) => { settled: number[]; leaderEpoch: number },
): Plant {
  return committing(offset => {
    const completions = decodeCompletions(offset.metadata, { committed: offset.nextOffset })
    if (completions === null) return offset
    const claims = corrupt({ settled: [...completions.from(0)], leaderEpoch: completions.leaderEpoch })
    return { ...offset, metadata: encodeCompletions({ base: offset.nextOffset, ...claims }) }
  })
}

/** Every so often one is lost. */
export function every(nth: number): () => boolean {
  let count = 0
  return () => ++count % nth === 0
}
