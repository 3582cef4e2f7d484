/**
 * Logging in, with the credentials of this moment. What kafkajs does after a refused login depends on where it was: it gives up for
 * good in one place and tries again at once in another. So a refusal is told to it as a connection that failed, which it
 * treats everywhere as it treats a broker that is away; and nobody connects to that broker again too soon (sockets.ts).
 */
import type { AuthenticationProviderArgs, Mechanism, SaslAuthenticateArgs } from 'kafkajs'
import kafkajs from 'kafkajs'
import { describe, Misconfigured, type SluiceError, Unavailable } from '../../consumer/errors.ts'
import type { KafkaSasl } from './credentials.ts'
import { protocolErrorOf } from './faults.ts'
import { builtInLogin } from './insides.ts'
import type { KafkaSecurity } from './security.ts'

/** Null: nobody logs in. */
export function mechanismOf(security: KafkaSecurity): Mechanism | null {
  const { sasl } = security.credentials()
  if (sasl === null) return null
  return {
    mechanism: sasl.mechanism,
    authenticationProvider: args => ({ authenticate: () => logIn(security, args) }),
  }
}

async function logIn(security: KafkaSecurity, args: AuthenticationProviderArgs): Promise<void> {
  const broker = `${args.host}:${args.port}`
  const credentials = security.credentials()
  const { sasl } = credentials
  if (sasl === null) throw new Misconfigured('there is nothing to log in with: KAFKA_SASL_MECHANISM is not set')
  const conversation = new Conversation(args)
  try {
    if (sasl.mechanism === 'oauthbearer') await conversation.bear(await security.tokens.get(sasl))
    else await builtInLogin(sasl, conversation.args).authenticate()
    security.refusals.over(broker)
  } catch (error) {
    const refusal = refusalOf(conversation.lost ?? error, { sasl, broker })
    if (refusal === null) throw conversation.lost ?? error
    // Whoever signs tokens may have a new key: the old one would be refused until its end.
    security.tokens.drop()
    security.refusals.refused(broker, refusal, credentials)
    throw new kafkajs.KafkaJSConnectionError(refusal.message, { broker, code: refusal.code })
  }
}

/** What is said with the broker. kafkajs' own logins make one error of all that can go wrong: what it was is kept here. */
class Conversation {
  readonly args: AuthenticationProviderArgs
  lost: unknown = null

  constructor(args: AuthenticationProviderArgs) {
    const { saslAuthenticate } = args
    this.args = {
      ...args,
      saslAuthenticate: async <Result>(message: SaslAuthenticateArgs<Result>) => {
        try {
          return await saslAuthenticate(message)
        } catch (error) {
          this.lost = error
          throw error
        }
      },
    }
  }

  /** RFC 7628. kafkajs takes any answer for a yes; a broker that refuses a token says why in its answer, and waits for one more message before it fails the login. */
  async bear(token: string): Promise<void> {
    const challenge = await this.#say(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)
    if (challenge === '') return
    await this.#say('\u0001')
    throw new NotTaken('the broker does not take the token')
  }

  async #say(text: string): Promise<string> {
    const said = await this.args.saslAuthenticate({
      request: { encode: () => lengthPrefixed(text) },
      response: { decode: answer => answer.subarray(LENGTH_BYTES), parse: answer => answer.toString('utf8') },
    })
    return said ?? ''
  }
}

/** As the broker itself says it of a password. */
class NotTaken extends kafkajs.KafkaJSError {
  readonly type = 'SASL_AUTHENTICATION_FAILED'
}

const LENGTH_BYTES = 4

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Null: the connection was lost, or somebody stumbled; neither says anything of us. */
function refusalOf(error: unknown, { sasl, broker }: { sasl: KafkaSasl; broker: string }): SluiceError | null {
  if (error instanceof Misconfigured || error instanceof Unavailable) return error
  if (!(error instanceof kafkajs.KafkaJSSASLAuthenticationError) && protocolErrorOf(error) === null) return null
  const check =
    sasl.mechanism === 'oauthbearer'
      ? 'KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_SCOPE, and which tokens the brokers take'
      : 'KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'
  return new Misconfigured(
    `broker ${broker} refuses our login by ${sasl.mechanism}: check ${check} (${describe(error)})`,
    {
      cause: error,
    },
  )
}
