/** Whatever the registry answers, or does not, it is an outage, a fault of ours, or a missing id: never a record's fault unless it is one. */
import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/adapters/clock/clock.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { type RegistryDecoderOptions, registryDecoder } from '../../../src/adapters/registry/decoder.ts'
import { Misconfigured, Unavailable } from '../../../src/consumer/errors.ts'
import type { Decoder, Log } from '../../../src/consumer/ports.ts'
import { frame } from '../../support/avro.ts'
import { reader, thing } from '../../support/registry-decoder.ts'
import { type Fault, json, type RegistryServer, registryServer } from '../../support/registry-server.ts'

const PASSWORD = 'correct-horse-battery'
const THING = thing({ name: 'f', type: 'int' })

let server: RegistryServer
let logged: string[]
beforeEach(async () => {
  server = await registryServer()
  logged = []
})
afterEach(() => server.stop())

function write(fields: object, message: string): void {
  logged.push(JSON.stringify([fields, message]))
}

function decoderWith(options: Partial<RegistryDecoderOptions> = {}): Decoder {
  const log: Log = { debug: write, info: write, warn: write, error: write }
  return registryDecoder({
    url: server.url,
    timeoutMs: 5_000,
    readers: new Map([['things', [reader(THING)]]]),
    log,
    clock: systemClock(),
    limits: { missingAfterMs: 0 },
    ...options,
  })
}

async function thrownBy(promise: Promise<unknown>): Promise<Error> {
  const thrown: unknown = await promise.then(
    () => new TypeError('it resolved'),
    (error: unknown) => error,
  )
  return thrown instanceof Error ? thrown : new TypeError('no error was thrown')
}

const status =
  (code: number, body = ''): Fault =>
  response =>
    json(response, code, body)

const OUTAGES: readonly (readonly [string, Fault])[] = [
  ['a reset connection', response => void response.destroy()],
  [
    'an answer cut short',
    response => void response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy()),
  ],
  ['429', status(429)],
  ['500', status(500, '{"error_code":50001}')],
  ['503 with a page', status(503, '<html>')],
  ['200 with a page', status(200, '<html>welcome</html>')],
  ['200 with half a JSON', status(200, '{"schema":"')],
  ['200 with other JSON', status(200, '{"hello":"world"}')],
  ['200 with null', status(200, 'null')],
  ['200 with a schema that is no text', status(200, '{"schema":{"type":"string"}}')],
  ['200 with references that are none', status(200, '{"schema":"{}","references":[7]}')],
  ['400', status(400)],
  ['204', status(204)],
  ['an answer of two mebibytes', status(200, JSON.stringify({ schema: 'x'.repeat(2 * 1024 * 1024) }))],
  ['an answer without an end', endless],
]

