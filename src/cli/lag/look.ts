/** What one look at a group tells, whoever was asked. */
import type { Seen, Speeds } from './speeds.ts'

export interface Look {
  readonly partitions: readonly Seen[]
  /** What could not be looked at, and why. */
  readonly problems: readonly string[]
  /** Lines, for a person. With speeds, it is one look of several. */
  text(speeds: Speeds | null): readonly string[]
  /** For a script. */
  json(speeds: Speeds | null): unknown
}

/** Of all partitions together; null where one is not known. */
export function lagOf({ partitions }: Pick<Look, 'partitions'>): number | null {
  return partitions.reduce<number | null>(
    (so, { lagRecords }) => (so === null || lagRecords === null ? null : so + lagRecords),
    0,
  )
}
