/** Dead letters in memory: taken in order, or refused, as a test wants it. */
import { DeadLetterNotWritten } from '../../consumer/errors.ts'
import type { DeadLetter, DeadLetters } from '../../consumer/ports.ts'
import { Link, type Network } from './link.ts'

export interface WrittenLetter extends DeadLetter {
  /** The same however often it is written. */
  readonly id: string
}

/** What takes the letters. Processes share one; each has a writer of its own. */
export interface MemoryDeadLetterTopic {
  /** In the order in which they were taken; a letter may stand more than once. */
  readonly written: readonly WrittenLetter[]
  /** Every `start` and `write` rejects with it; null: they are taken again. */
  refuse(error: Error | null): void
  /** Writes neither take nor answer anything until `release`. */
  hold(): void
  release(): void
  /** The next write is taken, and its writer is never told. */
  loseAnswer(): void
}

export interface MemoryDeadLetters extends DeadLetters, MemoryDeadLetterTopic {}

export interface DeadLetterTopicOptions {
  readonly group?: string
  /** Called for each letter that is taken. */
  readonly onWritten?: (letter: WrittenLetter) => void
}

export interface MemoryDeadLettersOptions {
  readonly group?: string
  /** Default: one of its own. */
  readonly topic?: DeadLetterTopic
  /** Default: everything is answered at once. */
  readonly network?: Network
}

const ERROR_BYTES_MAX = 1024

export class DeadLetterTopic implements MemoryDeadLetterTopic {
  readonly written: WrittenLetter[] = []
  readonly #options: DeadLetterTopicOptions
  #refusal: Error | null = null
  #gate: PromiseWithResolvers<void> | null = null
  #answersToLose = 0

  constructor(options: DeadLetterTopicOptions = {}) {
    this.#options = options
  }

  async pass(): Promise<void> {
    await this.#gate?.promise
    if (this.#refusal !== null) throw this.#refusal
  }

  async take(letters: readonly DeadLetter[]): Promise<void> {
    await this.pass()
    const { group = 'group', onWritten } = this.#options
    for (const letter of letters) {
      const { topic, partition, record } = letter
      const id = `${topic}/${partition}/${record.offset}/${group}`
      const written = { ...letter, error: cutText(letter.error), id }
      this.written.push(written)
      onWritten?.(written)
    }
    if (this.#answersToLose === 0) return
    this.#answersToLose--
    throw new DeadLetterNotWritten('the answer to a write got lost, as asked for')
  }

  refuse(error: Error | null): void {
    this.#refusal = error
  }

  hold(): void {
    this.#gate ??= Promise.withResolvers<void>()
  }

  release(): void {
    this.#gate?.resolve()
    this.#gate = null
  }

  loseAnswer(): void {
    this.#answersToLose++
  }
}

export function memoryDeadLetters({
  group = 'group',
  topic = new DeadLetterTopic({ group }),
  network = null,
}: MemoryDeadLettersOptions = {}): MemoryDeadLetters {
  const link = new Link(network)
  return {
    written: topic.written,
    start: () => link.ask(() => topic.pass()),
    write: letters => link.ask(() => topic.take(letters)),
    // A writer that stops waits for nobody.
    stop: async () => {
      if (network === null) topic.release()
    },
    refuse: error => topic.refuse(error),
    hold: () => topic.hold(),
    release: () => topic.release(),
    loseAnswer: () => topic.loseAnswer(),
  }
}

/** At most 1 KiB of UTF-8, in whole characters. */
function cutText(text: string): string {
  if (text.length * 3 <= ERROR_BYTES_MAX) return text
  let bytes = 0
  let cut = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > ERROR_BYTES_MAX) break
    cut += character
  }
  return cut
}
