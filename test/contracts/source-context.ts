/** What the contract of a record source stands on: the world around it, and the words of its tests. */
import type { Headers, RecordSource } from '../../src/consumer/ports.ts'
import { bytes } from '../support/bytes.ts'
import type { Listening } from './listening.ts'

export interface TestRecord {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: Headers
  readonly timestampMs?: number
}

export interface TestSourceOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly startFrom?: 'earliest' | 'latest'
}

/** The world around a source. */
export interface SourceHarness {
  readonly freshName: () => string
  readonly createTopic: (name: string, partitions: number) => Promise<void>
  readonly deleteTopic: (name: string) => Promise<void>
  readonly append: (topic: string, partition: number, records: readonly TestRecord[]) => Promise<void>
  /** Offsets without a record for a reader. */
  readonly appendAborted: (topic: string, partition: number, count: number) => Promise<void>
  readonly removeBefore: (topic: string, partition: number, offset: number) => Promise<void>
  readonly committed: (
    group: string,
    topic: string,
    partition: number,
  ) => Promise<{ nextOffset: number; metadata: string } | null>
  readonly source: (options: TestSourceOptions) => RecordSource
  /** The coordinator forgets all members of the group. */
  readonly expelAll: (group: string) => Promise<void>
  /** Time passes until it holds; rejects when it never does. */
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>
  /** So much time passes. */
  readonly pass: (ms: number) => Promise<void>
}

export interface Consuming {
  readonly source: RecordSource
  readonly listening: Listening
  readonly group: string
}

export interface Context {
  readonly harness: () => SourceHarness
  /** A source that was started. Where no group is given it is alone in a new one. */
  readonly begin: (options: Omit<TestSourceOptions, 'group'> & { readonly group?: string }) => Promise<Consuming>
  /** Stops it. */
  readonly leave: (consuming: Consuming) => Promise<void>
  readonly topicOf: (partitions: number) => Promise<string>
  readonly until: SourceHarness['until']
  readonly pass: (ms: number) => Promise<void>
}

export const numbered = (count: number, prefix = 'v'): TestRecord[] =>
  Array.from({ length: count }, (_, index) => ({ value: bytes(`${prefix}${index}`) }))
