/** What a failed handshake means, and how seldom somebody who has refused us is asked again. */
import { describe, expect, test } from 'vitest'
import { memoryClock } from '../../src/adapters/memory/clock.ts'
import { Misconfigured, Refusals, tlsRefusal } from '../../src/consumer/errors.ts'

const REFUSED = new Misconfigured('no')
const AS_FIRST = { password: 'first' }
const AS_SECOND = { password: 'second' }
const failed = (code: string, message = 'x'): Error => Object.assign(new TypeError(message), { code })

describe('who has refused us', () => {
  test('is asked again after one second, then after two, four, eight, and ten from there on; by one at a time', () => {
    const clock = memoryClock()
    const refusals = new Refusals(clock)
    const beganAtMs = clock.nowMs()
    const asked: number[] = []
    const atOnce: number[] = []
    while (clock.nowMs() - beganAtMs < 60_000) {
      const mayAsk = [1, 2, 3].filter(() => refusals.standing('a', AS_FIRST) === null)
      atOnce.push(mayAsk.length)
      if (mayAsk.length > 0) {
        asked.push(clock.nowMs() - beganAtMs)
        refusals.refused('a', REFUSED, AS_FIRST)
      }
      clock.advance(100)
    }
    expect(asked).toEqual([0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000, 55_000])
    // Before the first refusal nobody knows.
    expect(Math.max(...atOnce.slice(1))).toBe(1)
  })

  test('is asked at once as somebody else', () => {
    const refusals = new Refusals(memoryClock())
    refusals.refused('a', REFUSED, AS_FIRST)
    expect(refusals.standing('a', AS_FIRST)).toBe(REFUSED)
    expect(refusals.standing('a', AS_SECOND)).toBeNull()
  })

  test('and refuses us as somebody else, too: it begins with a second again', () => {
    const clock = memoryClock()
    const refusals = new Refusals(clock)
    for (let times = 0; times < 5; times++) {
      refusals.refused('a', REFUSED, AS_FIRST)
      clock.advance(20_000)
      refusals.standing('a', AS_FIRST)
    }
    refusals.refused('a', REFUSED, AS_SECOND)
    clock.advance(1_000)
    expect(refusals.standing('a', AS_SECOND)).toBeNull()
  })

  test('many at once are one refusal', () => {
    const clock = memoryClock()
    const refusals = new Refusals(clock)
    for (let times = 0; times < 100; times++) refusals.refused('a', REFUSED, AS_FIRST)
    clock.advance(1_000)
    expect(refusals.standing('a', AS_FIRST)).toBeNull()
  })

  test('keeps nobody from another one, nor from itself once it has let us in', () => {
    const refusals = new Refusals(memoryClock())
    refusals.refused('a', REFUSED, AS_FIRST)
    expect(refusals.standing('b', AS_FIRST)).toBeNull()
    refusals.over('a')
    expect(refusals.standing('a', AS_FIRST)).toBeNull()
  })
})

describe('a failed handshake', () => {
  const NAMES = { who: 'the thing', prefix: 'THING_TLS', address: 'THING_URL' }

  test.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'the thing shows a certificate of an unknown authority', 'THING_TLS_CA'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unknown authority', 'THING_TLS_CA'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unknown authority', 'THING_TLS_CA'],
    ['CERT_HAS_EXPIRED', 'does not hold now', 'renewed'],
    ['CERT_NOT_YET_VALID', 'does not hold now', 'renewed'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'does not accept our certificate', 'THING_TLS_CERT and THING_TLS_KEY'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'does not accept our certificate', 'THING_TLS_CERT'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'or misses one', 'THING_TLS_CERT'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'does not accept our certificate', 'THING_TLS_CERT'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not answer with TLS', 'THING_URL'],
  ])('%s says whose fault it is, and what to check', (code, says, check) => {
    const refusal = tlsRefusal(failed(code), NAMES)
    expect(refusal).toBeInstanceOf(Misconfigured)
    expect(refusal?.message).toContain(says)
    expect(refusal?.message).toContain(check)
    expect(refusal?.message).toContain(code)
  })

  test('for another host names the host and those that the certificate is for, not all of hundreds', () => {
    const names = Array.from({ length: 500 }, (_, index) => `DNS:host-${index}`).join(', ')
    const message = `Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: ${names}`
    const refusal = tlsRefusal(failed('ERR_TLS_CERT_ALTNAME_INVALID', message), NAMES)?.message ?? ''
    expect(refusal).toMatch(
      /^the thing shows a certificate for another host \(Host: a\. is not in the cert's altnames: DNS:host-0, /,
    )
    expect(refusal).toContain('THING_URL')
    expect(refusal.length).toBeLessThan(500)
  })

  test.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'EPROTO'])(
    '%s is none: it may pass',
    code => {
      expect(tlsRefusal(failed(code), NAMES)).toBeNull()
    },
  )

  test.each([null, 'text', new TypeError('no code'), { code: 'CERT_HAS_EXPIRED' }])(
    'what is no error of Node: %s',
    thrown => {
      expect(tlsRefusal(thrown, NAMES)).toBeNull()
    },
  )
})
