/**
 * START_FROM=latest: a group without any committed offset for a topic begins at its end. The end is stored as a commit before
 * anything is read, so that a crash before the first real commit does not move the beginning.
 */
import type { Broker } from 'kafkajs'
import { describe } from '../../consumer/errors.ts'
import type { Questions } from './admin.ts'
import { faultOf, protocolErrorOf } from './faults.ts'
import type { KafkaSourceOptions } from './options.ts'
import { rest } from './time.ts'

const RETRY_MS = 500
/** Another replica that starts beside us writes its offsets in a moment. Members that never do so do not read this topic. */
const OTHERS_MS_MAX = 30_000

export interface LatestContext {
  readonly options: KafkaSourceOptions
  readonly questions: Questions
  readonly signal: AbortSignal
  readonly coordinator: () => Promise<Broker>
}

/** Resolves when every topic has its beginning: in the broker's commits, or the log's start for what the group knew before. */
export async function startAtTheEnd(context: LatestContext): Promise<void> {
  const { clock, log, topics } = context.options
  // First, since it says what we are not permitted: the questions below would only find no coordinator.
  await context.coordinator()
  const giveUpAtMs = clock.nowMs() + OTHERS_MS_MAX
  while (!context.signal.aborted) {
    const fresh = await topicsWithoutCommits(context)
    if (fresh.length === 0) return
    const refusal = await storeEnds(context, fresh)
    if (refusal === null) {
      log.info({ topics: fresh }, 'the group is new to these topics: it begins at their end')
      return
    }
    if (clock.nowMs() >= giveUpAtMs) {
      log.warn(
        { topics, error: refusal },
        'members of the group are running and have committed nothing here: beginning at the start of the log',
      )
      return
    }
    await rest(clock, RETRY_MS, context.signal)
  }
}

/** A partition without a commit beside others that have one was added later: it is read from its start. */
async function topicsWithoutCommits({ options, questions }: LatestContext): Promise<string[]> {
  const { groupId, topics } = options
  const stored = await questions.ask(admin => admin.fetchOffsets({ groupId, topics: [...topics] }))
  return stored
    .filter(({ partitions }) => partitions.every(({ offset }) => Number(offset) < 0))
    .map(({ topic }) => topic)
}

/** Null when stored. The broker takes a commit from nobody in particular only while the group has no member. */
async function storeEnds(
  { options, questions, coordinator }: LatestContext,
  topics: readonly string[],
): Promise<string | null> {
  const ends: { topic: string; partitions: { partition: number; offset: string }[] }[] = []
  for (const topic of topics) {
    const offsets = await questions.ask(admin => admin.fetchTopicOffsets(topic))
    ends.push({ topic, partitions: offsets.map(({ partition, high }) => ({ partition, offset: high })) })
  }
  try {
    const broker = await coordinator()
    await broker.offsetCommit({ groupId: options.groupId, groupGenerationId: -1, memberId: '', topics: ends })
    return null
  } catch (error) {
    // Only members that run are worth waiting for: what is not permitted would let us begin where nobody said.
    if (protocolErrorOf(error) === null || faultOf(error) === 'permission') throw error
    return describe(error)
  }
}