/** Writes as long as anybody reads. */
function endless(response: ServerResponse): void {
  response.writeHead(200)
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

describe('an outage', () => {
  test.for(OUTAGES)('%s: load and ping reject, no record is blamed, and it passes', async ([, fault]) => {
    const decoder = decoderWith()
    const id = server.register({ schema: THING })
    server.fault(fault)
    for (const error of [await thrownBy(decoder.load(id)), await thrownBy(decoder.ping())]) {
      expect(error).toBeInstanceOf(Unavailable)
      expect(error).toMatchObject({ dependency: 'registry' })
    }
    expect(decoder.decode('things', frame(id, Uint8Array.of(2)))).toEqual({ kind: 'unknown', schemaId: id })
    server.fault(null)
    await decoder.ping()
    await decoder.load(id)
    expect(decoder.decode('things', frame(id, Uint8Array.of(2)))).toMatchObject({ kind: 'value', value: { f: 1 } })
  })

  test.for([429, 502])('%s: the error says the status', async code => {
    server.fault(status(code))
    expect((await thrownBy(decoderWith().load(1))).message).toBe(
      `registry is unavailable: it answers with status ${code}`,
    )
  })

  test('nobody listens: the error says what the system said', async () => {
    const gone = await registryServer()
    await gone.stop()
    const decoder = decoderWith({ url: gone.url })
    expect(await thrownBy(decoder.load(1))).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') })
  })

  test.for<[string, Fault]>([
    ['no answer', () => undefined],
    ['half an answer', response => void response.writeHead(200).write('{')],
  ])('%s: given up after the timeout, by our own clock', async ([, fault]) => {
    const clock = memoryClock()
    const decoder = decoderWith({ clock, timeoutMs: 2_000 })
    const asked = new Promise<void>(resolve => {
      server.fault((response, request) => {
        fault(response, request)
        resolve()
      })
    })
    const loading = thrownBy(decoder.load(1))
    await asked
    clock.advance(1_999)
    expect(decoder.decode('things', frame(1, Uint8Array.of(2)))).toEqual({ kind: 'unknown', schemaId: 1 })
    clock.advance(1)
    expect(await loading).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('no answer within 2000 ms'),
    })
  })

  test('an answer that changes the protocol, and nothing after it: given up after the timeout, too', async () => {
    const clock = memoryClock()
    const decoder = decoderWith({ clock, timeoutMs: 2_000 })
    const destroyed = new Promise<void>(resolve => {
      server.fault(({ socket }) => {
        socket?.once('close', resolve)
        socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n')
      })
    })
    const loading = thrownBy(decoder.load(1))
    await destroyed
    clock.advance(2_000)
    expect(await loading).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('no answer within 2000 ms'),
    })
  })

  test('a reference that the registry does not have is an outage, for its schema may be sound', async () => {
    const id = server.register({ schema: THING, references: [{ name: 'a', subject: 'a', version: 1 }] })
    expect(await thrownBy(decoderWith().load(id))).toBeInstanceOf(Unavailable)
  })
})

describe('a fault of ours', () => {
  test.for([401, 403])('%s: says which variables to change', async code => {
    server.fault(status(code, '{"error_code":40101}'))
    const decoder = decoderWith()
    for (const ask of [() => decoder.load(1), () => decoder.ping()]) {
      const error = await thrownBy(ask())
      expect(error).toBeInstanceOf(Misconfigured)
      expect(error.message).toContain('SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD')
    }
  })

  test('a URL without its base path: no record is blamed for it', async () => {
    const behindAPath = await registryServer({ basePath: '/apis/ccompat/v7' })
    const decoder = decoderWith({ url: behindAPath.url.replace('/apis/ccompat/v7', '') })
    for (const ask of [() => decoder.load(1), () => decoder.ping()]) {
      expect((await thrownBy(ask())).message).toContain('SCHEMA_REGISTRY_URL')
    }
    await behindAPath.stop()
  })

  test('a redirection is not followed with our credentials: it is told where it leads', async () => {
    server.fault(response => void response.writeHead(301, { location: 'https://elsewhere/v7?token=hunter2' }).end())
    const error = await thrownBy(decoderWith().ping())
    expect(error).toMatchObject({ code: 'MISCONFIGURED', message: expect.stringContaining('SCHEMA_REGISTRY_URL') })
    expect(error.message).toContain('https://elsewhere/v7:')
    expect(error.message).not.toContain('hunter2')
  })

  test.for([
    ['no URL', { url: 'registry' }],
    ['a URL of another kind', { url: 'ftp://registry' }],
    ['a reader that is no schema', { readers: new Map([['things', [{ name: 'Thing', avro: { type: 'record' } }]]]) }],
    ['a reader that is no record', { readers: new Map([['things', [{ name: 'string', avro: 'string' }]]]) }],
  ] as const)('%s: refused when it is made', ([, options]) => {
    expect(() => decoderWith(options)).toThrow(Misconfigured)
  })
})

