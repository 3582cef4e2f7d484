/** Ports nobody uses, chosen by the operating system; each given out once. */
import { createServer } from 'node:net'

const given = new Set<number>()

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no TCP port to be had')
  // The system may offer a port again before the one it was given to listens on it.
  if (given.has(address.port)) return freePort()
  given.add(address.port)
  return address.port
}
