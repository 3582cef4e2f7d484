/** Completions above the committable offset go through a commit's metadata, and no damage to it makes a record look completed. */
import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BrokenInvariant } from '../../src/core/assert.ts'
import { type Completions, decodeCompletions, encodeCompletions, type ToEncode } from '../../src/core/completions.ts'
import { randomOf, seedOf } from './seed.ts'

const seed = seedOf('completions.test.ts')

const LENGTH_MAX = 4_096
const OFFSETS_MAX = 24_440

function listOf(completions: Completions | null): number[] | null {
  return completions && [...completions.from(0)]
}

/** What comes back for the same committed offset. */
function through(given: ToEncode): Completions | null {
  return decodeCompletions(encodeCompletions(given), { committed: given.base })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

/** Valid in every other way: the bytes are changed, then sealed again with a checksum of node's own. */
function resealed(text: string, change: (bytes: Buffer) => Uint8Array): string {
  const body = Buffer.from(change(Buffer.from(text, 'base64').subarray(0, -4)))
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([body, checksum]).toString('base64')
}

describe('what is written', () => {
  test('these bytes: version, leader epoch, base, bitmap, checksum', () => {
    const text = encodeCompletions({ base: 258, leaderEpoch: 7, settled: [259, 266, 268] })
    const bytes = Buffer.from(text, 'base64')
    expect(bytes.subarray(0, -4).toString('hex')).toBe('01|00000007|0000000000000102|0205'.replaceAll('|', ''))
    expect(bytes.toString('base64')).toBe(text)
  })

  test('nothing, when nothing is settled above the base', () => {
    expect(encodeCompletions({ base: 5, leaderEpoch: 0, settled: [] })).toBe('')
  })

  test('nothing, when no leader epoch is known: nobody could believe it', () => {
    expect(encodeCompletions({ base: 5, leaderEpoch: -1, settled: [6] })).toBe('')
  })

  test('a whole window of 10,000 takes 1,692 characters', () => {
    expect(encodeCompletions({ base: 0, leaderEpoch: 0, settled: range(1, 10_000) })).toHaveLength(1_692)
  })

  test('no more than 4,096 characters: the far end is left out, and not even read', () => {
    let read = 0
    const settled = (function* () {
      for (;;) yield ++read
    })()
    const text = encodeCompletions({ base: 0, leaderEpoch: 0, settled, lengthMax: 1e6 })
    expect(text).toHaveLength(LENGTH_MAX)
    expect(read).toBe(OFFSETS_MAX)
    expect(listOf(decodeCompletions(text, { committed: 0 }))).toEqual(range(1, OFFSETS_MAX))
  })

  test('less, where the broker takes less', () => {
    const given = { base: 0, leaderEpoch: 0, settled: range(1, 10_000) }
    expect(encodeCompletions({ ...given, lengthMax: 103 })).toHaveLength(100)
    expect(listOf(through({ ...given, lengthMax: 103 }))).toEqual(range(1, (75 - 17) * 8))
    expect(encodeCompletions({ ...given, lengthMax: 24 })).not.toBe('')
    expect([23, 4, 3, 0].map(lengthMax => encodeCompletions({ ...given, lengthMax }))).toEqual(['', '', '', ''])
  })

  test.each([
    ['an offset below the base', [4]],
    ['a repeated offset', [6, 6]],
    ['a lower offset', [7, 6]],
    ['a fraction', [6.5]],
  ])('%s is not encoded', (_, settled) => {
    expect(() => encodeCompletions({ base: 5, leaderEpoch: 0, settled })).toThrow(BrokenInvariant)
  })
})

describe('what is read', () => {
  test('size, and one past the highest', () => {
    const completions = through({ base: 100, leaderEpoch: 3, settled: [101, 107, 108, 900] })
    expect(completions).toMatchObject({ size: 4, end: 901, leaderEpoch: 3 })
  })

  test('the base too, where it was settled before and is not fetched again yet', () => {
    expect(listOf(through({ base: 100, leaderEpoch: 3, settled: [100, 102] }))).toEqual([100, 102])
  })

  test('neither the base nor what lies below, between or far above is completed', () => {
    const base = 2 ** 40
    const completions = through({ base, leaderEpoch: 3, settled: [base + 1, base + 3] })
    const at = (index: number) => completions?.has(base + index, 3)
    expect([1, 3].map(at)).toEqual([true, true])
    const others = [-1, 0, 2, 4, 5, 9, 1 + 2 ** 32, 1 - 2 ** 32, -base, -base - 1, 2 ** 53, Number.NaN]
    expect(others.filter(at)).toEqual([])
  })

  test('a record written under a higher leader epoch is another one; one of unknown epoch proves nothing', () => {
    const completions = through({ base: 100, leaderEpoch: 3, settled: [101] })
    expect([-1, 0, 2, 3, 4, 1_000].map(epoch => completions?.has(101, epoch))).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
    ])
  })

  test('those from an offset on, for the commits before they are fetched again', () => {
    const completions = through({ base: 100, leaderEpoch: 3, settled: [101, 103, 200] })
    expect([0, 101, 102, 200, 201].map(offset => Array.from(completions?.from(offset) ?? []))).toEqual([
      [101, 103, 200],
      [101, 103, 200],
      [103, 200],
      [200],
      [],
    ])
  })

  test('offsets up to the last exact number', () => {
    const base = Number.MAX_SAFE_INTEGER - 9
    const settled = [base + 1, Number.MAX_SAFE_INTEGER - 1]
    expect(listOf(through({ base, leaderEpoch: 0x7fff_ffff, settled }))).toEqual(settled)
    expect(through({ base, leaderEpoch: 0, settled: [Number.MAX_SAFE_INTEGER] })).toBeNull()
  })
})