describe('a missing id', () => {
  test('is asked for again until 30 seconds have passed, more slowly each time, then once every 30 seconds', async () => {
    const clock = memoryClock()
    const decoder = decoderWith({ clock, timeoutMs: 60_000, limits: {} })
    const startMs = clock.nowMs()
    const settled = { value: false }
    const loading = decoder.load(7).finally(() => {
      settled.value = true
    })
    while (!settled.value) {
      const nextMs = clock.nextAtMs() ?? Infinity
      // A request's own deadline is farther away than any wait between two.
      if (nextMs - clock.nowMs() < 60_000) clock.advanceTo(nextMs)
      await turn()
    }
    await loading
    expect(clock.nowMs() - startMs).toBe(30_000)
    expect(server.requests.length).toBeGreaterThan(5)
    expect(server.requests.length).toBeLessThan(15)
    expect(decoder.decode('things', frame(7, Uint8Array.of(2)))).toMatchObject({ reason: 'unknown-schema' })
    clock.advance(29_999)
    expect(decoder.decode('things', frame(7, Uint8Array.of(2)))).toMatchObject({ reason: 'unknown-schema' })
    clock.advance(1)
    expect(decoder.decode('things', frame(7, Uint8Array.of(2)))).toEqual({ kind: 'unknown', schemaId: 7 })
  })

  test('is believed from a plain 404 too, where a registry answers', async () => {
    const decoder = decoderWith()
    server.fault((response, request) =>
      json(response, request.url === '/subjects' ? 200 : 404, request.url === '/subjects' ? '[]' : ''),
    )
    await decoder.load(7)
    expect(decoder.decode('things', frame(7, Uint8Array.of(2)))).toMatchObject({ reason: 'unknown-schema' })
  })

  test('is not believed while the registry falters', async () => {
    const decoder = decoderWith()
    server.fault((response, request) => json(response, request.url === '/subjects' ? 503 : 404, ''))
    expect(await thrownBy(decoder.load(7))).toBeInstanceOf(Unavailable)
    expect(decoder.decode('things', frame(7, Uint8Array.of(2)))).toEqual({ kind: 'unknown', schemaId: 7 })
  })
})

test('a mistake of ours is poison for its record, and is told by its place, once, without its words', () => {
  const decoder = decoderWith()
  const value = Object.defineProperty(frame(1, Uint8Array.of(2)), 'byteLength', {
    get() {
      throw new TypeError('a value of the record')
    },
  })
  for (const _ of [1, 2]) {
    expect(decoder.decode('things', value)).toMatchObject({ kind: 'poison', reason: 'undecodable' })
  }
  expect(logged).toEqual([expect.stringMatching(/"error":"TypeError".*framing\.ts/)])
  expect(logged.join()).not.toContain('a value of the record')
})

describe('credentials', () => {
  test('are those of the moment of each question', async () => {
    const guarded = await registryServer({ credentials: `sluice:${PASSWORD}` })
    let password = 'wr0ng'
    const credentials = () => ({ username: 'sluice', password, ca: null, cert: null, key: null })
    const decoder = decoderWith({ url: guarded.url, credentials })
    expect(await thrownBy(decoder.ping())).toBeInstanceOf(Misconfigured)
    password = PASSWORD
    await decoder.ping()
    await guarded.stop()
  })

  test.for([
    [
      'as options',
      { credentials: () => ({ username: 'sluice', password: PASSWORD, ca: null, cert: null, key: null }) },
    ],
    ['in the URL', {}],
  ] as const)('%s are sent, below a base path, and never said', async ([, options]) => {
    const guarded = await registryServer({ basePath: '/apis/ccompat/v7', credentials: `sluice:${PASSWORD}` })
    const url = 'credentials' in options ? `${guarded.url}/` : guarded.url.replace('//', `//sluice:${PASSWORD}@`)
    const decoder = decoderWith({ url, ...options })
    await decoder.ping()
    await decoder.load(guarded.register({ schema: THING }))
    expect(decoder.decode('things', frame(1, Uint8Array.of(2)))).toMatchObject({ kind: 'value' })
    const errors = [await thrownBy(decoderWith({ url: guarded.url }).ping())]
    await guarded.stop()
    errors.push(await thrownBy(decoder.load(2)))
    for (const error of errors) expect(`${error.message} ${error.stack} ${String(error.cause)}`).not.toContain(PASSWORD)
    expect(logged.join()).not.toContain(PASSWORD)
  })
})
