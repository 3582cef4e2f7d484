/** The broker has nothing at our position: where the log begins and ends tells what became of it. */
import { Unavailable } from '../../consumer/errors.ts'
import type { Log } from '../../consumer/ports.ts'
import type { Questions } from './admin.ts'
import { safeOffset } from './offset.ts'
import type { Part } from './partitions.ts'
import type { Voice } from './voice.ts'

export interface Repositioning {
  readonly questions: Questions
  readonly voice: Voice
  readonly log: Log
  readonly isLive: (part: Part) => boolean
  /** The log is another one, and is read anew from this offset on. */
  readonly beginAgain: (part: Part, at: number) => void
}

/** Rejects where the broker does not say it. Only this partition waits meanwhile, and nothing is committed for it. */
export async function reposition(
  part: Part,
  { questions, voice, log, isLive, beginAgain }: Repositioning,
): Promise<void> {
  const { assignment } = part
  const ends = await questions.ask(admin => admin.fetchTopicOffsets(assignment.topic))
  const found = ends.find(({ partition }) => partition === assignment.partition)
  if (found === undefined)
    throw new Unavailable('kafka', `nobody knows the ends of ${assignment.topic}/${assignment.partition}`)
  if (!isLive(part)) return
  const [from, to, end] = [part.fetched ?? 0, safeOffset(found.low), safeOffset(found.high)]
  if (from > end) return beginAgain(part, to)
  part.isOutOfRange = false
  // Within the log: a new leader has caught up with what its followers had acknowledged.
  if (from >= to) return
  log.error({ ...assignment, from, to }, 'the log no longer has these records: they were removed before we read them')
  part.position = to
  part.fetched = to
  part.resolve?.(String(to - 1))
  voice.missed({ assignment, from, to, cause: 'retention' })
}
