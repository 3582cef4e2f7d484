/**
 * CRC-32C (Castagnoli), which every record batch carries. node:zlib's `crc32` is of another polynomial. Eight bytes a step:
 * "slicing-by-8" (Kounavis and Berry, 2005).
 */

/** 0x1edc6f41, its bits reversed. */
const POLYNOMIAL = 0x82f63b78

/** What eight more bits of zeros make of a checksum. */
function shifted(checksum: number): number {
  let value = checksum
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
  return value >>> 0
}

/** Table k holds what a byte does to a checksum when k bytes follow it. */
const T0 = Uint32Array.from({ length: 256 }, (_, byte) => shifted(byte))
const T1 = T0.map(shifted)
const T2 = T1.map(shifted)
const T3 = T2.map(shifted)
const T4 = T3.map(shifted)
const T5 = T4.map(shifted)
const T6 = T5.map(shifted)
const T7 = T6.map(shifted)

/** Of `bytes` in [at, end), which must lie within them; an unsigned number of 32 bits. */
export function crc32c(bytes: Uint8Array, at = 0, end = bytes.length): number {
  let sum = -1
  let next = at
  for (; next + 8 <= end; next += 8) {
    const first = sum ^ (bytes[next]! | (bytes[next + 1]! << 8) | (bytes[next + 2]! << 16) | (bytes[next + 3]! << 24))
    sum =
      T7[first & 0xff]! ^
      T6[(first >>> 8) & 0xff]! ^
      T5[(first >>> 16) & 0xff]! ^
      T4[first >>> 24]! ^
      T3[bytes[next + 4]!]! ^
      T2[bytes[next + 5]!]! ^
      T1[bytes[next + 6]!]! ^
      T0[bytes[next + 7]!]!
  }
  for (; next < end; next++) sum = (sum >>> 8) ^ T0[(sum ^ bytes[next]!) & 0xff]!
  return (sum ^ -1) >>> 0
}
