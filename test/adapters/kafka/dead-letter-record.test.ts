/** What kafkajs' own record encoder makes of a dead letter, byte by byte. */
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { messageOf } from '../../../src/adapters/kafka/dead-letter-record.ts'
import type { Headers } from '../../../src/consumer/ports.ts'
import { letterOf } from '../../contracts/dead-letters.ts'

const require = createRequire(import.meta.url)

interface Encoded {
  readonly buffer: Buffer
}

interface RawHeader {
  readonly key: string
  readonly value: Buffer | null
}

interface Reader {
  readVarInt(): number
  readInt8(): number
  readVarLong(): unknown
  readVarIntBytes(): Buffer | null
  readVarIntArray(read: (decoder: Reader) => RawHeader): RawHeader[]
}

function onTheWire(headers: Headers): { key: Buffer | null; headers: RawHeader[]; left: number } {
  const record = { offset: 7, timestampMs: 1, key: Buffer.from('k'), value: Buffer.from('v'), headers }
  // Boundary: kafkajs' own modules without types, the ones that its producer and consumer use.
  const encode = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoded
  const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => Reader
  const readHeader = require('kafkajs/src/protocol/recordBatch/header/v0/decoder') as (decoder: Reader) => RawHeader
  const { buffer } = encode({
    ...messageOf(letterOf('orders', { record }), 'group'),
    offsetDelta: 0,
    timestampDelta: 0,
  })
  const decoder = new Decoder(buffer)
  const length = decoder.readVarInt()
  decoder.readInt8()
  decoder.readVarLong()
  decoder.readVarInt()
  const key = decoder.readVarIntBytes()
  decoder.readVarIntBytes()
  return { key, headers: decoder.readVarIntArray(readHeader), left: buffer.length - length }
}

test('headers keep their order, repeated names their places, and null is not empty', () => {
  const headers: Headers = [
    ['b', Buffer.from('1')],
    ['a', Buffer.from('2')],
    ['b', Buffer.from('3')],
    ['9', null],
    ['1', Buffer.from('')],
  ]
  const wire = onTheWire(headers)
  expect(wire.headers.slice(0, 5).map(({ key, value }) => [key, value === null ? null : value.toString()])).toEqual([
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
    ['9', null],
    ['1', ''],
  ])
})

test('the length that is written is the length that stands there, null headers or not', () => {
  const short = onTheWire([['x', null]])
  // The record's length is a varint of two bytes here.
  expect(short.left).toBe(2)
  expect(onTheWire([['x', Buffer.from('')]]).left).toBe(2)
})

test('our own headers stand behind those of the record', () => {
  const names = onTheWire([['sluice-dlt-id', Buffer.from('forged')]]).headers.map(({ key }) => key)
  expect(names).toEqual([
    'original-sluice-dlt-id',
    ...[
      'id',
      'topic',
      'partition',
      'offset',
      'timestamp',
      'group',
      'handler',
      'reason',
      'error',
      'attempts',
      'first-failed-at',
      'failed-at',
    ].map(name => `sluice-dlt-${name}`),
  ])
})
