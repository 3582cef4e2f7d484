/** What a group's commit means for a log as it is now: where reading would begin, how much is left, and what an operator should know. Pure. */
import type { LogEnds } from '../../adapters/kafka/onlooker.ts'
import { type Completions, decodeCompletions } from '../../core/completions.ts'
import { counted } from '../text.ts'

export interface Commit {
  readonly committed: number | null
  readonly metadata: string
}

export interface Standing {
  readonly ends: LogEnds
  readonly commit: Commit
  /** The next offset that a reader of this group would be given, or the first after it that there is. */
  readonly from: number
  readonly lagRecords: number
  /** Settled out of order, above the committed offset. */
  readonly completions: Completions | null
  readonly notes: readonly string[]
}

/** `startsAtEnd`: without a commit, the group begins at the end of this topic. */
export function standingOf(ends: LogEnds, commit: Commit, startsAtEnd: boolean): Standing {
  const { logStart, end, written } = ends
  const { committed, metadata } = commit
  const open =
    written > end ? [`${counted(written - end, 'offset')} above the end: transactions that are still open`] : []
  const standing = (from: number, lagRecords: number, ...notes: string[]): Standing => ({
    ends,
    commit,
    from,
    lagRecords: Math.max(0, lagRecords),
    completions: null,
    notes: [...notes, ...open],
  })
  if (committed === null) {
    return startsAtEnd
      ? standing(end, 0, 'no commit: with START_FROM=latest it begins at the end')
      : standing(logStart, end - logStart, ...(end > logStart ? ['no commit: it begins at the start of the log'] : []))
  }
  if (committed > written) {
    const why = `the commit stands above the end: the topic was made again or cut, and is read anew from ${logStart}`
    return standing(logStart, end - logStart, why)
  }
  const completions = decodeCompletions(metadata, { committed })
  if (committed >= logStart) return { ...standing(committed, end - committed), completions }
  const missed = logStart - committed
  const why = `missed: ${counted(missed, 'offset')} from ${committed} on are gone from the log, which begins at ${logStart}`
  return { ...standing(logStart, end - committed, why), completions }
}
