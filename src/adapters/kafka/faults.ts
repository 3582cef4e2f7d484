/** What an error of kafkajs means. It wraps errors in errors: the first known sign in the chain counts. */
import kafkajs from 'kafkajs'
import { describe, Misconfigured, type TlsNames, tlsRefusal, Unavailable } from '../../consumer/errors.ts'

export type Fault =
  /** Waiting cures it: no broker, no leader, no answer. */
  | 'unreachable'
  /** A broker refuses our login or our certificate, or we refuse its: `refusalOf` says which. */
  | 'credentials'
  | 'permission'
  | 'missing-topic'
  /** The client itself stumbled: a bug of its own under a rare race, or bytes that it cannot read. A new client may cure it. */
  | 'client'
  /** Nothing but another configuration or another version cures it. */
  | 'fatal'

const PERMISSION = /^(TOPIC|GROUP|CLUSTER|TRANSACTIONAL_ID)_AUTHORIZATION_FAILED$/
const CREDENTIALS =
  /^(KafkaJSSASLAuthenticationError|SASL_AUTHENTICATION_FAILED|UNSUPPORTED_SASL_MECHANISM|ILLEGAL_SASL_STATE)$/
const CLIENT = /^(RangeError|TypeError|ReferenceError|SyntaxError)$/
const FATAL =
  /^(KafkaJSNotImplemented|KafkaJSServerDoesNotSupportApiKey|KafkaJSUnsupportedMagicByteInMessageSet|UNSUPPORTED_VERSION|INCONSISTENT_GROUP_PROTOCOL|INVALID_SESSION_TIMEOUT|INVALID_GROUP_ID|INVALID_TOPIC_EXCEPTION)$/

export function faultOf(error: unknown): Fault {
  for (const sign of signsOf(error)) {
    if (sign === 'Unavailable') return 'unreachable'
    if (sign === 'UNKNOWN_TOPIC_OR_PARTITION') return 'missing-topic'
    if (PERMISSION.test(sign)) return 'permission'
    if (CREDENTIALS.test(sign) || sign === 'Misconfigured') return 'credentials'
    if (FATAL.test(sign)) return 'fatal'
    if (CLIENT.test(sign)) return 'client'
  }
  return 'unreachable'
}

/** The broker's own name for it ("ILLEGAL_GENERATION"), where the chain holds one. */
export function protocolErrorOf(error: unknown): string | null {
  return signsOf(error).find(sign => /^[A-Z][A-Z_]+$/.test(sign)) ?? null
}

/** As errors.ts has it. `doing` completes "while …", a gerund: "writing to orders.dlt". */
export function ourErrorOf(error: unknown, doing: string): Misconfigured | Unavailable {
  if (error instanceof Misconfigured || error instanceof Unavailable) return error
  const fault = faultOf(error)
  switch (fault) {
    case 'unreachable':
    case 'client':
      return new Unavailable('kafka', error)
    case 'credentials':
      return new Misconfigured(`while ${doing}: ${refusalOf(error)}`, { cause: error })
    case 'permission':
      return new Misconfigured(`Kafka does not permit ${doing}: ${describe(error)}`, { cause: error })
    case 'missing-topic':
      return new Misconfigured(`a topic is missing while ${doing}`, { cause: error })
    case 'fatal':
      return new Misconfigured(`Kafka refuses ${doing}: ${describe(error)}`, { cause: error })
    default:
      return fault satisfies never
  }
}

/** How a broker's connection is configured. */
export function tlsNamesOf(broker: string): TlsNames {
  return { who: `broker ${broker}`, prefix: 'KAFKA_TLS', address: 'KAFKA_BROKERS' }
}

/** Of a fault of the kind `credentials`: who refuses what, and which variables to check. */
export function refusalOf(error: unknown): string {
  for (const link of linksOf(error)) {
    const refused = refusedConnection(link)
    if (refused !== null) return refused
    if (link instanceof Misconfigured) return link.message
  }
  return `Kafka refuses our login: check KAFKA_SASL_MECHANISM, and that the brokers in KAFKA_BROKERS take logins (${describe(error)})`
}

/** What kafkajs makes of a socket's error, or of a refused login: it keeps the code, and puts words before the message. */
function refusedConnection(link: object): string | null {
  if (!(link instanceof kafkajs.KafkaJSConnectionError) || !('code' in link)) return null
  if (link.code === MISCONFIGURED) return link.message.replace(/^Connection error: /, '')
  return tlsRefusal(link, tlsNamesOf(link.broker))?.message ?? null
}

const MISCONFIGURED = new Misconfigured('').code

const CHAIN_MAX = 10

/** Types and names from the outermost error inwards, errors of an aggregate included. */
function signsOf(error: unknown): readonly string[] {
  const signs: string[] = []
  for (const link of linksOf(error)) {
    if ('type' in link && typeof link.type === 'string') signs.push(link.type)
    if (refusedConnection(link) !== null) signs.push('Misconfigured')
    else if ('name' in link && typeof link.name === 'string') signs.push(link.name)
  }
  return signs
}

function linksOf(error: unknown): readonly object[] {
  const links: object[] = []
  const open: unknown[] = [error]
  for (let seen = 0; open.length > 0 && seen < CHAIN_MAX; seen++) {
    const next = open.shift()
    if (typeof next !== 'object' || next === null) continue
    links.push(next)
    if ('cause' in next) open.push(next.cause)
    if ('errors' in next && Array.isArray(next.errors)) open.push(...next.errors)
  }
  return links
}
