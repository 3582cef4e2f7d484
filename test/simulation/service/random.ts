/** Chance that can be repeated: a stream of its own for everybody who draws, so that one drawing more changes nothing for the others. */

export class Chance {
  #state: number

  constructor(seed: number, stream: string) {
    let state = seed >>> 0
    for (const character of stream) state = Math.imul(state ^ character.charCodeAt(0), 0x9e3779b1) + 0x7f4a7c15
    this.#state = state >>> 0
    // What differs little at first differs much after a few.
    for (let each = 0; each < 4; each++) this.next()
  }

  /** In [0, 1). Source: mulberry32, by T. Ettinger. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** Whole, from `low` up to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** Mostly small, seldom large: a tenth of the draws is above half of the range. */
  mostlyLow(low: number, high: number): number {
    return low + this.next() ** 3 * (high - low)
  }

  happens(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.next() * list.length)]
    if (item === undefined) throw new RangeError('there is nothing to pick from')
    return item
  }

  /** By weight. */
  pickWeighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    // Boundary: the keys of a record are those of its type.
    const entries = Object.entries(weights) as [T, number][]
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [item, weight] of entries) {
      rest -= weight
      if (rest < 0) return item
    }
    return this.pick(entries)[0]
  }
}