function decode(text: string): Completions | null {
  return decodeCompletions(text, { committed: 100 })
}

function set(at: number, byte: number): (bytes: Buffer) => Buffer {
  return bytes => bytes.fill(byte, at, at + 1)
}

describe('what is ignored', () => {
  const text = encodeCompletions({ base: 100, leaderEpoch: 3, settled: [101, 110] })

  test('what was stored for another committed offset', () => {
    expect(decode(text)).not.toBeNull()
    for (const committed of [99, 101, 0, -1, 100 + 2 ** 32, 100.5, Number.NaN])
      expect(decodeCompletions(text, { committed })).toBeNull()
  })

  test.each(['', ' ', '=', '==', '====', 'A===', 'null', '{"offset":100}', 'AAAA', 'é'.repeat(24), '🙂'.repeat(12)])(
    'what others write there: %j',
    foreign => {
      expect(decode(foreign)).toBeNull()
    },
  )

  test('the same text, decorated', () => {
    const unpadded = encodeCompletions({ base: 100, leaderEpoch: 3, settled: [101, 125] })
    expect([text.endsWith('='), unpadded.endsWith('=')]).toEqual([true, false])
    const odd = [`${text}\n`, ` ${text}`, text.replaceAll('=', ''), `${unpadded}====`, `${unpadded}AAAA`, text + text]
    expect(odd.filter(odd => decode(odd) !== null)).toEqual([])
  })

  test('the same bytes in other characters', () => {
    const [, kept = '', digit = ''] = /^(.*)(.)==$/.exec(text) ?? []
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const twin = `${kept}${alphabet[alphabet.indexOf(digit) + 1]}==`
    expect(Buffer.from(twin, 'base64')).toEqual(Buffer.from(text, 'base64'))
    expect(decode(twin)).toBeNull()
  })

  test('what is whole, but what this version never writes', () => {
    const sealed = (change: (bytes: Buffer) => Uint8Array) => resealed(text, change)
    expect(sealed(bytes => bytes)).toBe(text)
    const never = {
      'a later version': sealed(set(0, 2)),
      'an unknown leader epoch': sealed(bytes => bytes.fill(0xff, 1, 5)),
      'a negative base': sealed(set(5, 0x80)),
      'a bitmap that ends in nothing': sealed(bytes => Buffer.concat([bytes, Buffer.alloc(1)])),
      'an empty bitmap': sealed(bytes => bytes.subarray(0, 13)),
      'half a head': sealed(bytes => bytes.subarray(0, 4)),
      'a text that is too long': sealed(bytes => Buffer.concat([bytes, Buffer.alloc(3_060, 1)])),
    }
    expect(Object.entries(never).filter(([, text]) => decode(text) !== null)).toEqual([])
  })
})

// ── Any completions, any damage ─────────────────────────────────────────────────────────────────────────────────────────

/** Gaps up to beyond what fits, whole runs, and lone offsets. */
const anyCompletions = fc
  .record({
    base: fc.oneof(
      fc.nat(1_000),
      fc.maxSafeNat().filter(base => base < Number.MAX_SAFE_INTEGER - 1e6),
    ),
    leaderEpoch: fc.oneof(fc.nat(5), fc.nat(0x7fff_ffff)),
    gaps: fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9_000 })), {
      maxLength: 60,
    }),
    lengthMax: fc.oneof(fc.constant(LENGTH_MAX), fc.nat(6_000)),
  })
  .map(({ base, leaderEpoch, gaps, lengthMax }) => {
    let offset = base
    const settled = gaps.flatMap(gap => (gap === 9 ? range(offset + 1, (offset += 300)) : [(offset += gap)]))
    return { base, leaderEpoch, settled, lengthMax }
  })

