/** The real registry behind TLS and a login: a proxy that ends the one and checks the other. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificate } from './certificates.ts'

export interface SecureRegistry {
  /** With the real one's base path; by the name that its certificate is for. */
  readonly url: string
  /** The same by its address. */
  readonly addressUrl: string
  /** When each connection came, refused ones too; as performance.now() has it. */
  readonly arrivals: readonly number[]
  /** `name:password` of the one whom it lets in. */
  login: string
  stop(): Promise<void>
}

/** `authority`: whose certificates it asks for; null: it asks for none. */
export async function secureRegistry(
  real: string,
  shown: Certificate,
  { login, authority = null }: { login: string; authority?: string | null },
): Promise<SecureRegistry> {
  const arrivals: number[] = []
  const asks = authority === null ? {} : { ca: authority, requestCert: true, rejectUnauthorized: true }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const expected = `Basic ${Buffer.from(registry.login).toString('base64')}`
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error_code":40101}')
      return
    }
    const said = await fetch(new URL(request.url ?? '/', real))
    response.writeHead(said.status, { 'content-type': said.headers.get('content-type') ?? 'application/json' })
    response.end(Buffer.from(await said.arrayBuffer()))
  }
  const server = createServer({ ...shown, ...asks }, (request, response) => void answer(request, response))
  server.on('connection', () => arrivals.push(performance.now()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo
  const { pathname } = new URL(real)
  const registry: SecureRegistry = {
    url: `https://localhost:${port}${pathname}`,
    addressUrl: `https://127.0.0.1:${port}${pathname}`,
    arrivals,
    login,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return registry
}
