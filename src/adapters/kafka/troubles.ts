/**
 * What keeps one partition from being read on, while the others go on: each kind has its cure, its patience and its sentence. A
 * partition in trouble is not fetched (an error is answered at once, and the loop would spin), and tried again from time to time.
 */
import { describe } from '../../consumer/errors.ts'
import type { Clock, Log } from '../../consumer/ports.ts'
import type { Forbidden } from './forbidden.ts'
import type { Part } from './partitions.ts'
import { readingRefused } from './permissions.ts'
import { rest } from './time.ts'
import type { Voice } from './voice.ts'

/** The protocol's error codes that a Fetch of version 11 answers for one partition. Source: the protocol's list of errors. */
const CODES: Readonly<Record<number, { readonly name: string; readonly kind: Kind }>> = {
  [-1]: { name: 'UNKNOWN_SERVER_ERROR', kind: 'broker' },
  1: { name: 'OFFSET_OUT_OF_RANGE', kind: 'out of range' },
  2: { name: 'CORRUPT_MESSAGE', kind: 'broker' },
  3: { name: 'UNKNOWN_TOPIC_OR_PARTITION', kind: 'moved' },
  5: { name: 'LEADER_NOT_AVAILABLE', kind: 'moved' },
  6: { name: 'NOT_LEADER_OR_FOLLOWER', kind: 'moved' },
  9: { name: 'REPLICA_NOT_AVAILABLE', kind: 'moved' },
  29: { name: 'TOPIC_AUTHORIZATION_FAILED', kind: 'permission' },
  56: { name: 'KAFKA_STORAGE_ERROR', kind: 'moved' },
  74: { name: 'FENCED_LEADER_EPOCH', kind: 'moved' },
  75: { name: 'UNKNOWN_LEADER_EPOCH', kind: 'moved' },
  76: { name: 'UNSUPPORTED_COMPRESSION_TYPE', kind: 'broker' },
  78: { name: 'OFFSET_NOT_AVAILABLE', kind: 'moved' },
}

const FORBIDDEN = 29

type Kind =
  /** Another broker leads it now, or none does for the moment. */
  | 'moved'
  | 'out of range'
  | 'permission'
  /** Anything else that the broker says. */
  | 'broker'
  /** The broker gives bytes, and they are no records. */
  | 'unreadable'
  /** What the broker gives contradicts itself or what it gave before: damage on the way, or a moment's race. */
  | 'doubted'

/** Milliseconds: the first wait, the longest, and after how long it is said (a leader that moves is back in a moment). */
const PATIENCE: Readonly<
  Record<Kind, { readonly initialMs: number; readonly maxMs: number; readonly saidAfterMs: number }>
> = {
  moved: { initialMs: 200, maxMs: 5_000, saidAfterMs: 5_000 },
  'out of range': { initialMs: 0, maxMs: 5_000, saidAfterMs: 5_000 },
  permission: { initialMs: 5_000, maxMs: 30_000, saidAfterMs: 0 },
  broker: { initialMs: 1_000, maxMs: 30_000, saidAfterMs: 0 },
  unreadable: { initialMs: 1_000, maxMs: 30_000, saidAfterMs: 0 },
  doubted: { initialMs: 200, maxMs: 5_000, saidAfterMs: 5_000 },
}

interface Trouble {
  readonly kind: Kind
  readonly sinceMs: number
  tries: number
  said: string | null
}

export interface TroublesOptions {
  readonly clock: Clock
  readonly log: Log
  readonly voice: Voice
  readonly forbidden: Forbidden
  readonly signal: AbortSignal
  /** What kafkajs is to fetch has changed. */
  readonly apply: (parts: readonly Part[]) => void
  readonly isLive: (part: Part) => boolean
  /** Rejects where we may not see the topic. */
  readonly refreshMetadata: (topic: string) => Promise<void>
  /** Finds out where the log begins and ends, and what follows. */
  readonly reposition: (part: Part) => Promise<void>
}

export class Troubles {
  readonly #options: TroublesOptions
  readonly #troubles = new Map<Part, Trouble>()

  constructor(options: TroublesOptions) {
    this.#options = options
  }

  /** The broker answered an error for this partition. */
  answered(part: Part, errorCode: number): void {
    const { name, kind } = CODES[errorCode] ?? { name: `error ${errorCode}`, kind: 'broker' }
    const { topic } = part.assignment
    const why = kind === 'permission' ? readingRefused([topic]) : `the broker answers ${name} to every fetch`
    part.isOutOfRange = kind === 'out of range'
    this.#met(part, kind, why)
  }

