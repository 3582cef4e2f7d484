import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type HttpServer, httpServer, LIMITS } from '../../../src/adapters/http/server.ts'
import { STATUS_SCHEMA } from '../../../src/adapters/http/status-schema.ts'
import { Misconfigured } from '../../../src/consumer/errors.ts'
import type { Health, Inspection, Status } from '../../../src/consumer/ports.ts'

const STATUS: Status = {
  group: 'g',
  version: '1.2.3',
  dependencies: [{ name: 'kafka', up: false, error: 'connection refused' }],
  engine: {
    state: 'running',
    joined: true,
    standingStill: null,
    inFlight: 1,
    buffered: 2,
    bufferedBytes: 3,
    partitions: [
      {
        topic: 'orders',
        partition: 0,
        epoch: 1,
        committed: null,
        position: 2 ** 52,
        highWatermark: 25,
        lagRecords: 15,
        lagSeconds: 2.5,
        buffered: 3,
        bufferedBytes: 300,
        inFlight: 2,
        oldestUnsettled: 10,
        paused: 'window',
        blockedBy: 'its window is full behind offset 10',
      },
    ],
    breakers: [{ dependency: 'database', ours: false, openForMs: 1.5, error: 'refused', handlers: ['order'] }],
    handlers: [{ name: 'order', inFlight: 1, heldBy: 'database' }],
  },
}

const OK: Health = { ok: true, reasons: [] }
const INSPECTION: Inspection = { live: () => OK, ready: () => OK, status: () => STATUS }

/** Short enough to wait for, in the order that node asks for. */
const IMPATIENT = {
  headersTimeoutMs: 100,
  requestTimeoutMs: 200,
  connectionsCheckingIntervalMs: 20,
  stopTimeoutMs: 200,
}

const started: HttpServer[] = []
const sockets: Socket[] = []
const logged: string[] = []

const note = (fields: object, message: string): void => void logged.push(JSON.stringify({ ...fields, message }))

async function start(more: Partial<Parameters<typeof httpServer>[0]> = {}): Promise<string> {
  const server = httpServer({
    host: '127.0.0.1',
    port: 0,
    inspection: INSPECTION,
    metrics: async () => ({ body: 'up 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' }),
    log: { debug: note, info: note, warn: note, error: note },
    ...more,
  })
  started.push(server)
  return server.start()
}

/** A connection by hand; `closed` resolves to all that came before it was closed. */
async function open(url: string, text = ''): Promise<{ socket: Socket; closed: Promise<string> }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  sockets.push(socket)
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
  })
  // A reset is one way for the server to close it.
  socket.on('error', () => {})
  const closed = new Promise<string>(resolve => {
    socket.on('close', () => resolve(received))
  })
  await once(socket, 'connect')
  socket.write(text)
  return { socket, closed }
}

const scrape = async (url: string): Promise<number> =>
  (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).status

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(started.splice(0).map(server => server.stop()))
  logged.length = 0
})

describe('the routes', () => {
  test('/livez answers 200, or 500 with the reasons', async () => {
    let health = OK
    const url = await start({ inspection: { ...INSPECTION, live: () => health } })
    const good = await fetch(`${url}/livez`)
    expect([good.status, await good.json()]).toEqual([200, { ok: true, reasons: [] }])
    health = { ok: false, reasons: ['handler order ignores its signal'] }
    const bad = await fetch(`${url}/livez`)
    expect([bad.status, await bad.json()]).toEqual([500, { ok: false, reasons: ['handler order ignores its signal'] }])
  })

  test('/readyz answers 200, or 503 with the reasons', async () => {
    let health = OK
    const url = await start({ inspection: { ...INSPECTION, ready: () => health } })
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    health = { ok: false, reasons: ['starting'] }
    const bad = await fetch(`${url}/readyz`)
    expect([bad.status, await bad.json()]).toEqual([503, { ok: false, reasons: ['starting'] }])
  })

  test('/metrics answers what it is given, as what it is given', async () => {
    const answer = await fetch(`${await start()}/metrics`)
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'up 1\n',
    ])
  })

  test('/status answers everything there is, flat', async () => {
    const answer = await fetch(`${await start()}/status`)
    const { engine, ...rest } = STATUS
    expect(await answer.json()).toEqual({ ...rest, ...engine })
  })

  test('/status/schema answers the published schema, and it names every field of the status', async () => {
    const url = await start()
    const answer = await fetch(`${url}/status/schema`)
    expect(answer.headers.get('content-type')).toMatch(/^application\/schema\+json/)
    expect(await answer.json()).toEqual(STATUS_SCHEMA)
    const status = (await (await fetch(`${url}/status`)).json()) as object
    expect(Object.keys(status).toSorted()).toEqual(Object.keys(STATUS_SCHEMA.properties ?? {}).toSorted())
  })

  test('anything else is 404 in JSON, the admin routes too', async () => {
    const url = await start()
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/admin/pause'],
      ['POST', '/admin/pause'],
      ['POST', '/livez'],
      ['GET', '/%00%ff'],
      ['GET', '/livez/../../etc/passwd'],
    ] as const) {
      const answer = await fetch(`${url}${path}`, { method })
      expect([path, answer.status]).toEqual([path, path.includes('%') ? 400 : 404])
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    }
  })

  test('a fault in here is 500 without a word of it to the outside, and logged', async () => {
    const url = await start({ metrics: () => Promise.reject(new TypeError('secret inside')) })
    const answer = await fetch(`${url}/metrics`)
    const body = await answer.text()
    expect(answer.status).toBe(500)
    expect(body).not.toMatch(/secret|TypeError|at .*\.ts/)
    expect(logged.join()).toContain('an HTTP request failed')
  })

  test('an address that is taken says which, as a fault of the configuration', async () => {
    const port = Number(new URL(await start()).port)
    await expect(start({ port })).rejects.toThrow(Misconfigured)
    await expect(start({ port })).rejects.toThrow(String(port))
  })
})

