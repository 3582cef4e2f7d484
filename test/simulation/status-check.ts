/** What the engine says of itself is true, whatever could start has started, and nobody waits for a turn for too long. */
import type { Now } from '../../src/core/facts.ts'
import type { Assignment } from '../../src/core/record.ts'
import type { EngineStatus, PartitionStatus } from '../../src/core/status.ts'
import { concurrencyMaxOf, type Setting } from './steps.ts'
import { type Held, handlerOf, isFirst, sameLane, sure, type Tenure } from './tenure.ts'

interface Known {
  readonly live: ReadonlyMap<number, Tenure>
  /** In a handler or in a write, of whatever assignment. */
  readonly out: readonly Held[]
  readonly mayStart: boolean
  readonly now: Now
}

export class StatusCheck {
  readonly #setting: Setting
  #known: Known = { live: new Map(), out: [], mayStart: false, now: { nowMs: 0, wallMs: 0 } }
  /** Epochs that wait for a slot and nothing else, each with how often others were served meanwhile. */
  readonly #passedOver = new Map<number, Map<number, number>>()

  constructor(setting: Setting) {
    this.#setting = setting
  }

  started({ epoch }: Assignment): void {
    this.#passedOver.delete(epoch)
    for (const others of this.#passedOver.values()) others.set(epoch, (others.get(epoch) ?? 0) + 1)
  }

  forget({ epoch }: Assignment): void {
    this.#passedOver.delete(epoch)
  }

  /** Whatever could start has started, and what can be said of every partition is true. */
  check(status: EngineStatus, known: Known): void {
    this.#known = known
    const tenures = [...known.live.values()]
    sure(status.partitions.length === tenures.length, 'the status names what is ours')
    for (const shown of status.partitions) {
      const tenure = known.live.get(shown.epoch)
      sure(tenure !== undefined, 'the status names what is ours')
      this.#compare(tenure, shown)
    }
    const running = this.#known.out.filter(({ state }) => state === 'running')
    sure(status.inFlight === running.length, 'what is in a handler is counted')
    this.#nothingIsIdle(
      tenures,
      new Set(status.handlers.filter(({ heldBy }) => heldBy !== null).map(({ name }) => name)),
    )
  }

  #nothingIsIdle(tenures: Tenure[], heldHandlers: ReadonlySet<string>): void {
    const running = this.#known.out.filter(({ state }) => state === 'running')
    const noSlot = running.length >= this.#setting.inFlightMax
    const mayRun = (each: Held) => {
      const handler = handlerOf(each)
      if (handler === undefined || heldHandlers.has(handler)) return false
      return running.filter(other => handlerOf(other) === handler).length < concurrencyMaxOf(this.#setting, handler)
    }
    for (const tenure of tenures) {
      const { epoch } = tenure.assignment
      const { place, refused, stay } = tenure
      const mayStart = this.#known.mayStart && !refused && stay === 'staying'
      const ready = mayStart ? tenure.held.filter(each => this.#couldStart(each)) : []
      // While every slot is taken nothing more is let into the lanes, so a dead letter may wait with the others.
      const writes = noSlot || tenure.isWriting || ready.every(({ condemned }) => condemned === null)
      sure(writes, `${place} writes the dead letters it has`)
      if (!ready.some(mayRun)) this.#passedOver.delete(epoch)
      else {
        sure(noSlot, `${place} could go on and does not`)
        const others = this.#passedOver.get(epoch) ?? new Map<number, number>()
        this.#passedOver.set(epoch, others)
        sure(Math.max(0, ...others.values()) <= 1, `a busy partition is served twice while ${place} waits for its turn`)
      }
    }
  }

  #couldStart(held: Held): boolean {
    const { record, tenure, state, restsUntilMs } = held
    if (state !== 'waiting' || restsUntilMs > this.#known.now.nowMs) return false
    if (record.offset >= tenure.committable + this.#setting.windowMax || !isFirst(held)) return false
    return !this.#known.out.some(other => sameLane(held, other))
  }

  #compare(tenure: Tenure, shown: PartitionStatus): void {
    const { unsettled } = tenure
    const oldest = unsettled[0]?.record ?? null
    const inFlight = unsettled.filter(({ state }) => state !== 'waiting').length
    const bytes = unsettled.reduce((sum, { record }) => sum + record.bytes, 0)
    const expected = {
      position: tenure.position,
      committed: tenure.committed,
      oldestUnsettled: oldest?.offset ?? null,
      inFlight,
      buffered: unsettled.length - inFlight,
      bufferedBytes: bytes,
    }
    for (const name of ['position', 'committed', 'oldestUnsettled', 'inFlight', 'buffered', 'bufferedBytes'] as const) {
      const said = `${name} of ${tenure.place} is ${expected[name]}, not ${shown[name]}`
      sure(shown[name] === expected[name], said)
    }
    sure(tenure.paused === (shown.paused !== null), 'a partition that is said to be paused was paused')
    if (oldest !== null)
      sure(shown.lagSeconds === Math.max(0, this.#known.now.wallMs - oldest.timestampMs) / 1_000, 'lag is exact')
    const isStill = !this.#known.mayStart || tenure.stay !== 'staying'
    sure(!isStill || shown.blockedBy !== null, 'while nothing of it may start, a partition says why')
  }
}
