/** One kafkajs instance: where, as whom, how patient, and what becomes of its log lines. */
import type { Kafka, RetryOptions } from 'kafkajs'
import kafkajs from 'kafkajs'
import { patchKafkajs } from './insides.ts'
import { kafkajsLog, type Sign } from './log.ts'
import { mechanismOf } from './logins.ts'
import type { KafkaConnection } from './options.ts'
import { Sockets } from './sockets.ts'

/** A consumer never gives up: a broker that comes back finds the same member, and nothing is delivered twice. */
export const RETRY_FOR_EVER = { retries: 1_000_000, initialRetryTime: 100, maxRetryTime: 1_000 } as const
/** Everybody else is asked again by us, with a new client. */
export const RETRY_BRIEFLY = { retries: 2, initialRetryTime: 100, maxRetryTime: 500 } as const

const CONNECTION_TIMEOUT_MS = 3_000
/** A frozen broker is noticed after this. Below the deadline of a commit, so that a commit is over when its time is. */
const REQUEST_TIMEOUT_MS = 5_000
/** Where it reaches the session's whole lifetime, every request authenticates anew and they collide: well below any real one. */
const REAUTHENTICATION_THRESHOLD_MS = 3_000

export interface Client {
  readonly kafka: Kafka
  readonly sockets: Sockets
  /** Ends endless attempts to connect: from here on there are no brokers to try. */
  giveUp(): void
}

export function kafkaClient(
  connection: KafkaConnection,
  retry: RetryOptions,
  hear: (sign: Sign) => void = () => {},
): Client {
  patchKafkajs()
  let brokers: readonly string[] = connection.brokers
  const { security } = connection
  const sockets = new Sockets(connection.clock, security)
  const sasl = security === null ? null : mechanismOf(security)
  const kafka = new kafkajs.Kafka({
    // kafkajs asks at every attempt, and an empty list is the one answer that it does not retry.
    brokers: () => [...brokers],
    clientId: connection.clientId,
    socketFactory: sockets.factory,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    reauthenticationThreshold: REAUTHENTICATION_THRESHOLD_MS,
    retry,
    // All levels come in, since one of the signs is a debug line; the log's own level decides what is written.
    logLevel: kafkajs.logLevel.DEBUG,
    logCreator: kafkajsLog(connection, hear),
    // Nothing of TLS is said to kafkajs: it only hands on to the socket factory what it was given once.
    ...(sasl === null ? {} : { sasl }),
  })
  return {
    kafka,
    sockets,
    giveUp() {
      brokers = []
    },
  }
}
