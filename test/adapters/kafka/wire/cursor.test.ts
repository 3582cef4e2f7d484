import { expect, test } from 'vitest'
import { Cursor, Malformed } from '../../../../src/adapters/kafka/wire/bytes.ts'
import { varint } from './writing.ts'

function refusal(read: () => unknown): string {
  try {
    return `read ${String(read())}`
  } catch (error) {
    return error instanceof Malformed ? error.reason : String(error)
  }
}

const VARINTS = [0, -1, 1, 63, -64, 64, 127, 128, 8_191, -8_192, 8_192, 1_048_576, 2 ** 28, 2 ** 31 - 1, -(2 ** 31)]

test.each(VARINTS)('%d as a varint and as a varlong', value => {
  const bytes = varint(value)
  for (const read of ['varint', 'varlong'] as const) {
    const cursor = new Cursor(bytes)
    expect([cursor[read](), cursor.left]).toEqual([value, 0])
    for (let cut = 0; cut < bytes.length; cut++) expect(refusal(() => new Cursor(bytes, 0, cut)[read]())).toBe('short')
  }
})

test.each([2 ** 31, -(2 ** 31) - 1, 2 ** 40, -(2 ** 45), 2 ** 52 - 1, -(2 ** 52)])('%d as a varlong', value =>
  expect(new Cursor(varint(value)).varlong()).toBe(value),
)

test('a varlong beyond what a number holds exactly is refused, never rounded', () => {
  for (const value of [2n ** 52n, -(2n ** 52n) - 1n, 2n ** 53n, 2n ** 62n, -(2n ** 63n)])
    expect(refusal(() => new Cursor(varint(value)).varlong())).toBe('range')
})

/** A number of one byte more. */
const later = (bytes: number): Buffer => Buffer.concat([Buffer.alloc(bytes, 0x80), Buffer.alloc(1)])

test('a number of variable length ends', () => {
  expect(refusal(() => new Cursor(Buffer.alloc(20, 0xff)).varint())).toBe('varint')
  expect(refusal(() => new Cursor(Buffer.alloc(20, 0xff)).varlong())).toBe('varint')
  expect(refusal(() => new Cursor(Buffer.alloc(20, 0x80)).varlong())).toBe('varint')
  expect(refusal(() => new Cursor(later(5)).varint())).toBe('varint')
  expect(refusal(() => new Cursor(later(10)).varlong())).toBe('varint')
})

function int64(value: bigint): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return refusal(() => new Cursor(bytes).int64())
}

test('64 bits are exact or refused', () => {
  const max = 2n ** 53n - 1n
  for (const value of [0n, -1n, 1n, 2n ** 32n, -(2n ** 32n), 1_780_000_000_000n, max, -max])
    expect(int64(value)).toBe(`read ${value}`)
  for (const value of [max + 1n, max + 2n, -max - 1n, 2n ** 63n - 1n, -(2n ** 63n)]) expect(int64(value)).toBe('range')
})

test('no read passes the end, though the buffer goes on', () => {
  const bytes = Buffer.alloc(16, 1)
  const reads: ((cursor: Cursor) => unknown)[] = [
    cursor => cursor.int8(),
    cursor => cursor.int16(),
    cursor => cursor.int32(),
    cursor => cursor.int64(),
    cursor => cursor.string(),
    cursor => cursor.varint(),
    cursor => cursor.varlong(),
    cursor => cursor.take(1),
  ]
  for (const read of reads) expect(refusal(() => read(new Cursor(bytes, 4, 4)))).toBe('short')
  expect(refusal(() => new Cursor(bytes, 4, 8).take(5))).toBe('short')
  expect(refusal(() => new Cursor(bytes, 4, 8).take(2 ** 31 - 1))).toBe('short')
  expect(refusal(() => new Cursor(bytes, 4, 8).take(-1))).toBe('count')
})
