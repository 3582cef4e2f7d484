/** A login with what kafkajs gives for it: with the credentials of its moment, and each way of failing told apart. */
import type { AuthenticationProviderArgs, SaslAuthenticateArgs } from 'kafkajs'
import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import type { KafkaCredentials, KafkaSasl } from '../../../src/adapters/kafka/credentials.ts'
import { faultOf, refusalOf } from '../../../src/adapters/kafka/faults.ts'
import { mechanismOf } from '../../../src/adapters/kafka/logins.ts'
import { KafkaSecurity } from '../../../src/adapters/kafka/security.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { newAuthority } from '../../support/certificates.ts'
import { tokenEndpoint } from '../../support/token-endpoint.ts'

const BROKER = 'a:9093'
const PLAIN: KafkaSasl = { mechanism: 'plain', username: 'app', password: 'first' }

const refused = (): Error =>
  Object.assign(new kafkajs.KafkaJSError('Authentication failed'), { type: 'SASL_AUTHENTICATION_FAILED' })

const quiet = () => undefined

/** What the broker answers to each message; an error is thrown. */
type Answer = string | Error

function loginWith(current: () => KafkaSasl, answers: readonly Answer[]) {
  const credentials = new Map<KafkaSasl, KafkaCredentials>()
  const security = new KafkaSecurity(() => {
    const sasl = current()
    const known = credentials.get(sasl) ?? { tls: null, sasl }
    credentials.set(sasl, known)
    return known
  }, memoryClock())
  const sent: string[] = []
  const left = [...answers]
  const saslAuthenticate = async <Result>({ request, response }: SaslAuthenticateArgs<Result>) => {
    sent.push((await request.encode()).subarray(4).toString('utf8'))
    const answer = left.shift() ?? ''
    if (typeof answer !== 'string') throw answer
    if (response === undefined) throw new TypeError('every answer is looked at')
    const length = Buffer.alloc(4)
    length.writeInt32BE(Buffer.byteLength(answer))
    return response.parse(await response.decode(Buffer.concat([length, Buffer.from(answer)])))
  }
  const logger = { info: quiet, warn: quiet, error: quiet, debug: quiet, setLogLevel: quiet, namespace: () => logger }
  // Boundary: of the logger no more is used.
  const args = { host: 'a', port: 9093, logger, saslAuthenticate } as unknown as AuthenticationProviderArgs
  const logIn = async (): Promise<unknown> => {
    const outcome = mechanismOf(security)?.authenticationProvider(args).authenticate()
    return await outcome?.catch((error: unknown) => error)
  }
  return { security, sent, logIn, standing: () => security.refusals.standing(BROKER, security.credentials()) }
}

describe('a password', () => {
  test('is the one of its moment', async () => {
    let sasl = PLAIN
    const { logIn, sent, standing } = loginWith(() => sasl, [])
    expect(await logIn()).toBeUndefined()
    sasl = { ...PLAIN, password: 'second' }
    expect(await logIn()).toBeUndefined()
    expect(sent).toEqual(['\0app\0first', '\0app\0second'])
    expect(standing()).toBeNull()
  })

  test('that is refused is a connection that failed, for kafkajs; a refusal, for us; and remembered', async () => {
    const { logIn, standing } = loginWith(() => PLAIN, [refused()])
    const error = await logIn()
    expect(error).toBeInstanceOf(kafkajs.KafkaJSConnectionError)
    expect(faultOf(error)).toBe('credentials')
    expect(refusalOf(error)).toContain('broker a:9093 refuses our login by plain: check KAFKA_SASL_USERNAME and')
    expect(refusalOf(error)).not.toContain('first')
    expect(standing()?.message).toBe(refusalOf(error))
  })

  test.each([
    new kafkajs.KafkaJSConnectionError('Closed connection'),
    Object.assign(new kafkajs.KafkaJSError('Request timed out'), { name: 'KafkaJSRequestTimeoutError' }),
  ])('that nobody answered is an outage: %s', async lost => {
    const { logIn, standing } = loginWith(() => PLAIN, [lost])
    const error = await logIn()
    expect(error).toBe(lost)
    expect(faultOf(error)).toBe('unreachable')
    expect(standing()).toBeNull()
  })

  test.each(['scram-sha-256', 'scram-sha-512'] as const)(
    'is not sent by %s, and its server has to know it, too',
    async mechanism => {
      const scram = { ...PLAIN, mechanism }
      const { logIn, sent } = loginWith(() => scram, ['r=nonsense,s=c2FsdA==,i=4096'])
      expect(refusalOf(await logIn())).toContain(`refuses our login by ${mechanism}`)
      expect(sent[0]).toMatch(/^n,,n=app,r=/)
      expect(sent.join()).not.toContain('first')
    },
  )
})

async function withToken(answers: readonly Answer[]) {
  const authority = await newAuthority()
  const endpoint = await tokenEndpoint(await authority.issue('issuer', { hosts: ['localhost'] }), 'sluice:s3cret')
  const oauth = {
    mechanism: 'oauthbearer',
    tokenUrl: endpoint.url,
    clientId: 'sluice',
    clientSecret: 's3cret',
    scope: null,
    ca: authority.ca,
  } as const
  return { ...loginWith(() => oauth, answers), endpoint }
}

describe('a token', () => {
  test('is sent as RFC 7628 has it', async () => {
    const { logIn, sent, endpoint } = await withToken([''])
    expect(await logIn()).toBeUndefined()
    expect(sent.join().replaceAll('\u0001', '|')).toMatch(/^n,,\|auth=Bearer [\w-]+\.[\w-]+\.\|\|$/)
    await endpoint.stop()
  })

  test('that the broker does not take is refused: its answer is no yes, and it is told that we have heard', async () => {
    const { logIn, sent, endpoint, standing } = await withToken(['{"status":"invalid_token"}', refused()])
    const error = await logIn()
    expect(sent[1]).toBe('\u0001')
    expect(refusalOf(error)).toContain(
      'refuses our login by oauthbearer: check KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_SCOPE',
    )
    expect(standing()).not.toBeNull()
    await endpoint.stop()
  })

  test('that the broker does not take is refused, whatever it says to our last word', async () => {
    const { logIn, endpoint, standing } = await withToken(['{"status":"invalid_token"}', ''])
    expect(refusalOf(await logIn())).toContain('refuses our login by oauthbearer')
    expect(standing()).not.toBeNull()
    await endpoint.stop()
  })

  test('that the broker does not take is not shown again: whoever signs them may have another key', async () => {
    const { logIn, endpoint } = await withToken(['{"status":"invalid_token"}', refused()])
    expect(refusalOf(await logIn())).toContain('refuses our login by oauthbearer')
    expect(await logIn()).toBeUndefined()
    expect(endpoint.questions).toHaveLength(2)
    // The one that is taken is kept.
    expect(await logIn()).toBeUndefined()
    expect(endpoint.questions).toHaveLength(2)
    await endpoint.stop()
  })

  test('that cannot be had is an outage, and the broker is left alone meanwhile', async () => {
    const { logIn, endpoint, standing } = await withToken([])
    await endpoint.stop()
    const error = await logIn()
    expect(error).toBeInstanceOf(kafkajs.KafkaJSConnectionError)
    expect(faultOf(error)).toBe('unreachable')
    expect(String(error)).toContain('the OAuth token endpoint is unavailable')
    expect(standing()).not.toBeNull()
  })
})
