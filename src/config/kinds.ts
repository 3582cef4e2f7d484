/** What a variable's text may be. `parse` answers the value, or a problem that completes the sentence "NAME must be …". */
import { createPrivateKey, X509Certificate } from 'node:crypto'

export interface Kind<Value> {
  /** As the documentation shows it; empty where any text will do. */
  readonly shape: string
  /** False where the text may hold a secret by accident (a URL with a password): then a problem does not quote it. */
  readonly quotable: boolean
  /** The same for those who write it in YAML, as far as a JSON schema can say it; `parse` has the last word. */
  readonly schema: Schema
  parse(text: string): Parsed<Value>
}

/** Of JSON schema. A pattern is without anchors, and of what every dialect of regular expressions knows. */
export type Schema =
  | { readonly type: 'boolean' }
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'string'; readonly pattern?: string; readonly enum?: readonly string[] }

export type Parsed<Value> = { readonly value: Value } | { readonly mustBe: string }

const ADDRESS = '(\\[[0-9a-fA-F:.]+\\]|[^ :/@,]+):[0-9]{1,5}'

const OFFSET_RANGE = '[A-Za-z0-9._-]+/[0-9]{1,9}@[0-9]{1,15}-[0-9]{1,15}'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const text: Kind<string> = { shape: '', quotable: false, schema: { type: 'string' }, parse: value => ({ value }) }

const flag: Kind<boolean> = {
  shape: '`true` or `false`',
  quotable: true,
  schema: { type: 'boolean' },
  parse: value => (value === 'true' || value === 'false' ? { value: value === 'true' } : { mustBe: 'true or false' }),
}

/** A length of time that is given with its unit; the value is in milliseconds. */
const duration: Kind<number> = {
  shape: 'such as `90s`, `30m`, `12h`, `14d`',
  quotable: true,
  schema: { type: 'string', pattern: '[1-9][0-9]{0,8}[smhd]' },
  parse(value) {
    const found = /^(?<count>[1-9]\d{0,8})(?<unit>[smhd])$/.exec(value)?.groups
    const [, unitMs] = Object.entries(UNITS).find(([unit]) => unit === found?.unit) ?? []
    if (found === undefined || unitMs === undefined)
      return { mustBe: 'a whole number above 0 with a unit, such as 90s, 30m, 12h or 14d' }
    return { value: Number(found.count) * unitMs }
  },
}

const brokers: Kind<readonly string[]> = {
  shape: '`host:port`, comma separated',
  quotable: false,
  schema: { type: 'string', pattern: `${ADDRESS}( *, *${ADDRESS})*` },
  parse(value) {
    const addresses = value.split(',').map(address => address.trim())
    // The scheme is the mistake that people make: other clients and the broker's own settings have one.
    if (addresses.some(address => address.includes('://')))
      return { mustBe: 'host:port, comma separated, without a scheme (TLS is KAFKA_TLS=true)' }
    return addresses.every(isAddress)
      ? { value: addresses }
      : { mustBe: 'host:port, comma separated, with ports from 1 to 65535' }
  },
}

/** Offsets of one partition, the second one being where reading goes on. */
const offsetRanges: Kind<readonly OffsetRange[]> = {
  shape: '`topic/partition@from-to`, comma separated',
  quotable: true,
  schema: { type: 'string', pattern: `${OFFSET_RANGE}( *, *${OFFSET_RANGE})*` },
  parse(value) {
    const ranges = value.split(',').map(rangeOf)
    return ranges.every(range => range !== null)
      ? { value: ranges }
      : { mustBe: 'topic/partition@from-to, comma separated, with `to` (the next offset to read) above `from`' }
  },
}

export interface OffsetRange {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

function rangeOf(text: string): OffsetRange | null {
  const found = /^(?<topic>[\w.-]+)\/(?<partition>\d{1,9})@(?<from>\d{1,15})-(?<to>\d{1,15})$/.exec(text.trim())?.groups
  if (found === undefined) return null
  const { topic = '', partition, from, to } = found
  const range = { topic, partition: Number(partition), from: Number(from), to: Number(to) }
  return range.from < range.to ? range : null
}

/** One certificate or several, one after the other. */
const certificates: Kind<string> = {
  shape: 'PEM',
  quotable: false,
  schema: { type: 'string' },
  parse(value) {
    const found = value.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    const isRead = found.length > 0 && found.every(each => succeeds(() => new X509Certificate(each)))
    return isRead ? { value } : { mustBe: 'a PEM text of certificates (-----BEGIN CERTIFICATE-----)' }
  },
}

const privateKey: Kind<string> = {
  shape: 'PEM',
  quotable: false,
  schema: { type: 'string' },
  parse: value =>
    succeeds(() => createPrivateKey(value))
      ? { value }
      : { mustBe: 'a PEM text of a private key (-----BEGIN PRIVATE KEY-----) without a passphrase' },
}

function succeeds(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    // OpenSSL's words help nobody, and stand beside a key.
    return false
  }
}

function integer(min: number, max: number): Kind<number> {
  return {
    shape: `${min} to ${max}`,
    quotable: true,
    schema: { type: 'integer', minimum: min, maximum: max },
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      return value >= min && value <= max ? { value } : { mustBe: `a whole number from ${min} to ${max}` }
    },
  }
}

function choice<const Value extends string>(values: readonly Value[]): Kind<Value> {
  return {
    shape: values.map(value => `\`${value}\``).join(', '),
    quotable: true,
    schema: { type: 'string', enum: values },
    parse(text) {
      const value = values.find(candidate => candidate === text)
      return value === undefined ? { mustBe: `one of ${values.join(', ')}` } : { value }
    },
  }
}

function url(...protocols: readonly string[]): Kind<string> {
  const mustBe = `a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`
  return {
    shape: 'URL',
    quotable: false,
    schema: { type: 'string', pattern: `(${protocols.join('|')})//.+` },
    parse: value => (protocols.includes(URL.parse(value)?.protocol ?? '') ? { value } : { mustBe }),
  }
}

/** A URL that is logged and shown, so it must not carry a password. */
const publicUrl: Kind<string> = {
  ...url('http:', 'https:'),
  schema: { type: 'string', pattern: 'https?://[^/@]+(/.*)?' },
  parse(value) {
    const parsed = url('http:', 'https:').parse(value)
    const { username, password } = URL.parse(value) ?? { username: '', password: '' }
    if ('mustBe' in parsed || username + password === '') return parsed
    return { mustBe: 'a URL without a user and password: those have variables of their own' }
  },
}

/** At most what node's timers take: a longer one would fire at once. */
const milliseconds: Kind<number> = { ...integer(1, 2 ** 31 - 1), shape: 'ms' }

export const kinds = {
  text,
  flag,
  duration,
  brokers,
  offsetRanges,
  certificates,
  privateKey,
  integer,
  milliseconds,
  choice,
  url,
  publicUrl,
} as const

function isAddress(address: string): boolean {
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@]+):(?<port>\d{1,5})$/.exec(address)?.groups?.port
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}
