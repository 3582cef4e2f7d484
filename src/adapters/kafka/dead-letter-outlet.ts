/** One dead letter topic and its producer. */
import type { Message, Producer } from 'kafkajs'
import kafkajs from 'kafkajs'
import { DeadLetterNotWritten, describe, Misconfigured, Unavailable } from '../../consumer/errors.ts'
import { kafkaClient } from './client.ts'
import { faultOf, ourErrorOf, protocolErrorOf } from './faults.ts'
import type { KafkaDeadLettersOptions } from './options.ts'
import { writingRefused } from './permissions.ts'
import { LATE, within } from './time.ts'

/** Enough for a leader to move; then whoever holds the partition decides. */
const RETRY = { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000 } as const
/** The broker's own wait for its replicas: shorter than a request may take, so that it is the broker who says so. */
const REPLICAS_TIMEOUT_MS = 4_000
const SEND_TIMEOUT_MS = 30_000
const CLOSE_TIMEOUT_MS = 5_000

export class DeadLetterOutlet {
  readonly #topic: string
  readonly #options: KafkaDeadLettersOptions
  #producer: { producer: Producer; connected: Promise<void> } | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(topic: string, options: KafkaDeadLettersOptions) {
    this.#topic = topic
    this.#options = options
  }

  /** Rejects with `Unavailable` or `Misconfigured`. */
  async connect(): Promise<void> {
    try {
      await this.#connected()
    } catch (error) {
      await this.close()
      throw this.#ours(error)
    }
  }

  /**
   * One after the other: kafkajs counts an idempotent producer's sequence back when a send fails. Another send beside or after
   * it would be given the same number, and a broker that did take the first would answer that it has the second already.
   */
  send(partition: number, messages: readonly Message[]): Promise<void> {
    const sent = this.#last.then(() => this.#send(partition, messages))
    this.#last = sent.catch(() => {
      // Whoever sent it is told; the next one only waits for the end.
    })
    return sent
  }

  async close(): Promise<void> {
    const open = this.#producer
    this.#producer = null
    if (open === null) return
    const closed = open.producer.disconnect().catch((error: unknown) => {
      this.#options.log.debug({ error: describe(error) }, 'a dead letter producer did not disconnect properly')
    })
    await within(this.#options.clock, CLOSE_TIMEOUT_MS, closed)
  }

  async #send(partition: number, messages: readonly Message[]): Promise<void> {
    try {
      const producer = await this.#connected()
      // All for one partition: kafkajs loses acknowledged records when one `send` spans several and a leader moves.
      const sending = producer.send({
        topic: this.#topic,
        acks: -1,
        timeout: REPLICAS_TIMEOUT_MS,
        compression: kafkajs.CompressionTypes.GZIP,
        messages: messages.map(message => ({ ...message, partition })),
      })
      const answers = await within(this.#options.clock, SEND_TIMEOUT_MS, sending)
      if (answers === LATE)
        throw new Unavailable('kafka', `${this.#topic}/${partition} gave no answer within ${SEND_TIMEOUT_MS} ms`)
      const isTaken = answers.some(
        answer => answer.topicName === this.#topic && answer.partition === partition && answer.errorCode === 0,
      )
      if (!isTaken) throw new DeadLetterNotWritten(`the brokers' answer does not name ${this.#topic}/${partition}`)
    } catch (error) {
      // A new producer has a new identity: its numbers cannot be taken for those of what failed.
      await this.close()
      throw this.#ours(error)
    }
  }

  async #connected(): Promise<Producer> {
    let open = this.#producer
    if (open === null) {
      const { kafka } = kafkaClient(this.#options, RETRY)
      const producer = kafka.producer({
        idempotent: true,
        allowAutoTopicCreation: false,
        retry: RETRY,
        createPartitioner: () => chosenPartition,
      })
      open = { producer, connected: producer.connect() }
      this.#producer = open
    }
    if ((await within(this.#options.clock, SEND_TIMEOUT_MS, open.connected)) === LATE)
      throw new Unavailable('kafka', 'no connection in time')
    return open.producer
  }

  #ours(error: unknown): Error {
    if (error instanceof DeadLetterNotWritten) return error
    const topic = `dead letter topic ${this.#topic}`
    const fault = faultOf(error)
    switch (fault) {
      case 'missing-topic':
        return new Misconfigured(`${topic} does not exist`, { cause: error })
      case 'permission':
        return new Misconfigured(writingRefused(this.#topic, protocolErrorOf(error)), { cause: error })
      case 'credentials':
      case 'fatal':
        return ourErrorOf(error, `writing to ${topic}`)
      case 'unreachable':
      case 'client':
        return protocolErrorOf(error) === null
          ? ourErrorOf(error, `writing to ${topic}`)
          : new DeadLetterNotWritten(`${topic} did not take it: ${describe(error)}`, { cause: error })
      default:
        return fault satisfies never
    }
  }
}

/** Every message brings its own. */
function chosenPartition({ message }: { message: Message }): number {
  return message.partition ?? 0
}
