/** kafkajs' batches become answers of the port. */
import type { Batch, IHeaders, KafkaMessage } from 'kafkajs'
import type { Headers, PartitionAnswer, RawRecord } from '../../consumer/ports.ts'
import { safeOffset } from './offset.ts'
import type { Part } from './partitions.ts'

/** The fields of kafkajs' Batch that its types leave out. */
interface BatchInsides {
  readonly fetchedOffset: string
  readonly rawMessages: KafkaMessage[]
  readonly messagesWithinOffset: KafkaMessage[]
}

function insidesOf(batch: Batch): BatchInsides {
  // Boundary: public fields of the class in the pinned version; the tests on a real broker fail without them.
  return batch as Batch & BatchInsides
}

/** The offset that was asked for. */
export function fetchedOffsetOf(batch: Batch): number {
  return safeOffset(insidesOf(batch).fetchedOffset)
}

/** What the batch holds from the part's position on; null when that is nothing. */
export function answerOf(batch: Batch, part: Part): PartitionAnswer | null {
  const positionBefore = Math.max(part.position ?? 0, fetchedOffsetOf(batch))
  const positionAfter = safeOffset(batch.lastOffset()) + 1
  if (positionAfter <= positionBefore) return null
  const records: RawRecord[] = []
  let bytes = 0
  for (const message of batch.messages) {
    const offset = safeOffset(message.offset)
    // The broker answers with whole batches; after a join they may begin below what the listener has been given.
    if (offset < positionBefore) continue
    records.push(recordOf(message, offset))
    bytes += (message.key?.length ?? 0) + (message.value?.length ?? 0)
  }
  const highWatermark = safeOffset(batch.highWatermark)
  // kafkajs keeps the log's start of an answer to itself.
  return { assignment: part.assignment, positionBefore, positionAfter, records, bytes, highWatermark, logStart: null }
}

/**
 * kafkajs' closures over a batch outlive it, and through its messages they would pin the whole answer of the broker. They
 * need the last message's offset and nothing else.
 */
export function slim(batch: Batch): void {
  const { rawMessages, messagesWithinOffset } = insidesOf(batch)
  for (const messages of [rawMessages, messagesWithinOffset, batch.messages]) {
    messages.splice(0, messages.length - 1)
    for (const message of messages) {
      message.key = null
      message.value = null
      delete message.headers
    }
  }
}

function recordOf(message: KafkaMessage, offset: number): RawRecord {
  return {
    offset,
    timestampMs: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: message.headers === undefined ? [] : pairsOf(message.headers),
  }
}

/**
 * kafkajs gathers repeated names in an array, so the order between different names is the one thing that is lost. For a name
 * that every object has (`constructor`) it finds that first, and puts it into the array, too.
 */
function pairsOf(headers: IHeaders): Headers {
  const pairs: [string, Uint8Array | null][] = []
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each === null || each instanceof Uint8Array) pairs.push([name, each])
    }
  }
  return pairs
}
