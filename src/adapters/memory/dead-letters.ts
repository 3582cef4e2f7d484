/** Dead letters in memory: taken in order, or refused, as a test wants it. */
import type { DeadLetter, DeadLetters } from '../../consumer/ports.ts'

export interface WrittenLetter extends DeadLetter {
  /** The same however often it is written. */
  readonly id: string
}

export interface MemoryDeadLetters extends DeadLetters {
  /** In the order in which they were taken; a letter may stand more than once. */
  readonly written: readonly WrittenLetter[]
  /** Every `start` and `write` rejects with it; null: they are taken again. */
  refuse(error: Error | null): void
  /** Writes neither take nor answer anything until `release`. */
  hold(): void
  release(): void
}

const ERROR_BYTES_MAX = 1024

export function memoryDeadLetters({ group = 'group' } = {}): MemoryDeadLetters {
  const written: WrittenLetter[] = []
  let refusal: Error | null = null
  let gate: PromiseWithResolvers<void> | null = null
  const passGate = async (): Promise<void> => {
    await gate?.promise
    if (refusal !== null) throw refusal
  }
  return {
    written,
    start: passGate,
    async write(letters) {
      await passGate()
      for (const letter of letters) {
        const { topic, partition, record } = letter
        written.push({ ...letter, error: cutText(letter.error), id: `${topic}/${partition}/${record.offset}/${group}` })
      }
    },
    async stop() {
      gate?.resolve()
    },
    refuse(error) {
      refusal = error
    },
    hold() {
      gate ??= Promise.withResolvers<void>()
    },
    release() {
      gate?.resolve()
      gate = null
    },
  }
}

/** At most 1 KiB of UTF-8, in whole characters. */
function cutText(text: string): string {
  let bytes = 0
  let cut = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > ERROR_BYTES_MAX) break
    cut += character
  }
  return cut
}
