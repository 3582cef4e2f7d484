/** The way to a broker, disturbed inside this process: cut as when the broker is gone, or silent as when the other end forgot us. */
import net from 'node:net'

export interface Cut {
  /** The way is open again. */
  restore(): void
}

const open = new Set<net.Socket>()
const refused = new Set<number>()
const connect = net.connect.bind(net)

/** From here on the sockets that kafkajs opens are known. */
export function watchSockets(): void {
  // Boundary: kafkajs calls `net.connect(options, callback)`, and nothing else in these tests uses the patched function.
  net.connect = ((options: net.TcpNetConnectOpts, onConnect?: () => void) => {
    const isRefused = refused.has(options.port)
    // A port that nobody listens on refuses by itself.
    const socket = connect({ ...options, port: isRefused ? 1 : options.port }, onConnect)
    if (!isRefused) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }
    return socket
  }) as typeof net.connect
}

export function cutNetwork(brokers: readonly string[]): Cut {
  const ports = brokers.map(broker => Number(broker.split(':')[1]))
  for (const port of ports) refused.add(port)
  for (const socket of open) {
    if (socket.remotePort === undefined || !ports.includes(socket.remotePort)) continue
    // As the kernel of a killed broker does it: the end of the stream, then nothing.
    socket.emit('end')
    socket.destroy()
  }
  return {
    restore() {
      for (const port of ports) refused.delete(port)
    },
  }
}

/** What is open stays open, and nothing passes any more in either direction. New sockets are fine. */
export function silenceOpenSockets(): void {
  for (const socket of open) {
    socket.pause()
    socket.write = () => true
  }
}
