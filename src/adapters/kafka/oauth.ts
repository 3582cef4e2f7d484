/** Tokens by the client credentials grant (RFC 6749 §4.4). */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { Misconfigured, tlsRefusal, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'
import type { KafkaSasl } from './credentials.ts'

type OAuth = Extract<KafkaSasl, { mechanism: 'oauthbearer' }>

const ENDPOINT = 'the OAuth token endpoint'
const REQUEST_TIMEOUT_MS = 5_000
/** Tokens with everything in them have some kilobytes. */
const ANSWER_BYTES_MAX = 256 * 1024
/** A token is asked for anew this long before it expires, so that no connection begins with a dying one. */
const EXPIRY_MARGIN_MS = 30_000
const LIFETIME_MS_DEFAULT = 300_000

interface Token {
  readonly value: string
  readonly lifetimeMs: number
}

interface Kept {
  readonly oauth: OAuth
  readonly token: Promise<Token>
  untilMs: number
}

/** One token is shared by all connections while it lasts, and one question by all that ask at the same time. */
export class Tokens {
  readonly #clock: Clock
  #kept: Kept | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rejects with `Misconfigured` where the endpoint refuses us, with `Unavailable` where it does not answer. */
  async get(oauth: OAuth): Promise<string> {
    const kept = this.#kept
    if (kept !== null && kept.oauth === oauth && this.#clock.nowMs() < kept.untilMs) return (await kept.token).value
    const fresh: Kept = { oauth, token: fetchToken(oauth), untilMs: Number.POSITIVE_INFINITY }
    this.#kept = fresh
    try {
      const { value, lifetimeMs } = await fresh.token
      // One that lives no longer than the margin is asked for anew for each login.
      fresh.untilMs = this.#clock.nowMs() + Math.max(0, lifetimeMs - EXPIRY_MARGIN_MS)
      return value
    } catch (error) {
      if (this.#kept === fresh) this.#kept = null
      throw error
    }
  }

  /** The brokers do not take it: who asks next gets another one. One that is on its way is another one already. */
  drop(): void {
    if (this.#kept !== null && Number.isFinite(this.#kept.untilMs)) this.#kept = null
  }
}

async function fetchToken(oauth: OAuth): Promise<Token> {
  const { status, body } = await ask(oauth)
  if (status === 400 || status === 401 || status === 403)
    throw new Misconfigured(
      `${ENDPOINT} refuses our client (status ${status}): check KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET and KAFKA_OAUTH_SCOPE`,
    )
  const read = status === 200 ? readToken(body) : null
  if (read === null) throw new Unavailable(ENDPOINT, `status ${status} without a token`)
  return read
}

async function ask({ tokenUrl, clientId, clientSecret, scope, ca }: OAuth): Promise<{ status: number; body: string }> {
  const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === null ? {} : { scope }) })
  const url = new URL(tokenUrl)
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  const request = (url.protocol === 'https:' ? https : http).request(url, {
    method: 'POST',
    agent: false,
    signal,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    },
    ...(ca === null ? {} : { ca }),
  })
  // What goes wrong is told by the answer, or by its absence; this only keeps a late word from being thrown.
  request.on('error', () => undefined)
  try {
    // With the signal here as well: a request whose connection was destroyed (a 101) says nothing more, not even that it is aborted.
    const answered = once(request, 'response', { signal })
    request.end(form.toString())
    // Boundary: the one argument of this event.
    const [response] = (await answered) as [http.IncomingMessage]
    return { status: response.statusCode ?? 0, body: await boundedText(response) }
  } catch (error) {
    const names = { who: ENDPOINT, prefix: 'KAFKA_OAUTH_TLS', address: 'KAFKA_OAUTH_TOKEN_URL' }
    throw tlsRefusal(error, names) ?? (error instanceof Unavailable ? error : new Unavailable(ENDPOINT, error))
  }
}

async function boundedText(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    // Boundary: without an encoding, a response gives buffers.
    const read = chunk as Buffer
    bytes += read.length
    if (bytes > ANSWER_BYTES_MAX) throw new Unavailable(ENDPOINT, `an answer of more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(read)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Of other signs a token could break out of the message that carries it (RFC 6750 §2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

function readToken(text: string): Token | null {
  const body = jsonOf(text)
  if (typeof body !== 'object' || body === null || !('access_token' in body)) return null
  if (typeof body.access_token !== 'string' || !TOKEN.test(body.access_token)) return null
  const seconds = 'expires_in' in body ? Number(body.expires_in) : Number.NaN
  return { value: body.access_token, lifetimeMs: seconds > 0 ? seconds * 1000 : LIFETIME_MS_DEFAULT }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An error page: it has no token, and that is all that is said of it.
    return null
  }
}