describe('bad requests are bounded, and the scraper is served meanwhile', () => {
  test('slow headers', async () => {
    const url = await start({ limits: IMPATIENT })
    const slow = await Promise.all(
      Array.from({ length: 20 }, () => open(url, 'GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ')),
    )
    expect(await scrape(url)).toBe(200)
    for (const { closed } of slow) expect(await closed).toMatch(/^HTTP\/1.1 408 /)
  })

  test('a connection that never says anything', async () => {
    const url = await start({ limits: IMPATIENT })
    const { closed } = await open(url)
    expect(await scrape(url)).toBe(200)
    expect(await closed).toMatch(/^(?:HTTP\/1.1 408 |$)/)
  })

  test('a slow body', async () => {
    const url = await start({ limits: IMPATIENT })
    const { closed } = await open(
      url,
      'POST /livez HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"a":',
    )
    expect(await scrape(url)).toBe(200)
    expect(await closed).toMatch(/^HTTP\/1.1 408 /)
  })

  test('an idle connection after its answer', async () => {
    const url = await start({ limits: { ...IMPATIENT, keepAliveTimeoutMs: 50 } })
    const { closed } = await open(url, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(await closed).toMatch(/^HTTP\/1.1 200 OK/)
  })

  test('a huge URL, and huge headers', async () => {
    const url = await start()
    const long = await open(url, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`)
    expect(await long.closed).toMatch(/^(?:HTTP\/1.1 431 |$)/)
    const wide = await open(url, `GET /livez HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`)
    expect(await wide.closed).toMatch(/^(?:HTTP\/1.1 431 |$)/)
    expect(await scrape(url)).toBe(200)
  })

  test('malformed JSON, a huge body, and what is not HTTP', async () => {
    const url = await start()
    const headers = { 'content-type': 'application/json' }
    const malformed = await fetch(`${url}/livez`, { method: 'POST', headers, body: '{"my secret": ' })
    expect([400, 404]).toContain(malformed.status)
    expect(await malformed.text()).not.toContain('secret')
    const huge = await fetch(`${url}/livez`, {
      method: 'POST',
      headers,
      body: JSON.stringify('x'.repeat(LIMITS.bodyBytesMax)),
    })
    expect([404, 413]).toContain(huge.status)
    const nonsense = await open(url, '\u0016\u0003\u0001 hello\r\n\r\n')
    expect(await nonsense.closed).toMatch(/^HTTP\/1.1 400 /)
    expect(await scrape(url)).toBe(200)
  })

  test('more connections than are allowed: the newcomer is served, the longest idle one goes', async () => {
    const url = await start({ limits: { connectionsMax: 10 } })
    const first = await open(url)
    for (let i = 0; i < 9; i++) await open(url)
    expect(await scrape(url)).toBe(200)
    expect(await first.closed).toBe('')
    expect(sockets.filter(({ destroyed }) => !destroyed)).toHaveLength(9)
  })

  test('a connection in the middle of an answer is not the one that goes', async () => {
    const answered = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const url = await start({
      limits: { connectionsMax: 2 },
      metrics: async () => {
        asked.resolve()
        await answered.promise
        return { body: 'late 1\n', contentType: 'text/plain' }
      },
    })
    const busy = await open(url, 'GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    await asked.promise
    const idle = await open(url)
    await open(url)
    expect(await idle.closed).toBe('')
    answered.resolve()
    expect(await busy.closed).toContain('late 1')
  })
})

describe('stopping', () => {
  test('closes idle connections, refuses new ones, and is one stop however often it is asked for', async () => {
    const url = await start()
    const { closed } = await open(url, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n')
    await fetch(`${url}/livez`)
    const [server] = started
    const first = server?.stop()
    expect(server?.stop()).toBe(first)
    await first
    expect(await closed).toMatch(/^HTTP\/1.1 200 OK/)
    await expect(fetch(`${url}/livez`)).rejects.toThrow('fetch failed')
  })

  test('waits for an answer that is under way, but not for ever', async () => {
    const asked = Promise.withResolvers<void>()
    const url = await start({
      limits: { stopTimeoutMs: 50 },
      metrics: () => {
        asked.resolve()
        return new Promise(() => {})
      },
    })
    const { closed } = await open(url, 'GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
    await asked.promise
    await started[0]?.stop()
    expect(await closed).toBe('')
  })

  test('is safe before the start', async () => {
    const server = httpServer({
      host: '127.0.0.1',
      port: 0,
      inspection: INSPECTION,
      metrics: async () => ({ body: '', contentType: '' }),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    })
    await expect(server.stop()).resolves.toBeUndefined()
  })
})
