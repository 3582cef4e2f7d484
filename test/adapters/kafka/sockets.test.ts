/** Sockets to a broker that is a bare TLS server: whom they trust, as whom they come, and when they do not even knock. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import tls from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/adapters/clock/clock.ts'
import type { KafkaCredentials } from '../../../src/adapters/kafka/credentials.ts'
import { KafkaSecurity } from '../../../src/adapters/kafka/security.ts'
import { Sockets } from '../../../src/adapters/kafka/sockets.ts'
import { memoryClock } from '../../../src/adapters/memory/clock.ts'
import { Misconfigured } from '../../../src/consumer/errors.ts'
import { LOCAL_HOSTS, newAuthority } from '../../support/certificates.ts'

const authority = await newAuthority()
const other = await newAuthority('another authority')
const shown = await authority.issue('broker', { hosts: LOCAL_HOSTS })
const elsewhere = await authority.issue('broker', { hosts: ['elsewhere.example'] })
const first = await authority.issue('first')
const second = await authority.issue('second')

const TRUSTING: KafkaCredentials = { tls: { ca: authority.ca, cert: null, key: null }, sasl: null }

let server: tls.Server
/** The names of those who came. */
let visitors: string[]

beforeEach(async () => {
  visitors = []
  server = tls.createServer({ ...shown, ca: authority.ca, requestCert: true, rejectUnauthorized: false }, socket => {
    const { subject } = socket.getPeerCertificate()
    visitors.push(String(subject?.CN ?? 'nobody'))
    socket.write('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.close()
  await once(server, 'close')
})

function socketsFor(credentials: () => KafkaCredentials, clock = systemClock()) {
  const security = new KafkaSecurity(credentials, clock)
  const sockets = new Sockets(clock, security)
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo
  const open = (host = '127.0.0.1'): Socket => sockets.factory({ host, port, ssl: {}, onConnect: () => undefined })
  return { open, security }
}

/** What came of it: the server's word, or an error. */
async function outcomeOf(socket: Socket): Promise<unknown> {
  const heard = once(socket, 'data').then(([data]) => String(data))
  const outcome = await heard.catch((error: unknown) => error)
  socket.destroy()
  return outcome
}

test('each connection comes with the certificate of its moment', async () => {
  let now: KafkaCredentials = { tls: { ca: authority.ca, ...first }, sasl: null }
  const { open } = socketsFor(() => now)
  expect(await outcomeOf(open())).toBe('hello')
  now = { tls: { ca: authority.ca, ...second }, sasl: null }
  expect(await outcomeOf(open('localhost'))).toBe('hello')
  expect(visitors).toEqual(['first', 'second'])
})

test('each connection trusts whom we trust at its moment; the one that we stopped trusting is refused', async () => {
  let now: KafkaCredentials = { tls: { ca: other.ca, cert: null, key: null }, sasl: null }
  const { open } = socketsFor(() => now)
  expect(await outcomeOf(open())).toMatchObject({ code: expect.stringMatching(/^SELF_SIGNED_CERT|^UNABLE_TO_VERIFY/) })
  now = TRUSTING
  expect(await outcomeOf(open())).toBe('hello')
})

test('after a refusal nobody knocks until a second has passed; then one does', async () => {
  const clock = memoryClock()
  server.setSecureContext(elsewhere)
  const { open } = socketsFor(() => TRUSTING, clock)
  const arrivals: unknown[] = []
  server.on('connection', socket => arrivals.push(socket))
  expect(await outcomeOf(open('localhost'))).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  clock.advance(999)
  for (const _ of [1, 2, 3]) {
    const refusal = await outcomeOf(open('localhost'))
    expect(refusal).toBeInstanceOf(Misconfigured)
    expect(String(refusal)).toContain('elsewhere.example')
    expect(String(refusal)).toContain('KAFKA_BROKERS')
  }
  expect(arrivals).toHaveLength(1)
  clock.advance(1)
  server.setSecureContext(shown)
  expect(await outcomeOf(open('localhost'))).toBe('hello')
  // It has let us in: so are those after it.
  expect(await outcomeOf(open('localhost'))).toBe('hello')
  expect(arrivals).toHaveLength(3)
})

test('a broker that is away is no refusal: it is tried again at once', async () => {
  const { open, security } = socketsFor(() => TRUSTING)
  server.close()
  await once(server, 'close')
  expect(await outcomeOf(open())).toMatchObject({ code: 'ECONNREFUSED' })
  expect(await outcomeOf(open())).toMatchObject({ code: 'ECONNREFUSED' })
  expect(security.refusals.standing('127.0.0.1:1', TRUSTING)).toBeNull()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

test('where a login follows, it is the login that tells whether we are let in', async () => {
  const credentials: KafkaCredentials = {
    ...TRUSTING,
    sasl: { mechanism: 'plain', username: 'u', password: 'p' },
  }
  const clock = memoryClock()
  const { open, security } = socketsFor(() => credentials, clock)
  const first = open()
  await once(first, 'data')
  const refusal = new Misconfigured('the login was refused')
  security.refusals.refused(`127.0.0.1:${first.remotePort}`, refusal, credentials)
  clock.advance(1_000)
  // It is let through, and its handshake is well: that tells nothing of its login.
  const second = open()
  await once(second, 'data')
  expect(await outcomeOf(open())).toBe(refusal)
  first.destroy()
  second.destroy()
})

test('a socket that was ended is not heard any more', async () => {
  const { open } = socketsFor(() => TRUSTING)
  const socket = open()
  await once(socket, 'data')
  let isHeard = false
  socket.on('end', () => {
    isHeard = true
  })
  socket.end()
  await once(socket, 'close')
  expect(isHeard).toBe(false)
})

test('a socket that connects only after it was ended is not told of as connected', async () => {
  const told: string[] = []
  const sockets = new Sockets(systemClock(), null)
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo
  const open = (name: string): Socket =>
    sockets.factory({ host: '127.0.0.1', port, ssl: {}, onConnect: () => told.push(name) })
  const [ended, kept] = [open('ended'), open('kept')]
  ended.end()
  await Promise.all([once(ended, 'connect'), once(ended, 'close'), once(kept, 'connect')])
  kept.destroy()
  expect(told).toEqual(['kept'])
})
