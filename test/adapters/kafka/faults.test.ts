import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { type Fault, faultOf, protocolErrorOf } from '../../../src/adapters/kafka/faults.ts'
import { Misconfigured, Unavailable } from '../../../src/consumer/errors.ts'

const protocol = (type: string): Error => Object.assign(new kafkajs.KafkaJSError(type), { type })
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

test("the broker's own word is found behind what was wrapped around it", () => {
  expect(protocolErrorOf(wrapped(protocol('ILLEGAL_GENERATION')))).toBe('ILLEGAL_GENERATION')
  expect(protocolErrorOf(new Error('nothing'))).toBeNull()
})
