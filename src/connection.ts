/** The way to the brokers, as the configuration says, with credentials that are read again for each connection. */
import type { KafkaCredentials, KafkaSasl } from './adapters/kafka/credentials.ts'
import type { KafkaConnection } from './adapters/kafka/options.ts'
import { KafkaSecurity } from './adapters/kafka/security.ts'
import { definition, type Environment, type KafkaConfig } from './config.ts'
import type { Clock, Log } from './consumer/ports.ts'

export interface Connecting {
  /** Where the configuration was read from. */
  readonly env: Environment
  readonly log: Log
  readonly clock: Clock
}

export function kafkaConnectionOf(config: KafkaConfig, connecting: Connecting): KafkaConnection {
  const { log, clock } = connecting
  const { kafkaBrokers: brokers, kafkaClientId: clientId } = config
  const isPlain = !config.kafkaTls && config.kafkaSaslMechanism === null
  const current = definition.rotating('KAFKA_', config, connecting)
  const security = isPlain ? null : new KafkaSecurity(perChange(current, credentialsOf), clock)
  return { brokers, clientId, security, log, clock }
}

function credentialsOf(config: KafkaConfig): KafkaCredentials {
  const { kafkaTlsCa: ca, kafkaTlsCert: cert, kafkaTlsKey: key } = config
  return { tls: config.kafkaTls ? { ca, cert, key } : null, sasl: saslOf(config) }
}

/** `config.ts` has refused every half of a login. */
function saslOf(config: KafkaConfig): KafkaSasl | null {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = config
  const { kafkaOauthTokenUrl: tokenUrl, kafkaOauthClientId: clientId, kafkaOauthClientSecret: clientSecret } = config
  if (mechanism === null) return null
  if (mechanism !== 'oauthbearer') return { mechanism, username: username ?? '', password: password ?? '' }
  const { kafkaOauthScope: scope, kafkaOauthTlsCa: ca } = config
  return { mechanism, tokenUrl: tokenUrl ?? '', clientId: clientId ?? '', clientSecret: clientSecret ?? '', scope, ca }
}

/** What is made of it, made anew only when it has changed: whoever compares by identity sees whether it has. */
export function perChange<From extends object, Made>(current: () => From, make: (from: From) => Made): () => Made {
  let made: { from: From; value: Made } | null = null
  return () => {
    const from = current()
    if (made?.from !== from) made = { from, value: make(from) }
    return made.value
  }
}