test('any completions come back as they were, or as far as fits, under their epoch and no higher one', () => {
  fc.assert(
    fc.property(anyCompletions, given => {
      const { base, leaderEpoch, settled, lengthMax } = given
      const text = encodeCompletions(given)
      expect(text.length).toBeLessThanOrEqual(Math.min(lengthMax, LENGTH_MAX))
      const decoded = decodeCompletions(text, { committed: base })
      const offsets = listOf(decoded) ?? []
      expect(offsets).toEqual(settled.slice(0, offsets.length))
      const left = settled[offsets.length] ?? Number.POSITIVE_INFINITY
      const bytesMax = Math.floor(Math.min(lengthMax, LENGTH_MAX) / 4) * 3
      expect(left - base).toBeGreaterThanOrEqual((bytesMax - 17) * 8)
      expect(decoded === null).toBe(offsets.length === 0)
      if (decoded === null) return
      expect([decoded.size, decoded.end]).toEqual([offsets.length, (offsets.at(-1) ?? 0) + 1])
      expect(offsets.every(offset => decoded.has(offset, leaderEpoch) && !decoded.has(offset, leaderEpoch + 1))).toBe(
        true,
      )
      expect(encodeCompletions({ base, leaderEpoch: decoded.leaderEpoch, settled: decoded.from(base) })).toBe(text)
    }),
    { seed, numRuns: 1_000 },
  )
})

test('every single bit, of every byte and of every character, damages the whole', () => {
  for (const settled of [[8], [2, 9, 70], range(8, 400)]) {
    const text = encodeCompletions({ base: 1, leaderEpoch: 2, settled })
    const bytes = Buffer.from(text, 'base64')
    const damaged = [
      ...range(0, bytes.length * 8).map(bit => {
        const copy = Buffer.from(bytes)
        copy[bit >>> 3]! ^= 1 << (bit & 7)
        return copy.toString('base64')
      }),
      ...range(0, text.length * 16).map(bit => {
        const at = bit >>> 4
        const other = String.fromCharCode(text.charCodeAt(at) ^ (1 << (bit & 15)))
        return text.slice(0, at) + other + text.slice(at + 1)
      }),
      ...range(0, text.length).map(length => text.slice(0, length)),
      ...range(1, text.length).map(start => text.slice(start)),
    ]
    expect(damaged.filter(damaged => decodeCompletions(damaged, { committed: 1 }) !== null)).toEqual([])
  }
})

/** Something of the kind that a bad disk, a wrong tool or a half-written text would leave. */
function damagedBy(text: string, random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit)
  const bytes = Buffer.from(text, 'base64')
  const at = below(bytes.length)
  const to = at + 1 + below(bytes.length - at)
  switch (below(6)) {
    case 0:
      bytes[at] = below(256)
      break
    case 1:
      for (let index = at; index < to; index++) bytes[index] = below(256)
      break
    case 2:
      bytes.fill(random() < 0.5 ? 0 : 0xff, at, to)
      break
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]).toString('base64')
    case 4:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]).toString('base64')
    default:
      bytes.subarray(at, to).reverse()
  }
  return bytes.toString('base64')
}

test('of 20,000 damaged texts none says that a record was completed, unless it is the text itself', () => {
  const random = randomOf(seed)
  const texts = fc
    .sample(anyCompletions, { seed, numRuns: 60 })
    .map(given => ({ given, text: encodeCompletions(given) }))
    .filter(({ text }) => text !== '')
  expect(texts.length).toBeGreaterThan(20)
  const believed = range(0, 20_000).flatMap(run => {
    const { given, text } = texts[run % texts.length]!
    const damaged = damagedBy(text, random)
    if (damaged === text || decodeCompletions(damaged, { committed: given.base }) === null) return []
    return [{ text, damaged }]
  })
  expect(believed).toEqual([])
})

test('any string at all is nothing', () => {
  const base64 = fc.uint8Array({ minLength: 18, maxLength: 80 }).map(bytes => Buffer.from(bytes).toString('base64'))
  const strings = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.base64String({ maxLength: 200 }), base64)
  fc.assert(
    fc.property(strings, fc.maxSafeInteger(), (text, committed) => {
      expect(decodeCompletions(text, { committed })).toBeNull()
    }),
    { seed, numRuns: 5_000 },
  )
})
