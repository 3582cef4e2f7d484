/**
 * What the engine costs for one record, from `fetched` over `start` and `settled` to the commit, with few and with many
 * unsettled records in hand. Nothing else is in the measure: no decoding, no handler, no network; the records are made
 * before the clock starts.
 */
import { Engine } from '../src/core/engine.ts'
import type { Fact, Task } from '../src/core/facts.ts'
import { Ledger } from '../src/core/ledger.ts'
import type { Taken } from '../src/core/record.ts'

/** How the records are spread over ordering keys. */
export type Spread = 'a thousand keys' | 'one hot key' | 'every key distinct'

const ASSIGNMENT = { topic: 'orders', partition: 0, epoch: 1 }
const IN_FLIGHT_MAX = 100
/** One decision in so many commits. */
const DECISIONS_PER_COMMIT = 100
const RECORDS_PER_ANSWER = 100

function laneOf(spread: Spread, offset: number): string {
  switch (spread) {
    case 'a thousand keys':
      return `user-${offset % 1_000}`
    case 'one hot key':
      return 'user-0'
    case 'every key distinct':
      return `user-${offset}`
    default:
      return spread satisfies never
  }
}

/** An engine in a steady state: as many records as settle are fetched, so that `unsettled` stay in hand. */
export class SteadyEngine {
  readonly #engine: Engine<Taken>
  readonly #spread: Spread
  readonly #unsettled: number
  #nowMs = 0
  #produced = 0
  #position = 0
  #settled = 0
  #running: readonly Task[] = []
  #facts: Fact[] = []

  constructor(spread: Spread, unsettled: number) {
    this.#spread = spread
    this.#unsettled = unsettled
    this.#engine = new Engine<Taken>(
      {
        handlers: [{ name: 'h', retry: { initialMs: 100, maxMs: 1_000, attemptsMax: 3 }, concurrencyMax: null }],
        inFlightMax: IN_FLIGHT_MAX,
        // Neither is to bind: only what the unsettled records cost is measured.
        budget: { recordsMax: 1e9, bytesMax: 1e12 },
        windowMax: 1e9,
        commitIntervalMs: DECISIONS_PER_COMMIT,
        sessionTimeoutMs: 1e12,
        random: () => 0.5,
      },
      { nowMs: 0, wallMs: 0 },
    )
    this.#facts.push({ type: 'joined', assignments: [ASSIGNMENT] })
    this.#fetch(this.make(unsettled))
    this.#decide()
  }

  /** Made before the clock starts. */
  make(count: number): Taken[] {
    return Array.from({ length: count }, () => {
      const offset = this.#produced++
      const lane = laneOf(this.#spread, offset)
      return { offset, timestampMs: 0, bytes: 200, lane, disposition: { kind: 'handle', handler: 'h' } }
    })
  }

  /** Fetches them all, and settles as many. */
  through(records: readonly Taken[]): void {
    const end = this.#settled + records.length
    let fetched = 0
    while (this.#settled < end) {
      for (const task of this.#running) this.#facts.push({ type: 'settled', task, outcome: 'acked' })
      this.#settled += this.#running.length
      const room = this.#unsettled - (this.#position - this.#settled)
      if (room >= RECORDS_PER_ANSWER) {
        this.#fetch(records.slice(fetched, (fetched += RECORDS_PER_ANSWER)))
      }
      this.#decide()
    }
  }

  #fetch(records: readonly Taken[]): void {
    const positionBefore = this.#position
    this.#position += records.length
    const range = { positionBefore, positionAfter: this.#position, highWatermark: this.#position, leaderEpoch: 0 }
    this.#facts.push({ type: 'fetched', assignment: ASSIGNMENT, records, ...range })
  }

  #decide(): void {
    const facts = this.#facts
    this.#facts = []
    this.#running = []
    this.#nowMs++
    for (const command of this.#engine.decide(facts, { nowMs: this.#nowMs, wallMs: this.#nowMs })) {
      if (command.type === 'start') this.#running = command.tasks
      else if (command.type === 'commit') this.#facts.push({ type: 'committed', offsets: command.offsets })
    }
  }

  /** In hand now, as the engine itself counts them. */
  get unsettled(): number {
    const { buffered, inFlight } = this.#engine.status({ nowMs: this.#nowMs, wallMs: this.#nowMs })
    return buffered + inFlight
  }
}

/** The ledger alone in the same state; `reach` is how far a record may settle before those below it. */
export class SteadyLedger {
  readonly #ledger = new Ledger<object>(0)
  readonly #item = {}
  readonly #order: Int32Array
  #next = 0
  #settledBelow = 0

  constructor(unsettled: number, reach: number) {
    this.#order = scattered(reach)
    for (; this.#next < unsettled; this.#next++) this.#ledger.take(this.#next, this.#item)
  }

  through(count: number): void {
    const reach = this.#order.length
    for (let done = 0; done < count; done += reach) {
      for (let index = 0; index < reach; index++) this.#ledger.take(this.#next++, this.#item)
      for (const index of this.#order) this.#ledger.settle(this.#settledBelow + index)
      this.#settledBelow += reach
    }
  }
}

/** 0 to length − 1 in an order that is mixed and always the same. */
function scattered(length: number): Int32Array {
  const order = Int32Array.from({ length }, (_, index) => index)
  let state = 1
  for (let index = length - 1; index > 0; index--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const other = state % (index + 1)
    const kept = order[index] ?? 0
    order[index] = order[other] ?? 0
    order[other] = kept
  }
  return order
}
