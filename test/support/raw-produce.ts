/** A record batch put into a log byte by byte, as no client would write it: the broker checks the header, the checksum and the records' frame. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createGzip } from 'node:zlib'
import { int16, int32, varint } from '../adapters/kafka/wire/writing.ts'

const PRODUCE = 0
const VERSION = 7
const TIMEOUT_MS = 60_000

/** To the partition's leader. Rejects with the broker's error code. */
export async function produceRaw(
  address: string,
  { topic, partition, batch }: { topic: string; partition: number; batch: Buffer },
): Promise<void> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect(Number(port), host)
  try {
    await once(socket, 'connect')
    const body = Buffer.concat([
      ...[PRODUCE, VERSION].map(int16),
      int32(1),
      string('test'),
      // No transaction, all replicas.
      ...[-1, -1].map(int16),
      ...[TIMEOUT_MS, 1].map(int32),
      string(topic),
      ...[1, partition, batch.length].map(int32),
      batch,
    ])
    socket.write(Buffer.concat([int32(body.length), body]))
    const answer = await answerOf(socket, address)
    // Behind the correlation id: one topic, one partition, then what became of it.
    const errorCode = answer.readInt16BE(4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4)
    if (errorCode !== 0) throw new Error(`the broker refused the batch with error ${errorCode}`)
  } finally {
    socket.destroy()
  }
}

async function answerOf(socket: AsyncIterable<unknown>, address: string): Promise<Buffer> {
  let read: Buffer = Buffer.alloc(0)
  for await (const chunk of socket) {
    // Boundary: the socket has no encoding, so its chunks are bytes.
    read = Buffer.concat([read, chunk as Buffer])
    if (read.length >= 4 && read.length >= 4 + read.readInt32BE(0)) return read.subarray(4)
  }
  throw new Error(`${address} closed the connection`)
}

function string(text: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)])
}

const MEBIBYTE = 1024 * 1024

/** One record of so many zeros, gzipped piece by piece: a thousandth of it, and never in memory whole. */
export async function bomb(mebibytes: number): Promise<Buffer> {
  const bytes = mebibytes * MEBIBYTE
  // Attributes, time, offset, no key, the value's length; behind the value no headers.
  const head = Buffer.concat([Buffer.from([0, 0, 0]), varint(-1), varint(bytes)])
  const gzip = createGzip()
  const zeros = Buffer.alloc(MEBIBYTE)
  const compressed = gzip.toArray()
  gzip.write(Buffer.concat([varint(head.length + bytes + 1), head]))
  for (let written = 0; written < mebibytes; written++) {
    if (!gzip.write(zeros)) await once(gzip, 'drain')
  }
  gzip.end(varint(0))
  // Boundary: the stream has no encoding, so its chunks are bytes.
  return Buffer.concat((await compressed) as Buffer[])
}
