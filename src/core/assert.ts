/** An invariant that does not hold is a bug of ours: the process stops rather than commit on a wrong belief. */
export class BrokenInvariant extends Error {
  constructor(sentence: string) {
    super(`broken invariant: ${sentence}`)
    this.name = 'BrokenInvariant'
  }
}

export function assert(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new BrokenInvariant(sentence)
}
