/** A user's password at a broker, changed while it runs. kafkajs knows no such request (AlterUserScramCredentials, version 0). */
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

const API_KEY = 51
const SHA_512 = 2
const ITERATIONS = 4_096

export async function setScramPassword(broker: string, user: { name: string; password: string }): Promise<void> {
  const [host = '', port = ''] = broker.split(':')
  const socket = connect(Number(port), host)
  await once(socket, 'connect')
  const request = requestOf(user)
  socket.write(Buffer.concat([int32(request.length), request]))
  // Boundary: the one argument of this event. The answer is short, and comes in one piece.
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  // Length, correlation and its tags, throttle time, one result (the array says 2), its user by length, then its error.
  const nameLength = (answer[14] ?? 0) - 1
  const errorCode = answer.readInt16BE(15 + nameLength)
  if (answer[13] !== 2 || errorCode !== 0) throw new Error(`the broker refused a password: ${answer.toString('hex')}`)
}

/** Flexible: strings and arrays are one longer than they say, and everything ends with its tags, of which there are none. */
function requestOf({ name, password }: { name: string; password: string }): Buffer {
  const salt = randomBytes(32)
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 64, 'sha512')
  const noTags = Buffer.of(0)
  return Buffer.concat([
    Buffer.of(0, API_KEY, 0, 0),
    int32(1),
    Buffer.of(0, 4),
    Buffer.from('test'),
    noTags,
    compact(Buffer.alloc(0)),
    Buffer.of(2),
    compact(Buffer.from(name)),
    Buffer.of(SHA_512),
    int32(ITERATIONS),
    compact(salt),
    compact(salted),
    noTags,
    noTags,
  ])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Short enough for one byte of length. */
function compact(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(bytes.length + 1), bytes])
}
