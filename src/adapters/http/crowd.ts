import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps the number of connections bounded, and room for who asks something: with `connectionsMax` open, a new one takes the
 * place of the one that has been without a request for longest. Refusing the newcomer instead would let anyone who holds idle
 * connections open shut out the probes and the scraper.
 */
export function boundConnections(server: Server, connectionsMax: number): void {
  // In the order in which they fell idle: a set keeps the order of insertion.
  const idle = new Set<Socket>()
  let open = 0
  server.on('connection', (socket: Socket) => {
    open++
    idle.add(socket)
    socket.once('close', () => {
      open--
      idle.delete(socket)
    })
    const [longest] = idle
    if (open > connectionsMax) longest?.destroy()
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket)
    })
  })
}
