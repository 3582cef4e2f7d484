/**
 * Who is paused and who may go on, from what is in hand. A partition's fair share is the whole divided by the partitions; a
 * partition may hold more while there is room, and the greedy ones are paused first. Between the two marks nothing changes,
 * so that a partition near its share does not flap: a resumed one waits for the client's next fetch.
 */
export interface Holding {
  /** Fetched and not settled. */
  readonly records: number
  readonly bytes: number
}

export interface BudgetLimits {
  readonly recordsMax: number
  readonly bytesMax: number
}

export class Budget {
  readonly #limits: BudgetLimits
  #records = 0
  #bytes = 0

  constructor(limits: BudgetLimits) {
    this.#limits = limits
  }

  get records(): number {
    return this.#records
  }

  get bytes(): number {
    return this.#bytes
  }

  add(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
  }

  remove(records: number, bytes: number): void {
    this.#records -= records
    this.#bytes -= bytes
  }

  /** The most that a partition's part of the whole is used, 1 being its fair share. */
  #greed(holding: Holding, partitions: number): number {
    const { recordsMax, bytesMax } = this.#limits
    return Math.max(holding.records / recordsMax, holding.bytes / bytesMax) * partitions
  }

  /** How full the whole is, 1 being full. */
  get #fullness(): number {
    return Math.max(this.#records / this.#limits.recordsMax, this.#bytes / this.#limits.bytesMax)
  }

  /** Full: everybody. Half full: who holds a fair share or more. What is on its way still arrives: one answer a partition. */
  mustPause(holding: Holding, partitions: number): boolean {
    return this.#fullness >= 1 || (this.#fullness >= 0.5 && this.#greed(holding, partitions) >= 1)
  }

  /** When it is down to half its share, or most of the whole is free. */
  mayResume(holding: Holding, partitions: number): boolean {
    return this.#fullness < 1 && (this.#fullness <= 0.25 || this.#greed(holding, partitions) <= 0.5)
  }
}
