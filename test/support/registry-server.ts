/** A schema registry of the Confluent API, as far as a consumer uses it, that answers as wrongly as a test wants. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Registered {
  readonly schema: unknown
  readonly schemaType?: string
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
}

/** Answers instead of the registry; what it does not end stays open. */
export type Fault = (response: ServerResponse, request: IncomingMessage) => void

export interface RegistryServer {
  readonly url: string
  /** Paths in order, since the start. */
  readonly requests: readonly string[]
  /** The id, from 1. */
  register(registered: Registered): number
  /** As a version of a subject, for references. */
  addVersion(subject: string, version: number, registered: Registered): void
  /** Null: answers as it should. */
  fault(fault: Fault | null): void
  stop(): Promise<void>
}

interface RegistryServerOptions {
  readonly basePath?: string
  readonly credentials?: string
}

export async function registryServer({
  basePath = '',
  credentials,
}: RegistryServerOptions = {}): Promise<RegistryServer> {
  const answers = new Map<string, string>()
  const requests: string[] = []
  let lastId = 0
  let fault: Fault | null = null

  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    if (fault !== null) return fault(response, request)
    const expected = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
    if (expected !== undefined && request.headers.authorization !== expected)
      return json(response, 401, '{"error_code":40101}')
    if (!path.startsWith(`${basePath}/`)) return void response.writeHead(404).end('<html>no such page</html>')
    const answer = path === `${basePath}/subjects` ? '[]' : answers.get(path.slice(basePath.length))
    if (answer === undefined) json(response, 404, '{"error_code":40403,"message":"Schema not found"}')
    else json(response, 200, answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}${basePath}`,
    requests,
    register(registered) {
      lastId += 1
      answers.set(`/schemas/ids/${lastId}`, bodyOf(registered))
      return lastId
    },
    addVersion: (subject, version, registered) =>
      void answers.set(`/subjects/${encodeURIComponent(subject)}/versions/${version}`, bodyOf(registered)),
    fault(next) {
      fault = next
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export function json(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' }).end(body)
}

function bodyOf({ schema, ...more }: Registered): string {
  return JSON.stringify({ ...more, schema: typeof schema === 'string' ? schema : JSON.stringify(schema) })
}
