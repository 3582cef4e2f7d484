/** Dead letters in Kafka. See dead-letter-record.ts for what stands in the topic. */
import { Misconfigured } from '../../consumer/errors.ts'
import type { DeadLetter, DeadLetters } from '../../consumer/ports.ts'
import { Questions } from './admin.ts'
import { DeadLetterOutlet } from './dead-letter-outlet.ts'
import { bytesOf, messageOf } from './dead-letter-record.ts'
import { deadLetterTopic, unreadText } from './dead-letter-topics.ts'
import { ourErrorOf } from './faults.ts'
import type { KafkaDeadLettersOptions } from './options.ts'

/** A request is one batch, and a topic limits a batch: below half of Kafka's default, compression not counted. */
const REQUEST_BYTES_MAX = 480 * 1024

export function kafkaDeadLetters(options: KafkaDeadLettersOptions): DeadLetters {
  return new KafkaDeadLetters(options)
}

interface Destination {
  readonly outlet: DeadLetterOutlet
  readonly partitions: number
}

class KafkaDeadLetters implements DeadLetters {
  readonly #options: KafkaDeadLettersOptions
  readonly #questions: Questions
  /** By source topic. */
  readonly #destinations = new Map<string, Destination>()
  /** By dead letter topic: several source topics may share one. */
  readonly #outlets = new Map<string, DeadLetterOutlet>()
  /** Topics whose configuration may not be read. */
  readonly #unread = new Set<string>()
  #stopped: Promise<void> | null = null

  constructor(options: KafkaDeadLettersOptions) {
    this.#options = options
    this.#questions = new Questions(options)
  }

  async start(): Promise<void> {
    try {
      for (const topic of this.#options.topics) await this.#destinationOf(topic)
      await Promise.all([...this.#outlets.values()].map(outlet => outlet.connect()))
      this.#sayUnread()
    } finally {
      await this.#questions.close()
    }
  }

  async write(letters: readonly DeadLetter[]): Promise<void> {
    const [first] = letters
    if (first === undefined) return
    const { outlet, partitions } = await this.#destinationOf(first.topic)
    for (const request of requestsOf(letters)) {
      await outlet.send(
        first.partition % partitions,
        request.map(letter => messageOf(letter, this.#options.group)),
      )
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#close()
    return this.#stopped
  }

  /** Once, however many tries the start takes. */
  #sayUnread(): void {
    const unread = unreadText(this.#unread)
    if (unread !== null) this.#options.log.warn({}, unread)
    this.#unread.clear()
  }

  async #close(): Promise<void> {
    await Promise.all([this.#questions.close(), ...[...this.#outlets.values()].map(outlet => outlet.close())])
  }

  async #destinationOf(topic: string): Promise<Destination> {
    if (this.#stopped !== null) throw new Misconfigured('the dead letter writer was stopped')
    const known = this.#destinations.get(topic)
    if (known !== undefined) return known
    const name = this.#options.topicFor(topic)
    let partitions: number
    try {
      const options = { ...this.#options, unread: this.#unread }
      partitions = await this.#questions.ask(admin => deadLetterTopic(admin, topic, options))
    } catch (error) {
      throw ourErrorOf(error, `looking for dead letter topic ${name}`)
    }
    const outlet = this.#outlets.get(name) ?? new DeadLetterOutlet(name, this.#options)
    this.#outlets.set(name, outlet)
    const destination = { outlet, partitions }
    this.#destinations.set(topic, destination)
    return destination
  }
}

function requestsOf(letters: readonly DeadLetter[]): DeadLetter[][] {
  const requests: DeadLetter[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const letter of letters) {
    const weight = bytesOf(letter)
    if (bytes + weight > REQUEST_BYTES_MAX) {
      requests.push([])
      bytes = 0
    }
    requests.at(-1)?.push(letter)
    bytes += weight
  }
  return requests
}
