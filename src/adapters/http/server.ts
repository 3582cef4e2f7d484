import { STATUS_CODES } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { describe, Misconfigured } from '../../consumer/errors.ts'
import type { Health, Inspection, Log } from '../../consumer/ports.ts'
import { boundConnections } from './crowd.ts'
import { STATUS_SCHEMA, type StatusBody } from './status-schema.ts'
import { urlOf } from './url.ts'

export interface HttpOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly inspection: Inspection
  readonly metrics: () => Promise<{ readonly body: string; readonly contentType: string }>
  readonly log: Log
  /** Default: `LIMITS`. */
  readonly limits?: Partial<typeof LIMITS>
}

export interface HttpServer {
  /** Resolves to the URL to ask; rejects with `Misconfigured` where the address cannot be had. Called once. */
  start(): Promise<string>
  /** Idle connections are closed at once, running answers have a moment. Safe before `start`; a second call returns the first's promise. */
  stop(): Promise<void>
}

/**
 * Whoever asks here is a probe, a scraper or an operator, with small requests that are answered at once: all of these are
 * guesses that are generous for them. The headers' timeout must lie below the request's, and node looks at both only when it
 * checks its connections.
 */
export const LIMITS = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  connectionsCheckingIntervalMs: 1_000,
  /** Longer than the usual scrape interval is of no use, shorter than a load balancer's would reset connections in its hands. */
  keepAliveTimeoutMs: 72_000,
  requestsPerSocketMax: 1_000,
  headersBytesMax: 8 * 1_024,
  bodyBytesMax: 16 * 1_024,
  connectionsMax: 100,
  stopTimeoutMs: 2_000,
}

export function httpServer(options: HttpOptions): HttpServer {
  const { host, port } = options
  const limits = { ...LIMITS, ...options.limits }
  const app = create(limits)
  routes(app, options)
  let stopped: Promise<void> | null = null
  return {
    async start() {
      try {
        await app.listen({ host, port })
      } catch (cause) {
        throw new Misconfigured(`HTTP_HOST ${host}, HTTP_PORT ${port}: cannot listen there (${describe(cause)})`, {
          cause,
        })
      }
      const address = app.server.address()
      return urlOf(host, typeof address === 'object' && address !== null ? address.port : port)
    },
    stop() {
      stopped ??= stop(app, limits.stopTimeoutMs)
      return stopped
    },
  }
}

function create(limits: typeof LIMITS): FastifyInstance {
  const app = Fastify({
    logger: false,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.keepAliveTimeoutMs + limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.requestsPerSocketMax,
    bodyLimit: limits.bodyBytesMax,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 100 },
    http: {
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckingIntervalMs,
      maxHeaderSize: limits.headersBytesMax,
    },
  })
  boundConnections(app.server, limits.connectionsMax)
  return app
}

function routes(app: FastifyInstance, { inspection, metrics, log }: HttpOptions): void {
  app.get('/livez', (_, reply) => answerHealth(reply, inspection.live(), 500))
  app.get('/readyz', (_, reply) => answerHealth(reply, inspection.ready(), 503))
  app.get('/metrics', async (_, reply) => {
    const { body, contentType } = await metrics()
    return reply.type(contentType).send(body)
  })
  app.get('/status', { schema: { response: { 200: STATUS_SCHEMA } } }, (_, reply) => {
    const { engine, ...rest } = inspection.status()
    return reply.header('cache-control', 'no-store').send({ ...rest, ...engine } satisfies StatusBody)
  })
  app.get('/status/schema', (_, reply) => reply.type('application/schema+json').send(JSON.stringify(STATUS_SCHEMA)))
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'there is nothing here' }))
  app.setErrorHandler((error, request, reply) => {
    const code = statusCodeOf(error)
    // No words of the error's own: they may quote the request, or say what is nobody's business.
    if (code < 500) return reply.code(code).send({ error: STATUS_CODES[code] ?? 'bad request' })
    log.error({ error, route: request.routeOptions.url ?? null }, 'an HTTP request failed')
    return reply.code(code).send({ error: 'something went wrong; the log says what' })
  })
}

function answerHealth(reply: FastifyReply, { ok, reasons }: Health, codeIfNot: number): FastifyReply {
  return reply
    .code(ok ? 200 : codeIfNot)
    .header('cache-control', 'no-store')
    .send({ ok, reasons })
}

function statusCodeOf(error: unknown): number {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : undefined
  return typeof code === 'number' && code >= 400 ? code : 500
}

async function stop(app: FastifyInstance, timeoutMs: number): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
  await app.close()
  clearTimeout(late)
}
