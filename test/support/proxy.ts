/** A TCP proxy in front of a real part, for the faults that lie between: refused, cut, frozen, or a COMMIT whose answer gets lost. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** `lost-after`: the server commits, its answer does not arrive. `lost-before`: COMMIT itself does not arrive. */
export type CommitFault = 'lost-after' | 'lost-before'

export interface Proxy {
  /** The same URL by way of the proxy. */
  readonly url: string
  /** When each connection came, refused ones too; as performance.now() has it. */
  readonly arrivals: readonly number[]
  /** Cuts what is open and refuses what comes. */
  refuse(): void
  /** Cuts what is open, once. */
  cut(): void
  /** Sockets stay open and nothing passes, in either direction, until `accept`. */
  freeze(): void
  accept(): void
  /** For the next COMMIT on any connection. */
  onNextCommit(fault: CommitFault): void
  stop(): Promise<void>
}

export async function proxyTo(target: string): Promise<Proxy> {
  const upstream = new URL(target)
  const pairs = new Set<readonly [Socket, Socket]>()
  const faults: CommitFault[] = []
  const arrivals: number[] = []
  let mode: 'passing' | 'refusing' | 'frozen' = 'passing'

  const server = createServer(client => {
    arrivals.push(performance.now())
    if (mode === 'refusing') {
      client.destroy()
      return
    }
    const backend = connect(Number(upstream.port), upstream.hostname)
    const pair = [client, backend] as const
    pairs.add(pair)
    if (mode === 'frozen') pair.forEach(socket => socket.pause())
    let answersPass = true
    client.on('data', chunk => {
      const fault = isCommit(chunk) ? faults.shift() : undefined
      if (fault === 'lost-before') return destroy(pair)
      if (fault === 'lost-after') answersPass = false
      backend.write(chunk)
    })
    backend.on('data', chunk => {
      if (answersPass) client.write(chunk)
      // The server has answered, so it is committed; now the connection breaks.
      else destroy(pair)
    })
    for (const socket of pair) {
      // A broken connection is what this is for.
      socket.on('error', () => destroy(pair))
      socket.on('close', () => {
        destroy(pair)
        pairs.delete(pair)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(portOf(server.address()))

  const cut = (): void => pairs.forEach(destroy)
  const flow = (how: 'pause' | 'resume'): void => pairs.forEach(pair => pair.forEach(socket => socket[how]()))
  return {
    url: url.href,
    arrivals,
    refuse() {
      mode = 'refusing'
      cut()
    },
    cut,
    freeze() {
      mode = 'frozen'
      flow('pause')
    },
    accept() {
      mode = 'passing'
      flow('resume')
    },
    onNextCommit: fault => void faults.push(fault),
    async stop() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A simple query: Q, four bytes of length, the text, a zero. */
function isCommit(chunk: Buffer): boolean {
  return chunk[0] === 0x51 && chunk.subarray(5).toString('latin1').startsWith('COMMIT\0')
}

function destroy([client, backend]: readonly [Socket, Socket]): void {
  client.destroy()
  backend.destroy()
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port')
  return address.port
}
