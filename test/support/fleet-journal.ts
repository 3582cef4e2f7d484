/**
 * What the handlers of a fleet's members note of each delivery, in a file each: its start and its end. A file, since what a
 * killed process has written to it is there, to the last line before the kill.
 */
import { openSync, readSync, writeSync } from 'node:fs'

/** One call of a handler. */
export interface Delivery {
  readonly member: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string
  /** Of the clock that all processes of a machine share, as `nowMs` reads it. */
  readonly startedMs: number
  /** Null: it has not ended, or its process was killed before. */
  endedMs: number | null
}

type Place = Pick<Delivery, 'topic' | 'partition' | 'offset'>

/** The machine's monotonic clock: every process reads the same one. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The side of the handler. Synchronous: the line is in the file when the handler goes on. */
export function journalTo(path: string): (event: 'start' | 'end', record: Place & { key: string }) => void {
  const file = openSync(path, 'a')
  return (event, { topic, partition, offset, key }) =>
    void writeSync(file, `${event}\t${topic}\t${partition}\t${offset}\t${key}\t${nowMs()}\n`)
}

interface Reading {
  readonly member: string
  readonly file: number
  /** The last line may be half there. */
  rest: string
  /** By place: what was started and has not ended. */
  readonly open: Map<string, Delivery>
}

const CHUNK_BYTES = 1024 * 1024

/** The side of the test: every delivery of every member, in the order in which it was read. */
export class Journals {
  readonly #deliveries: Delivery[] = []
  readonly #readings: Reading[] = []
  readonly #ended = new Set<string>()
  readonly #chunk = Buffer.alloc(CHUNK_BYTES)

  /** The file is made where there is none. */
  add(member: string, path: string): void {
    this.#readings.push({ member, file: openSync(path, 'a+'), rest: '', open: new Map() })
  }

  /** A delivery to somebody who writes no file. */
  note(delivery: Delivery & { readonly endedMs: number }): void {
    this.#deliveries.push(delivery)
    this.#ended.add(nameOf(delivery))
  }

  get deliveries(): readonly Delivery[] {
    this.#read()
    return this.#deliveries
  }

  /** Takes in what was written since. */
  #read(): void {
    for (const reading of this.#readings) {
      for (;;) {
        const bytes = readSync(reading.file, this.#chunk, 0, CHUNK_BYTES, null)
        if (bytes === 0) break
        const lines = (reading.rest + this.#chunk.toString('utf8', 0, bytes)).split('\n')
        reading.rest = lines.pop() ?? ''
        for (const line of lines) this.#take(reading, line)
      }
    }
  }

  /** How many records came to the end of a handler, however often. */
  handled(): number {
    this.#read()
    return this.#ended.size
  }

  #take({ member, open }: Reading, line: string): void {
    const [event, topic = '', partition, offset, key = '', atMs] = line.split('\t')
    const place = { topic, partition: Number(partition), offset: Number(offset) }
    const name = nameOf(place)
    if (event === 'start') {
      const delivery = { member, ...place, key, startedMs: Number(atMs), endedMs: null }
      open.set(name, delivery)
      this.#deliveries.push(delivery)
      return
    }
    const delivery = open.get(name)
    if (delivery !== undefined) delivery.endedMs = Number(atMs)
    open.delete(name)
    this.#ended.add(name)
  }
}

/** Every delivery of a record beyond its first. */
export function repeats(deliveries: readonly Delivery[]): Delivery[] {
  const seen = new Set<string>()
  return byStart(deliveries).filter(delivery => {
    const name = nameOf(delivery)
    const again = seen.has(name)
    seen.add(name)
    return again
  })
}

/** A line for each partition and pair of members: who was delivered again what whom had been delivered before. */
export function repeatsInWords(deliveries: readonly Delivery[]): string[] {
  const firsts = new Map<string, Delivery>()
  for (const delivery of byStart(deliveries)) {
    const name = nameOf(delivery)
    if (!firsts.has(name)) firsts.set(name, delivery)
  }
  const groups = Object.groupBy(repeats(deliveries), again => {
    const first = firsts.get(nameOf(again))
    return `${again.topic} ${again.partition}: to ${again.member} after ${first?.member}`
  })
  return Object.entries(groups).map(([who, again = []]) => {
    const offsets = again.map(({ offset }) => offset).toSorted((one, other) => one - other)
    const ended = again.filter(delivery => firsts.get(nameOf(delivery))?.endedMs !== null).length
    return `${who}: ${again.length} of the offsets ${offsets[0]} to ${offsets.at(-1)}, ${ended} of them handled before`
  })
}

/** A line for each record that was first started after a later one of its key, or before the one ahead of it had ended. */
export function disorder(deliveries: readonly Delivery[]): string[] {
  const again = new Set(repeats(deliveries))
  const lanes = new Map<string, Delivery>()
  return byStart(deliveries.filter(delivery => !again.has(delivery))).flatMap(delivery => {
    const lane = `${delivery.topic} ${delivery.partition} ${delivery.key}`
    const ahead = lanes.get(lane)
    lanes.set(lane, delivery)
    if (ahead === undefined) return []
    if (ahead.offset > delivery.offset) return [`${nameOf(delivery)} was started after ${nameOf(ahead)}`]
    const overlaps = ahead.endedMs === null || ahead.endedMs > delivery.startedMs
    return overlaps ? [`${nameOf(delivery)} was started before ${nameOf(ahead)} had ended`] : []
  })
}

/** The longest time without a start, from the last one before the span to its end. */
export function longestGapMs(startsMs: readonly number[], { fromMs, toMs }: { fromMs: number; toMs: number }): number {
  let lastMs = startsMs.findLast(at => at <= fromMs) ?? fromMs
  let longestMs = 0
  for (const atMs of [...startsMs.filter(at => at > fromMs && at < toMs), toMs]) {
    longestMs = Math.max(longestMs, atMs - lastMs)
    lastMs = atMs
  }
  return longestMs
}

function byStart(deliveries: readonly Delivery[]): Delivery[] {
  return deliveries.toSorted((one, other) => one.startedMs - other.startedMs)
}

function nameOf({ topic, partition, offset }: Place): string {
  return `${topic} ${partition} ${offset}`
}
