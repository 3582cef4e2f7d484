/** A server that speaks as much of Postgres' protocol as a pool needs: it lets everybody in, and every statement is done, without rows. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface BarePostgres {
  readonly url: string
  /** Of all sessions, in order. */
  readonly statements: readonly string[]
  /** How many sessions were begun. */
  readonly sessions: number
  /** Who comes is let in when this is over. */
  lettingIn: Promise<void>
  stop(): Promise<void>
}

const TYPE_AND_LENGTH_BYTES = 5

function message(type: string, body: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(length.length + Buffer.byteLength(body))
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body)])
}

const READY = message('Z', 'I')
const LET_IN = Buffer.concat([message('R', '\0\0\0\0'), READY])
const DONE = Buffer.concat([message('C', 'SELECT 0\0'), READY])

export async function barePostgres(): Promise<BarePostgres> {
  const statements: string[] = []
  const open = new Set<Socket>()
  let sessions = 0
  const server = createServer(socket => {
    open.add(socket)
    sessions++
    // A connection that breaks is its client's affair.
    socket.on('error', () => socket.destroy())
    socket.once('close', () => open.delete(socket))
    // What pg sends at a time is short, and it waits for the answer: one message is one chunk.
    socket.once('data', () => {
      void bare.lettingIn.then(() => socket.write(LET_IN))
      socket.on('data', chunk => {
        if (chunk.toString('latin1', 0, 1) === 'Q') {
          statements.push(chunk.toString('utf8', TYPE_AND_LENGTH_BYTES, chunk.length - 1))
          socket.write(DONE)
        } else socket.end()
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo
  const bare: BarePostgres = {
    url: `postgres://app:s3cret@127.0.0.1:${port}/app`,
    statements,
    get sessions() {
      return sessions
    },
    lettingIn: Promise.resolve(),
    async stop() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return bare
}
