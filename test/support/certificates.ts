/** Authorities and certificates, made on the spot and good for an hour. */
import type { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'

// A static import would be loaded before it, and wants it.
await import('reflect-metadata')
const x509 = await import('@peculiar/x509')

/** PEM texts, the key as PKCS#8. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface Issued {
  /** Names and addresses of a server; without, it is a client's. */
  readonly hosts?: readonly string[]
  /** Ended a minute ago. */
  readonly isExpired?: boolean
}

export interface Authority {
  /** PEM. */
  readonly ca: string
  issue(name: string, issued?: Issued): Promise<Certificate>
}

export const LOCAL_HOSTS = ['localhost', '127.0.0.1', '::1'] as const

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export async function newAuthority(name = 'test authority'): Promise<Authority> {
  const keys = await newKeys()
  const subject = `CN=${name} ${crypto.randomUUID()}`
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys,
    signingAlgorithm: ALGORITHM,
    ...lifetime(false),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  })
  return {
    ca: authority.toString('pem'),
    issue: async (holder, { hosts = [], isExpired = false } = {}) => {
      const own = await newKeys()
      const names = hosts.map(host => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }) as const)
      const usage = hosts.length === 0 ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth
      const cert = await x509.X509CertificateGenerator.create({
        subject: `CN=${holder}`,
        issuer: subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        ...lifetime(isExpired),
        extensions: [
          new x509.ExtendedKeyUsageExtension([usage]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
        ],
      })
      return { cert: cert.toString('pem'), key: await pemOf(own.privateKey) }
    },
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
}

function lifetime(isExpired: boolean): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(isExpired ? now - MINUTE_MS : now + HOUR_MS) }
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
}
