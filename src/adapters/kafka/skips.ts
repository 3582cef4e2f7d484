/** Offsets that nobody can read, and that an operator has said to go on without: `orders/3@1200-1300`, the second one being the next to read. */
import type { TopicPartition } from '../../core/record.ts'

export interface Skip extends TopicPartition {
  readonly from: number
  readonly to: number
}

/** Offsets that can not be read; `to` null where nobody knows how far the trouble reaches. */
export interface Unreadable extends TopicPartition {
  readonly from: number
  readonly to: number | null
}

/** Where to go on instead, or null: nothing is skipped but what was named, and nothing behind what can not be read is left out unless named too. */
export function skipFor(skips: readonly Skip[], { topic, partition, from, to }: Unreadable): number | null {
  const skip = skips.find(each => {
    const isHere = each.topic === topic && each.partition === partition
    return isHere && each.from <= from && from < each.to && (to === null || to <= each.to)
  })
  return skip === undefined ? null : (to ?? skip.to)
}

/** What an operator has to set to go on without these offsets. */
export function skipText({ topic, partition, from, to }: Unreadable): string {
  return `KAFKA_SKIP_OFFSETS=${topic}/${partition}@${from}-${to ?? '<next offset>'}`
}
