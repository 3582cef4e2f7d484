/** One broker with a listener for each way of being let in, and one that shows the certificate of another host. */
import { engineClient } from '../../dev/stack/engine.ts'
import { type Authority, type Certificate, LOCAL_HOSTS, newAuthority } from './certificates.ts'
import { type OwnListener, startOwnBroker } from './own-broker.ts'

export type SecureListener = 'TLS' | 'MTLS' | 'ELSEWHERE' | 'EXPIRED' | 'PLAIN' | 'SCRAM' | 'OAUTH'

export interface SecureBroker {
  /** host:port */
  readonly addresses: Readonly<Record<SecureListener, string>>
  /** In clear, everything permitted. */
  readonly adminAddress: string
  readonly authority: Authority
  /** Whom SASL knows, by every mechanism. */
  readonly user: { readonly name: string; readonly password: string }
  stop(): Promise<void>
}

/** How long a login by token or by SCRAM-SHA-512 holds at most: clients log in again before. */
export const SESSION_MS_MAX = 8_000

const KAFKA = 'org.apache.kafka.common.security'

export async function startSecureBroker(authority?: Authority): Promise<SecureBroker> {
  const known = authority ?? (await newAuthority())
  const hosts = await hostsOfParts()
  const user = { name: 'app', password: crypto.randomUUID() }
  const server = await known.issue('broker', { hosts })
  const elsewhere = await known.issue('broker', { hosts: ['kafka.elsewhere.example'] })
  const expired = await known.issue('broker', { hosts, isExpired: true })
  const listeners: Readonly<Record<SecureListener, OwnListener>> = {
    TLS: { protocol: 'SSL', properties: shows(server) },
    MTLS: { protocol: 'SSL', properties: { ...shows(server), ...asksFor(known) } },
    ELSEWHERE: { protocol: 'SSL', properties: shows(elsewhere) },
    EXPIRED: { protocol: 'SSL', properties: shows(expired) },
    PLAIN: sasl(server, { plain: `${KAFKA}.plain.PlainLoginModule required user_app="${user.password}";` }),
    SCRAM: sasl(
      server,
      {
        'scram-sha-256': `${KAFKA}.scram.ScramLoginModule required;`,
        'scram-sha-512': `${KAFKA}.scram.ScramLoginModule required;`,
      },
      { 'scram-sha-512.connections.max.reauth.ms': String(SESSION_MS_MAX) },
    ),
    OAUTH: sasl(
      server,
      {
        oauthbearer: `${KAFKA}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker" unsecuredValidatorRequiredScope="kafka";`,
      },
      {
        // Kafka's own validator of tokens that nobody has signed: it looks at their times and their scope.
        'oauthbearer.sasl.server.callback.handler.class': `${KAFKA}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
        'oauthbearer.connections.max.reauth.ms': String(SESSION_MS_MAX),
      },
    ),
  }
  const broker = await startOwnBroker({
    listeners,
    scramUsers: [
      { mechanism: 'SCRAM-SHA-256', ...user },
      { mechanism: 'SCRAM-SHA-512', ...user },
    ],
  })
  // Boundary: it has an address for each listener that it was given.
  const addresses = broker.addresses as SecureBroker['addresses']
  return { addresses, adminAddress: broker.adminAddress, authority: known, user, stop: () => broker.stop() }
}

/** What a test starts for itself is on this machine, or where the container engine is. */
async function hostsOfParts(): Promise<readonly string[]> {
  if (process.env['STACK'] !== 'containers') return LOCAL_HOSTS
  return [...LOCAL_HOSTS, (await engineClient()).host]
}

function shows({ cert, key }: Certificate): Record<string, string> {
  return { 'ssl.keystore.type': 'PEM', 'ssl.keystore.certificate.chain': cert, 'ssl.keystore.key': key }
}

function asksFor({ ca }: Authority): Record<string, string> {
  return { 'ssl.client.auth': 'required', 'ssl.truststore.type': 'PEM', 'ssl.truststore.certificates': ca }
}

/** `jaas` by mechanism, in lower case. */
function sasl(
  server: Certificate,
  jaas: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): OwnListener {
  const modules = Object.entries(jaas).map(([mechanism, module]) => [`${mechanism}.sasl.jaas.config`, module])
  return {
    protocol: 'SASL_SSL',
    properties: {
      ...shows(server),
      'sasl.enabled.mechanisms': Object.keys(jaas).join(',').toUpperCase(),
      ...Object.fromEntries(modules),
      ...more,
    },
  }
}