  /** We may not see these partitions, and would not even be answered. */
  hidden(parts: readonly Part[]): void {
    // One that was cured and not fetched since has nobody who looks after it.
    const isHeld = (part: Part) => part.trouble !== null && this.#troubles.get(part)?.kind === 'permission'
    for (const part of parts) if (!isHeld(part)) this.answered(part, FORBIDDEN)
  }

  /** We may see them again: the cure need not wait for its time. */
  shown(parts: readonly Part[]): void {
    for (const part of parts) {
      const known = this.#troubles.get(part)
      if (known?.kind !== 'permission') continue
      // Another object: the cure of before is over.
      const trouble = { ...known, tries: 0 }
      this.#troubles.set(part, trouble)
      void this.#cure(part, trouble, 0)
    }
  }

  doubted(part: Part, why: string): void {
    this.#met(part, 'doubted', why)
  }

  unreadable(part: Part, why: string): void {
    this.#met(part, 'unreadable', why)
  }

  /** An answer without records and without an error. Of records that cannot be read it says nothing: where an answer is full, it leaves partitions empty. */
  idle(part: Part | null): void {
    if (part === null || part.trouble !== null) return
    if (this.#troubles.get(part)?.kind !== 'unreadable') this.over(part)
  }

  /** It can be read again. */
  over(part: Part): void {
    const trouble = this.#troubles.get(part)
    if (trouble === undefined) return
    this.#troubles.delete(part)
    part.isOutOfRange = false
    this.#options.forbidden.over(part)
    if (trouble.said === null) return
    this.#options.voice.held({ assignment: part.assignment, why: null })
    this.#options.log.info({ ...part.assignment }, 'the partition can be read again')
  }

  /** Nothing of before counts: these are gone. */
  forget(parts: readonly Part[]): void {
    for (const part of parts) {
      this.#troubles.delete(part)
      this.#options.forbidden.over(part)
    }
  }

  #met(part: Part, kind: Kind, why: string): void {
    const { clock, apply } = this.#options
    const known = this.#troubles.get(part)
    const trouble = known?.kind === kind ? known : { kind, sinceMs: clock.nowMs(), tries: 0, said: known?.said ?? null }
    this.#troubles.set(part, trouble)
    if (kind === 'permission') this.#options.forbidden.refused(part)
    else this.#options.forbidden.over(part)
    part.trouble = why
    apply([part])
    this.#say(part, trouble, why)
    void this.#cure(part, trouble, PATIENCE[kind].initialMs)
  }

  #say(part: Part, trouble: Trouble, why: string): void {
    const { clock, log, voice } = this.#options
    if (trouble.said === why || clock.nowMs() - trouble.sinceMs < PATIENCE[trouble.kind].saidAfterMs) return
    trouble.said = why
    log.error({ ...part.assignment, position: part.position }, `the partition is held: ${why}`)
    voice.held({ assignment: part.assignment, why })
  }

  async #cure(part: Part, trouble: Trouble, firstMs: number): Promise<void> {
    const { clock, log, signal, apply, isLive } = this.#options
    const { initialMs, maxMs } = PATIENCE[trouble.kind]
    for (;;) {
      await rest(
        clock,
        trouble.tries === 0 ? firstMs : Math.min(maxMs, Math.max(initialMs, 100) * 2 ** trouble.tries),
        signal,
      )
      trouble.tries++
      if (signal.aborted || !isLive(part) || this.#troubles.get(part) !== trouble) return
      try {
        await this.#tryToCure(part, trouble.kind)
        break
      } catch (error) {
        log.debug(
          { ...part.assignment, error: describe(error) },
          'what is wrong with a partition could not be found out; trying again',
        )
      }
    }
    if (!isLive(part) || this.#troubles.get(part) !== trouble) return
    // The next fetch tells whether it helped.
    part.trouble = null
    apply([part])
  }

  async #tryToCure(part: Part, kind: Kind): Promise<void> {
    switch (kind) {
      case 'moved':
      case 'permission':
      case 'broker':
      case 'unreadable':
      case 'doubted':
        return await this.#options.refreshMetadata(part.assignment.topic)
      case 'out of range':
        return await this.#options.reposition(part)
      default:
        kind satisfies never
    }
  }
}
