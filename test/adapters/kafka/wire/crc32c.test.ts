import { expect, test } from 'vitest'
import { crc32c } from '../../../../src/adapters/kafka/wire/crc32c.ts'

/** RFC 3720, appendix B.4, and the check value that catalogues of checksums give. */
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['rising', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['falling', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ['the nine digits', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
])('%s', (_what, bytes, expected) => expect(crc32c(bytes)).toBe(expected))

function bitByBit(part: Buffer): number {
  let sum = 0xffffffff
  for (const byte of part) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return (sum ^ 0xffffffff) >>> 0
}

test('of any part, wherever it begins and however long it is', () => {
  const bytes = Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 151 + 7) & 0xff))
  for (let at = 0; at < 12; at++)
    for (let end = at; end < 64; end++) expect(crc32c(bytes, at, end)).toBe(bitByBit(bytes.subarray(at, end)))
})
