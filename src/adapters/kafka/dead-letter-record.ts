/** A dead letter as it stands in its topic: the record byte for byte, and beside it what happened. */
import type { IHeaders, Message } from 'kafkajs'
import type { DeadLetter, Headers } from '../../consumer/ports.ts'

const DEAD_LETTER_PREFIX = 'sluice-dlt-'
/** Headers of the source record that look like ours keep their bytes under this name: nobody takes them for ours. */
const ORIGINAL_PREFIX = 'original-'
const ERROR_BYTES_MAX = 1024

/**
 * `timestamp` is in milliseconds, since a record may carry any number; `first-failed-at` and `failed-at` are ISO 8601.
 * `handler` is left out where no handler saw the record. `id` is the same however often the letter is written.
 */
export function messageOf(letter: DeadLetter, group: string): Message {
  const { topic, partition, record } = letter
  const ours: readonly (readonly [name: string, value: string | null])[] = [
    ['id', `${topic}/${partition}/${record.offset}/${group}`],
    ['topic', topic],
    ['partition', String(partition)],
    ['offset', String(record.offset)],
    ['timestamp', String(record.timestampMs)],
    ['group', group],
    ['handler', letter.handler],
    ['reason', letter.reason],
    ['error', cutText(letter.error)],
    ['attempts', String(letter.attempts)],
    ['first-failed-at', new Date(letter.firstFailedAtMs).toISOString()],
    ['failed-at', new Date(letter.failedAtMs).toISOString()],
  ]
  const headers: [string, Uint8Array | null][] = record.headers.map(([name, value]) => [
    name.startsWith(DEAD_LETTER_PREFIX) ? ORIGINAL_PREFIX + name : name,
    value,
  ])
  for (const [name, value] of ours) if (value !== null) headers.push([DEAD_LETTER_PREFIX + name, Buffer.from(value)])
  return { key: bufferOf(record.key), value: bufferOf(record.value), headers: inOrder(headers) }
}

/** What it weighs before compression, roughly: to fill a request, not to account for it. */
export function bytesOf({ record }: DeadLetter): number {
  const headers = record.headers.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0)
  return (record.key?.length ?? 0) + (record.value?.length ?? 0) + headers + 2 * ERROR_BYTES_MAX
}

/** At most 1 KiB of UTF-8, never in the middle of a character. */
function cutText(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= ERROR_BYTES_MAX) return text
  let end = ERROR_BYTES_MAX
  // 10xxxxxx continues a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** kafkajs writes anything that is not a Buffer as its text. */
function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * kafkajs takes headers as an object: names that stand more than once would lose their place among the others, and a null
 * value makes it throw. It reads an array among the values by its `map`; this one has a `map` that gives all pairs in order.
 */
function inOrder(headers: Headers): IHeaders {
  return { all: new OrderedHeaders(headers) }
}

interface WireHeader {
  readonly key: string
  readonly value: Buffer | null
}

class OrderedHeaders extends Array<Buffer> {
  readonly #headers: Headers

  constructor(headers: Headers) {
    super()
    this.#headers = headers
  }

  override map<Result>(): Result[] {
    const wire: WireHeader[] = this.#headers.map(([key, value]) =>
      value === null ? nullHeader(key) : { key, value: bufferOf(value) },
    )
    // Boundary: kafkajs' record encoder is the only caller, and these are what its own callback would have made.
    return wire as unknown as Result[]
  }
}

/** kafkajs measures a header's value before it asks whether it is null, and cannot measure null; both take one byte. */
function nullHeader(key: string): WireHeader {
  let isMeasured = false
  return {
    key,
    get value() {
      if (isMeasured) return null
      isMeasured = true
      return Buffer.alloc(0)
    },
  }
}
