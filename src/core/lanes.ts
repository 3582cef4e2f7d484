/**
 * The lanes of one partition: the unsettled records of one ordering key, one of them on its way at a time, in offset order.
 * Ready lanes stand in line by what their first record waits for (a handler, or a dead letter), so that a handler that may
 * not start anything costs nothing to pass over.
 *
 * Lanes outlive assignments: a partition that was lost while a handler ran and then came back waits, in that key, until the
 * old attempt has ended.
 */
import { assert } from './assert.ts'
import { Fifo } from './fifo.ts'

/** What a lane sees of its members. */
export interface LaneMember {
  /** Null: a lane of its own. */
  readonly lane: string | null
  /** The line its lane stands in while this member is the first. */
  readonly line: string
}

interface Lane<T> {
  readonly key: string | null
  readonly waiting: Fifo<T>
  /** The member that was given out and has not come back. */
  out: T | null
}

export class Lanes<T extends LaneMember> {
  readonly #byKey = new Map<string, Lane<T>>()
  readonly #ready = new Map<string, Fifo<Lane<T>>>()
  readonly #out = new Map<T, Lane<T>>()
  #readyCount = 0

  /** How many lanes could give a member now. */
  get ready(): number {
    return this.#readyCount
  }

  /** How many members are given out. */
  get out(): number {
    return this.#out.size
  }

  /** Whether a member of this lane is out. */
  closed(key: string | null): boolean {
    const lane = key === null ? undefined : this.#byKey.get(key)
    return lane !== undefined && lane.out !== null
  }

  /** Lines that have a lane standing in them. */
  *lines(): Iterable<string> {
    for (const [line, lanes] of this.#ready) if (lanes.size > 0) yield line
  }

  add(member: T): void {
    const lane = this.#laneOf(member)
    lane.waiting.push(member)
    if (lane.out === null && lane.waiting.size === 1) this.#enqueue(lane, member.line)
  }

  /** Gives out the first member of the lane that has stood longest in that line; its lane is closed until `done` or `again`. */
  take(line: string): T | undefined {
    const standing = this.#ready.get(line)
    const lane = standing?.shift()
    if (standing === undefined || lane === undefined) return undefined
    if (this.#ready.size > 1) {
      // To the end of the lines, so that one handler does not always come before the others.
      this.#ready.delete(line)
      this.#ready.set(line, standing)
    }
    this.#readyCount--
    const member = lane.waiting.shift()
    assert(member !== undefined && lane.out === null, 'a ready lane has a member and none of it is out')
    lane.out = member
    this.#out.set(member, lane)
    return member
  }

  /** The member is settled, or nobody waits for it: its lane goes on with the next one. */
  done(member: T): void {
    const lane = this.#out.get(member)
    assert(lane !== undefined, 'only a member that is out can be done')
    this.#out.delete(member)
    lane.out = null
    const next = lane.waiting.peek()
    if (next !== undefined) this.#enqueue(lane, next.line)
    else if (lane.key !== null) this.#byKey.delete(lane.key)
  }

  /** The member is to be given out again, before all that follow it in its lane. `line` may have changed. */
  again(member: T): void {
    const lane = this.#out.get(member)
    assert(lane !== undefined, 'only a member that is out can come back')
    this.#out.delete(member)
    lane.out = null
    lane.waiting.unshift(member)
    this.#enqueue(lane, member.line)
  }

  /** Forgets all that waits. What is out stays out, and keeps its lane closed. */
  clear(): void {
    this.#ready.clear()
    this.#readyCount = 0
    for (const lane of this.#byKey.values()) {
      lane.waiting.clear()
      if (lane.out === null && lane.key !== null) this.#byKey.delete(lane.key)
    }
  }

  #laneOf(member: T): Lane<T> {
    const key = member.lane
    if (key === null) return { key, waiting: new Fifo(), out: null }
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const lane: Lane<T> = { key, waiting: new Fifo(), out: null }
    this.#byKey.set(key, lane)
    return lane
  }

  #enqueue(lane: Lane<T>, line: string): void {
    const standing = this.#ready.get(line)
    if (standing !== undefined) standing.push(lane)
    else {
      const first = new Fifo<Lane<T>>()
      first.push(lane)
      this.#ready.set(line, first)
    }
    this.#readyCount++
  }
}
