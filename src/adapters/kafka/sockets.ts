/**
 * Every socket to a broker: with the certificates of this moment, and none where a broker has just refused us.
 *
 * kafkajs gives up on a request that has no answer in time, and sends the next one into the same
 * socket: where the other end is gone without a word (a failed-over address, a forgetful firewall), it would do so until the
 * kernel gives up, a quarter of an hour later. So a socket that is silent while its requests time out is broken by us; kafkajs
 * then connects anew.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import { tlsRefusal, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'
import type { KafkaTls } from './credentials.ts'
import { tlsNamesOf } from './faults.ts'
import type { KafkaSecurity } from './security.ts'

const KEEP_ALIVE_MS = 10_000
/** Below the shortest timeout of a request: what was silent for so long gave that request no answer. */
const SILENT_MS_MIN = 4_500

export class Sockets {
  readonly #clock: Clock
  readonly #security: KafkaSecurity | null
  readonly #open = new Map<net.Socket, { readonly broker: string; lastReadMs: number }>()

  constructor(clock: Clock, security: KafkaSecurity | null) {
    this.#clock = clock
    this.#security = security
  }

  readonly factory: ISocketFactory = ({ host, port, onConnect }) => {
    const broker = `${host}:${port}`
    const socket = this.#socketTo({
      host,
      port,
      // Too late where kafkajs has ended it: it would take for connected what is destroyed next, and never connect again.
      onConnect: () => {
        if (!socket.writableEnded) onConnect()
      },
    })
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const known = { broker, lastReadMs: this.#clock.nowMs() }
    this.#open.set(socket, known)
    socket.on('data', () => {
      known.lastReadMs = this.#clock.nowMs()
    })
    socket.once('close', () => this.#open.delete(socket))
    // kafkajs goes on listening to a socket that it has ended, and takes what it hears for news of the one that it has opened since: the
    // broker's end of the old one would close the new one. A refused login is followed by just that.
    socket.once('finish', () => socket.destroy())
    return socket
  }

  #socketTo(to: { host: string; port: number; onConnect: () => void }): net.Socket {
    const { host, port, onConnect } = to
    if (this.#security === null) return net.connect({ host, port }, onConnect)
    const { credentials: current, refusals } = this.#security
    const broker = `${host}:${port}`
    const credentials = current()
    const refusal = refusals.standing(broker, credentials)
    // Fails as a real one would, with listeners on it.
    if (refusal !== null) return new net.Socket().destroy(refusal)
    const { tls: over, sasl } = credentials
    const socket =
      over === null ? net.connect({ host, port }, onConnect) : tls.connect(tlsOptions(over, { host, port }), onConnect)
    let isReached = false
    socket.once('connect', () => {
      isReached = true
    })
    // With a login to follow, it is the login that tells.
    if (sasl === null) socket.once('data', () => refusals.over(broker))
    socket.once('error', error => {
      const refused = tlsRefusal(error, tlsNamesOf(broker))
      if (refused !== null) refusals.refused(broker, refused, credentials)
      else if (!isReached) refusals.over(broker)
    })
    return socket
  }

  /** Answers how many there were. */
  breakSilent(broker: string): number {
    let broken = 0
    for (const [socket, known] of this.#open) {
      if (known.broker !== broker || this.#clock.nowMs() - known.lastReadMs < SILENT_MS_MIN) continue
      socket.destroy(new Unavailable('kafka', `${broker} has been silent`))
      broken++
    }
    return broken
  }
}

function tlsOptions(
  { ca, cert, key }: KafkaTls,
  { host, port }: { host: string; port: number },
): tls.ConnectionOptions {
  return {
    host,
    port,
    // An address is no server name (RFC 6066 §3); the certificate is checked against it all the same.
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  }
}
