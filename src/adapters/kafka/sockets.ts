/**
 * The consumer's sockets. kafkajs gives up on a request that has no answer in time, and sends the next one into the same
 * socket: where the other end is gone without a word (a failed-over address, a forgetful firewall), it would do so until the
 * kernel gives up, a quarter of an hour later. So a socket that is silent while its requests time out is broken by us; kafkajs
 * then connects anew.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import { Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'

const KEEP_ALIVE_MS = 10_000
/** Below the shortest timeout of a request: what was silent for so long gave that request no answer. */
const SILENT_MS_MIN = 4_500

export class Sockets {
  readonly #clock: Clock
  readonly #open = new Map<net.Socket, { readonly broker: string; lastReadMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    // kafkajs gives no `ssl` for a connection in clear, whatever its types say.
    const options: tls.ConnectionOptions | undefined = ssl
    const name = net.isIP(host) === 0 ? { servername: host } : {}
    const socket =
      options === undefined || options === null
        ? net.connect({ host, port }, onConnect)
        : tls.connect({ host, port, ...name, ...options }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const known = { broker: `${host}:${port}`, lastReadMs: this.#clock.nowMs() }
    this.#open.set(socket, known)
    socket.on('data', () => {
      known.lastReadMs = this.#clock.nowMs()
    })
    socket.once('close', () => this.#open.delete(socket))
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
