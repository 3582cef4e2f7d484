import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type Fault, faultOf, protocolErrorOf, refusalOf } from '../../../src/adapters/kafka/faults.ts'
import { Misconfigured, Unavailable } from '../../../src/consumer/errors.ts'

const protocol = (type: string): Error => Object.assign(new kafkajs.KafkaJSError(type), { type })
const connectionError = (code: string, message = 'x'): Error =>
  new kafkajs.KafkaJSConnectionError(`Connection error: ${message}`, { broker: 'a:9093', code })
const wrapped = (cause: Error): Error => new Error('wrapped', { cause: new Error('again', { cause }) })

test.each<[string, unknown, Fault]>([
  ['a refused connection', new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED'), 'unreachable'],
  ['a leader that moves', protocol('NOT_LEADER_FOR_PARTITION'), 'unreachable'],
  [
    'a wrong password',
    Object.assign(new kafkajs.KafkaJSError('SASL PLAIN failed'), { name: 'KafkaJSSASLAuthenticationError' }),
    'credentials',
  ],
  ['a token endpoint that refuses us', new Misconfigured('refused'), 'credentials'],
  ['a certificate that we refuse', connectionError('SELF_SIGNED_CERT_IN_CHAIN'), 'credentials'],
  ['our certificate, refused', wrapped(connectionError('ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE')), 'credentials'],
  ['a broker that has just refused us', wrapped(connectionError('MISCONFIGURED')), 'credentials'],
  ['a connection that broke', wrapped(connectionError('ECONNRESET')), 'unreachable'],
  ['a token endpoint that is away', new Unavailable('tokens', new TypeError('fetch failed')), 'unreachable'],
  ['a topic we may not read', protocol('TOPIC_AUTHORIZATION_FAILED'), 'permission'],
  ['a group we may not join', wrapped(protocol('GROUP_AUTHORIZATION_FAILED')), 'permission'],
  ['a missing topic', wrapped(protocol('UNKNOWN_TOPIC_OR_PARTITION')), 'missing-topic'],
  ['members of another kind', protocol('INCONSISTENT_GROUP_PROTOCOL'), 'fatal'],
  [
    'bytes that kafkajs cannot read',
    new kafkajs.KafkaJSNonRetriableError(new RangeError('out of bounds')),
    'unreachable',
  ],
  ['a bug of the client', new TypeError('undefined is not a function'), 'client'],
  ['null', null, 'unreachable'],
])('%s', (_name, error, fault) => {
  expect(faultOf(error)).toBe(fault)
})

test.each<[Error, string]>([
  [
    connectionError('SELF_SIGNED_CERT_IN_CHAIN'),
    'broker a:9093 shows a certificate of an unknown authority (SELF_SIGNED_CERT_IN_CHAIN): check KAFKA_TLS_CA',
  ],
  [wrapped(connectionError('MISCONFIGURED', 'who, what and why')), 'who, what and why'],
  [wrapped(new Misconfigured('ours')), 'ours'],
  [protocol('UNSUPPORTED_SASL_MECHANISM'), 'Kafka refuses our login: check KAFKA_SASL_MECHANISM'],
])('a refusal in words: %s', (error, words) => {
  expect(refusalOf(error)).toContain(words)
})

test("the broker's own word is found behind what was wrapped around it", () => {
  expect(protocolErrorOf(wrapped(protocol('ILLEGAL_GENERATION')))).toBe('ILLEGAL_GENERATION')
  expect(protocolErrorOf(new Error('nothing'))).toBeNull()
})
