import { Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'
import type { KafkaSasl } from './options.ts'

type OAuth = Extract<KafkaSasl, { mechanism: 'oauthbearer' }>

const REQUEST_TIMEOUT_MS = 5_000
/** A token is asked for anew this long before it expires, so that no connection begins with a dying one. */
const EXPIRY_MARGIN_MS = 30_000
const LIFETIME_MS_DEFAULT = 300_000

/** Tokens by the client credentials grant (RFC 6749 §4.4); one is shared by all connections while it lasts. */
export function tokenProvider(oauth: OAuth, clock: Clock): () => Promise<{ value: string }> {
  let token: { value: string; untilMs: number } | null = null
  return async () => {
    if (token === null || clock.nowMs() >= token.untilMs) {
      const fresh = await fetchToken(oauth)
      token = { value: fresh.value, untilMs: clock.nowMs() + Math.max(0, fresh.lifetimeMs - EXPIRY_MARGIN_MS) }
    }
    return { value: token.value }
  }
}

async function fetchToken(oauth: OAuth): Promise<{ value: string; lifetimeMs: number }> {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (oauth.scope !== null) form.set('scope', oauth.scope)
  const credentials = `${encodeURIComponent(oauth.clientId)}:${encodeURIComponent(oauth.clientSecret)}`
  let status: number
  let body: unknown
  try {
    const response = await fetch(oauth.tokenUrl, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, accept: 'application/json' },
      body: form,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    status = response.status
    body = response.ok ? await response.json() : null
  } catch (error) {
    throw new Unavailable('the OAuth token endpoint', error)
  }
  if (status === 400 || status === 401 || status === 403)
    throw new Misconfigured(`the OAuth token endpoint refuses our client (status ${status}): check KAFKA_OAUTH_*`)
  const read = readToken(body)
  if (read === null) throw new Unavailable('the OAuth token endpoint', `status ${status} without a token`)
  return read
}

function readToken(body: unknown): { value: string; lifetimeMs: number } | null {
  if (typeof body !== 'object' || body === null || !('access_token' in body)) return null
  if (typeof body.access_token !== 'string') return null
  const seconds = 'expires_in' in body ? Number(body.expires_in) : Number.NaN
  return { value: body.access_token, lifetimeMs: seconds > 0 ? seconds * 1000 : LIFETIME_MS_DEFAULT }
}
