/** Tokens from an issuer over TLS: shared while they last, asked for once by many, and every refusal named. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KafkaSasl } from '../../../src/adapters/kafka/credentials.ts'
import { Tokens } from '../../../src/adapters/kafka/oauth.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Misconfigured, Unavailable } from '../../../src/consumer/errors.ts'
import { newAuthority } from '../../support/certificates.ts'
import { type TokenEndpoint, tokenEndpoint } from '../../support/token-endpoint.ts'

type OAuth = Extract<KafkaSasl, { mechanism: 'oauthbearer' }>

const authority = await newAuthority()
const other = await newAuthority('another authority')
const shown = await authority.issue('issuer', { hosts: ['localhost'] })

let endpoint: TokenEndpoint
beforeEach(async () => {
  endpoint = await tokenEndpoint(shown, 'sluice:s3cret %&:')
})
afterEach(() => endpoint.stop())

function oauthWith(differs: Partial<OAuth> = {}): OAuth {
  return {
    mechanism: 'oauthbearer',
    tokenUrl: endpoint.url,
    clientId: 'sluice',
    clientSecret: 's3cret %&:',
    scope: 'kafka',
    ca: authority.ca,
    ...differs,
  }
}

describe('a token', () => {
  test('is shared until half a minute before its end', async () => {
    endpoint.client = `sluice:${encodeURIComponent('s3cret %&:')}`
    endpoint.lifetimeS = 90
    const clock = memoryClock()
    const tokens = new Tokens(clock)
    const oauth = oauthWith()
    const token = await tokens.get(oauth)
    clock.advance(59_999)
    expect(await tokens.get(oauth)).toBe(token)
    expect(endpoint.questions).toHaveLength(1)
    clock.advance(1)
    await tokens.get(oauth)
    expect(endpoint.questions).toHaveLength(2)
  })

  test('that lives no longer than that is asked for anew by each login', async () => {
    endpoint.client = `sluice:${encodeURIComponent('s3cret %&:')}`
    endpoint.lifetimeS = 10
    const tokens = new Tokens(memoryClock())
    const oauth = oauthWith()
    for (const _ of [1, 2, 3]) await tokens.get(oauth)
    expect(endpoint.questions).toHaveLength(3)
  })

  test('is asked for once by all that want it at the same time', async () => {
    endpoint.client = `sluice:${encodeURIComponent('s3cret %&:')}`
    const tokens = new Tokens(memoryClock())
    const oauth = oauthWith()
    const all = await Promise.all([1, 2, 3, 4].map(() => tokens.get(oauth)))
    expect(new Set(all).size).toBe(1)
    expect(endpoint.questions).toHaveLength(1)
  })

  test('is asked for anew as somebody else, and after a refusal', async () => {
    const tokens = new Tokens(memoryClock())
    const oauth = oauthWith()
    endpoint.client = 'sluice:other'
    await expect(tokens.get(oauth)).rejects.toBeInstanceOf(Misconfigured)
    endpoint.client = `sluice:${encodeURIComponent('s3cret %&:')}`
    await tokens.get(oauth)
    endpoint.client = 'sluice:second'
    await tokens.get(oauthWith({ clientSecret: 'second' }))
    expect(endpoint.questions).toHaveLength(3)
  })
})

async function refusal(oauth: OAuth): Promise<Error> {
  const thrown: unknown = await new Tokens(memoryClock()).get(oauth).catch((error: unknown) => error)
  return thrown instanceof Error ? thrown : new TypeError('it was given')
}

describe('a refusal', () => {
  test('of our client names its variables, and not the secret', async () => {
    const error = await refusal(oauthWith({ clientSecret: 'wr0ng' }))
    expect(error).toBeInstanceOf(Misconfigured)
    expect(error.message).toContain('KAFKA_OAUTH_CLIENT_SECRET')
    expect(error.message).not.toContain('wr0ng')
  })

  test("of the issuer's certificate names the authority's variable", async () => {
    expect((await refusal(oauthWith({ ca: other.ca }))).message).toContain('check KAFKA_OAUTH_TLS_CA')
    expect((await refusal(oauthWith({ ca: null }))).message).toContain('check KAFKA_OAUTH_TLS_CA')
  })

  test("of another host's certificate names the URL", async () => {
    const error = await refusal(oauthWith({ tokenUrl: endpoint.url.replace('localhost', '127.0.0.1') }))
    expect(error).toBeInstanceOf(Misconfigured)
    expect(error.message).toContain('KAFKA_OAUTH_TOKEN_URL')
  })
})

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'

describe('an outage', () => {
  const answers: readonly (readonly [string, RequestListener])[] = [
    ['500', (_, response) => void response.writeHead(500).end()],
    ['a page', (_, response) => void response.end('<html>')],
    ['null', (_, response) => void response.end('null')],
    ['no token', (_, response) => void response.end('{"token_type":"Bearer"}')],
    ['a token that would end its message', (_, response) => void response.end('{"access_token":"a\\u0001b"}')],
    ['more than a token', (_, response) => void response.end(JSON.stringify({ access_token: 'x'.repeat(300_000) }))],
    ['a redirection', (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
    ['a connection that breaks', (_, response) => void response.destroy()],
  ]
  test.for(answers)('%s', async ([, listener]) => {
    const server = createServer(shown, listener)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // Boundary: a server that listens on TCP has an address of this kind.
    const { port } = server.address() as AddressInfo
    const error = await refusal(oauthWith({ tokenUrl: `https://localhost:${port}/` }))
    server.close()
    expect(error).toBeInstanceOf(Unavailable)
    expect(error.message).toContain('the OAuth token endpoint is unavailable')
  })

  test('an answer that changes the protocol, and nothing after it: given up after the timeout', async () => {
    const deadline = new AbortController()
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(deadline.signal)
    const server = createServer(shown)
    const destroyed = new Promise<void>(resolve => {
      server.once('request', ({ socket }) => {
        socket.once('close', resolve).write(SWITCHING)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // Boundary: a server that listens on TCP has an address of this kind.
    const { port } = server.address() as AddressInfo
    const refused = refusal(oauthWith({ tokenUrl: `https://localhost:${port}/` }))
    await destroyed
    deadline.abort(new DOMException('it took too long', 'TimeoutError'))
    expect(await refused).toBeInstanceOf(Unavailable)
    expect(timeout.mock.calls).toEqual([[5_000]])
    timeout.mockRestore()
    server.close()
  })

  test('nobody listens', async () => {
    expect(await refusal(oauthWith({ tokenUrl: 'https://localhost:1/' }))).toBeInstanceOf(Unavailable)
  })
})
