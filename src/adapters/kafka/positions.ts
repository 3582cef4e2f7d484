/** What a batch's first offset says about the log: nothing, or that records are gone, or that it is another log now. */
import type { Part } from './partitions.ts'

export type Finding =
  /** The batch follows on; it may begin below our position after a join. */
  | { readonly kind: 'continues' }
  /** The log no longer had [from, to). */
  | { readonly kind: 'lost'; readonly from: number; readonly to: number }
  /** The log ended below our position: truncated, or deleted and created again. How many records were skipped nobody knows. */
  | { readonly kind: 'another-log'; readonly at: number }

/** `fetched` is the offset that was asked for. */
export function findingOf(part: Part, fetched: number): Finding {
  const expected = part.position ?? part.outOfRangeAt
  if (expected === null) return { kind: 'continues' }
  if (fetched > expected) return { kind: 'lost', from: expected, to: fetched }
  // Below our position without the broker's "out of range": a join began the fetching at the committed offset again.
  if (fetched < expected && part.outOfRangeAt !== null) return { kind: 'another-log', at: fetched }
  return { kind: 'continues' }
}
