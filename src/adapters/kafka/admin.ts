/** Questions to the cluster, beside the consumer: each bounded, and after a failure with a new client. */
import type { Admin } from 'kafkajs'
import { Unavailable } from '../../consumer/errors.ts'
import { kafkaClient, RETRY_BRIEFLY } from './client.ts'
import type { KafkaConnection } from './options.ts'
import { LATE, within } from './time.ts'

const ANSWER_TIMEOUT_MS = 10_000
const DISCONNECT_TIMEOUT_MS = 5_000

export class Questions {
  readonly #connection: KafkaConnection
  #open: { admin: Admin; connected: Promise<void> } | null = null

  constructor(connection: KafkaConnection) {
    this.#connection = connection
  }

  /** Rejects with kafkajs' error, or with `Unavailable` when there is no answer in time. */
  async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const open = this.#open ?? this.#connect()
    this.#open = open
    try {
      const asked = open.connected.then(() => question(open.admin))
      const answer = await within(this.#connection.clock, ANSWER_TIMEOUT_MS, asked)
      if (answer === LATE) throw new Unavailable('kafka', `no answer within ${ANSWER_TIMEOUT_MS} ms`)
      return answer
    } catch (error) {
      // kafkajs' pool may hold on to a broker that is gone; a new client finds its way from the first addresses.
      if (this.#open === open) await this.close()
      throw error
    }
  }

  /** Safe at any time; the next question connects again. */
  async close(): Promise<void> {
    const open = this.#open
    this.#open = null
    if (open === null) return
    const closed = open.admin.disconnect().catch(() => {
      // Nothing is lost with a connection that cannot be closed properly.
    })
    await within(this.#connection.clock, DISCONNECT_TIMEOUT_MS, closed)
  }

  #connect(): { admin: Admin; connected: Promise<void> } {
    const admin = kafkaClient(this.#connection, RETRY_BRIEFLY).kafka.admin()
    return { admin, connected: admin.connect() }
  }
}
