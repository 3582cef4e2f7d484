/** kafkajs' log lines become ours: fewer, without payloads; and the few that say what no event says are heard as signs. */
import type { LogEntry, logCreator } from 'kafkajs'
import kafkajs from 'kafkajs'
import type { Clock, Log } from '../../consumer/ports.ts'

/** What only a log line of kafkajs tells. `test/adapters/kafka/insides.test.ts` holds that its sources still say so. */
export type Sign =
  /** The coordinator no longer knows this member; it joins again under a new id. */
  | { readonly kind: 'expelled' }
  /** The fetch loop failed and tries again, for the nth time in a row. */
  | { readonly kind: 'fetch-failed'; readonly error: string; readonly times: number }

export const SIGN_MESSAGES = {
  expelled: 'The coordinator is not aware of this member, re-joining the group',
  fetchFailed: 'Error while scheduling fetch manager, trying again...',
} as const

/** The same line is not written again for so long: with a dead broker kafkajs says the same twice a second. */
const REPEAT_MS = 10_000
const REMEMBERED_MAX = 200
/** Everything else that kafkajs attaches may hold what is none of a log's business: requests, assignments, stacks. */
const FIELDS = ['broker', 'topic', 'partition', 'groupId', 'memberId', 'error', 'retryCount', 'retryTime'] as const

const IGNORED = new Set([
  // Said at every start of a producer that does not retry for ever. Ours must not; it takes a new identity after a failure.
  'Limiting retries for the idempotent producer may invalidate EoS guarantees',
  // A stop that meets a join ends it so; it is no crash.
  'Crash: KafkaJSNonRetriableError: the consumer is stopping',
])

export function kafkajsLog({ log, clock }: { log: Log; clock: Clock }, hear: (sign: Sign) => void): logCreator {
  const saidAtMs = new Map<string, number>()
  const isNews = (line: string): boolean => {
    const last = saidAtMs.get(line)
    if (last !== undefined && clock.nowMs() < last + REPEAT_MS) return false
    if (saidAtMs.size >= REMEMBERED_MAX) saidAtMs.clear()
    saidAtMs.set(line, clock.nowMs())
    return true
  }
  return () => entry => {
    const sign = signOf(entry)
    if (sign !== null) hear(sign)
    if (IGNORED.has(entry.log.message)) return
    const line = `kafkajs ${entry.namespace}: ${entry.log.message}`
    // Its errors are mostly one of many retries: what they come to is said by us, as an error where it is one.
    if (entry.level > kafkajs.logLevel.WARN || isAnswer(entry)) log.debug(fieldsOf(entry), line)
    else if (isNews(line)) log.warn(fieldsOf(entry), line)
  }
}

/** An error code in an answer: whoever asked is told, and says what it comes to. */
function isAnswer({ namespace, log: { message } }: LogEntry): boolean {
  return namespace === 'Connection' && message.startsWith('Response ')
}

function signOf({ log: { message, ...extra } }: LogEntry): Sign | null {
  const fields: Record<string, unknown> = extra
  switch (message) {
    case SIGN_MESSAGES.expelled:
      return { kind: 'expelled' }
    case SIGN_MESSAGES.fetchFailed:
      return { kind: 'fetch-failed', error: String(fields['error']), times: Number(fields['retryCount']) + 1 }
    default:
      return null
  }
}

function fieldsOf({ log }: LogEntry): object {
  const fields: Record<string, string | number> = {}
  for (const name of FIELDS) {
    const value: unknown = log[name]
    if (typeof value === 'string' || typeof value === 'number') fields[name] = value
  }
  return fields
}
