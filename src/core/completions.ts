/**
 * What is settled above the committable offset, as it travels in a commit's metadata: the next owner of the partition does
 * not deliver it again.
 *
 * Never trusted: what is not exactly what `encodeCompletions` would have written for this committed offset reads as nothing.
 * The worst that bad metadata may do is to repeat work, so every doubt is answered with "not completed".
 *
 * Big-endian bytes as base64: version, leader epoch (int32), base (int64), bitmap, CRC-32 of all before it. Bit i of the
 * bitmap, lowest bit of a byte first, is the offset base + i. The base itself is completed only where it
 * is known from an assignment before and was not fetched again yet: what was fetched and is settled is below the base.
 */

import { assert } from './assert.ts'

const VERSION = 1
const EPOCH_AT = 1
const BASE_AT = 5
const BITMAP_AT = 13
const CHECKSUM_BYTES = 4

/** The broker's default for `offset.metadata.max.bytes`; one more character refuses that partition's commit. Found on a real broker. */
const LENGTH_MAX = 4_096

export interface ToEncode {
  /** The offset that is committed with it. */
  readonly base: number
  /** The highest under which any taken record was written; -1 unknown. */
  readonly leaderEpoch: number
  /** Rising, none below `base`. Read no further than what fits. */
  readonly settled: Iterable<number>
  /** In characters, where the broker takes less than 4,096. */
  readonly lengthMax?: number
}

/**
 * At most 4,096 characters: a bitmap of 24,440 offsets. What lies beyond is left out, and is delivered again. Empty when
 * nothing is settled above the base, and when the leader epoch is unknown: nobody could ever believe it.
 */
export function encodeCompletions({ base, leaderEpoch, settled, lengthMax = LENGTH_MAX }: ToEncode): string {
  assert(Number.isSafeInteger(base) && base >= 0, 'completions stand above a committable offset')
  if (leaderEpoch < 0) return ''
  const bytes = new Uint8Array(Math.max(0, Math.floor(Math.min(lengthMax, LENGTH_MAX) / 4) * 3))
  const indexEnd = (bytes.length - BITMAP_AT - CHECKSUM_BYTES) * 8
  let last = -1
  for (const offset of settled) {
    const index = offset - base
    assert(index > last && Number.isSafeInteger(offset), 'completions rise, from the committable offset on')
    if (index >= indexEnd) break
    // In range: `index` is below `indexEnd`.
    bytes[BITMAP_AT + (index >>> 3)]! |= 1 << (index & 7)
    last = index
  }
  if (last < 0) return ''
  const checksumAt = BITMAP_AT + (last >>> 3) + 1
  const view = new DataView(bytes.buffer)
  view.setUint8(0, VERSION)
  view.setInt32(EPOCH_AT, leaderEpoch)
  view.setBigInt64(BASE_AT, BigInt(base))
  view.setUint32(checksumAt, crc32Of(bytes.subarray(0, checksumAt)))
  return base64Of(bytes.subarray(0, checksumAt + CHECKSUM_BYTES))
}

/** Null for what this module did not write, or wrote for another committed offset. Never throws. */
export function decodeCompletions(text: string, { committed }: { readonly committed: number }): Completions | null {
  const bytes = text.length <= LENGTH_MAX ? bytesOf(text) : null
  if (bytes === null || bytes.length <= BITMAP_AT + CHECKSUM_BYTES) return null
  const view = new DataView(bytes.buffer)
  const checksumAt = bytes.length - CHECKSUM_BYTES
  const bitmap = bytes.subarray(BITMAP_AT, checksumAt)
  const leaderEpoch = view.getInt32(EPOCH_AT)
  const intact =
    view.getUint8(0) === VERSION &&
    view.getUint32(checksumAt) === crc32Of(bytes.subarray(0, checksumAt)) &&
    // Beyond 2^53 it is rounded, but never down to a safe integer.
    Number(view.getBigInt64(BASE_AT)) === committed
  if (!intact || leaderEpoch < 0 || bitmap.at(-1) === 0) return null
  const completions = new Completions({ base: committed, leaderEpoch, bitmap })
  return Number.isSafeInteger(completions.end) ? completions : null
}

class Completions {
  /** The stored one: see `has`. */
  readonly leaderEpoch: number
  /** One past the highest completed offset. */
  readonly end: number
  /** How many are completed. */
  readonly size: number
  readonly #base: number
  readonly #bitmap: Uint8Array

  constructor({ base, leaderEpoch, bitmap }: { base: number; leaderEpoch: number; bitmap: Uint8Array }) {
    this.leaderEpoch = leaderEpoch
    this.#base = base
    this.#bitmap = bitmap
    this.end = base + bitmap.length * 8 - (Math.clz32(bitmap.at(-1) ?? 0) - 24)
    this.size = bitmap.reduce((sum, byte) => sum + bitsOf(byte), 0)
  }

  /**
   * Whether the record that stands at `offset` now was completed. `leaderEpoch` is the one under which it was written.
   *
   * A log that lost its end (an unclean election) is written on under a higher leader epoch than any before: a record above
   * the stored epoch is another one than was completed. A record of unknown epoch (-1: a log older than epochs) proves
   * nothing, and is delivered again.
   */
  has(offset: number, leaderEpoch: number): boolean {
    return leaderEpoch >= 0 && leaderEpoch <= this.leaderEpoch && this.#isSet(offset - this.#base)
  }

  /**
   * Completed offsets from `offset` on, rising: for the commits made before all of them were fetched again.
   *
   * Leader epochs rise along a log. So with the first fetched record whose epoch is above ours none of these is left; until
   * then `leaderEpoch` is still the highest, and is the one to store with them.
   */
  *from(offset: number): Generator<number, void, undefined> {
    for (let next = Math.max(offset, this.#base); next < this.end; next++) {
      if (this.#isSet(next - this.#base)) yield next
    }
  }

  #isSet(index: number): boolean {
    // Bit operators wrap at 2^32: far offsets have to be refused before.
    if (index < 0 || index >= this.#bitmap.length * 8) return false
    return (this.#bitmap[index >>> 3]! & (1 << (index & 7))) !== 0
  }
}

/** There is no other way to one than `decodeCompletions`. */
export type { Completions }

function bitsOf(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Source: CRC-32 of IEEE 802.3, reflected. It finds every damage within 32 neighbouring bits, hence of any one character. */
function crc32Of(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb8_8320 & -(crc & 1))
  }
  return ~crc >>> 0
}

// ── Base64 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Our own, since this floor has no Buffer. Strict: padded, nothing but the alphabet, and one text only for the same bytes.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const DIGITS: ReadonlyMap<string, number> = new Map(Array.from(ALPHABET, (character, digit) => [character, digit]))

function base64Of(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET[(group >>> shift) & 63]
  }
  const padding = (3 - (bytes.length % 3)) % 3
  return text.slice(0, text.length - padding) + '='.repeat(padding)
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> | null {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  if (text.length % 4 !== 0) return null
  const bytes = new Uint8Array((text.length / 4) * 3)
  for (let at = 0; at < text.length; at += 4) {
    let group = 0
    for (let index = at; index < at + 4; index++) {
      const digit = index < text.length - padding ? DIGITS.get(text[index]!) : 0
      if (digit === undefined) return null
      group = (group << 6) | digit
    }
    bytes.set([group >>> 16, (group >>> 8) & 255, group & 255], (at / 4) * 3)
  }
  // The bits that padding leaves over are zero, or two texts would mean the same.
  if (bytes.subarray(bytes.length - padding).some(byte => byte !== 0)) return null
  return bytes.slice(0, bytes.length - padding)
}
