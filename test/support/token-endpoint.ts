/** An issuer of tokens (RFC 6749 §4.4) over TLS, of tokens that nobody has signed. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificate } from './certificates.ts'

export interface TokenEndpoint {
  readonly url: string
  /** When each question came, refused ones too; as performance.now() has it. */
  readonly questions: readonly number[]
  /** `id:secret` of the one client that it knows. */
  client: string
  scope: string
  lifetimeS: number
  stop(): Promise<void>
}

export async function tokenEndpoint(shown: Certificate, client: string): Promise<TokenEndpoint> {
  const questions: number[] = []
  const server = createServer(shown, (request, response) => {
    questions.push(performance.now())
    void answer(request, response, endpoint)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo
  const endpoint: TokenEndpoint = {
    url: `https://localhost:${port}/token`,
    questions,
    client,
    scope: 'kafka',
    lifetimeS: 300,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return endpoint
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { client, scope, lifetimeS }: TokenEndpoint,
): Promise<void> {
  const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString())
  const expected = `Basic ${Buffer.from(client).toString('base64')}`
  const isRight = request.headers.authorization === expected && form.get('grant_type') === 'client_credentials'
  response.writeHead(isRight ? 200 : 401, { 'content-type': 'application/json' })
  if (!isRight) return void response.end('{"error":"invalid_client"}')
  const token = { access_token: unsigned({ sub: client.split(':')[0], scope, lifetimeS }), token_type: 'Bearer' }
  response.end(JSON.stringify({ ...token, expires_in: lifetimeS }))
}

function unsigned({ sub, scope, lifetimeS }: { sub: string | undefined; scope: string; lifetimeS: number }): string {
  const nowS = Date.now() / 1_000
  const parts = [{ alg: 'none' }, { sub, scope, iat: nowS, exp: nowS + lifetimeS }]
  return `${parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`
}
