/** What of TLS and logins contradicts itself. Each rule sees the variables that it names. */
import { createPrivateKey, X509Certificate } from 'node:crypto'

type Problems = readonly (string | false)[]
type Text = string | null

interface Login {
  readonly kafkaSaslMechanism: Text
  readonly kafkaSaslUsername: Text
  readonly kafkaSaslPassword: Text
  readonly kafkaOauthTokenUrl: Text
  readonly kafkaOauthClientId: Text
  readonly kafkaOauthClientSecret: Text
}

export const security = {
  kafkaTls: {
    needs: ['KAFKA_TLS', 'KAFKA_TLS_CA', 'KAFKA_TLS_CERT', 'KAFKA_TLS_KEY'],
    problems: (config: { kafkaTls: boolean; kafkaTlsCa: Text; kafkaTlsCert: Text; kafkaTlsKey: Text }): Problems => [
      !config.kafkaTls &&
        (config.kafkaTlsCa ?? config.kafkaTlsCert ?? config.kafkaTlsKey) !== null &&
        'KAFKA_TLS_CA, KAFKA_TLS_CERT or KAFKA_TLS_KEY is given, and KAFKA_TLS is not true: connections would be in clear',
      notAPair('KAFKA_TLS', config.kafkaTlsCert, config.kafkaTlsKey),
    ],
  },
  kafkaLogin: {
    needs: [
      'KAFKA_SASL_MECHANISM',
      'KAFKA_SASL_USERNAME',
      'KAFKA_SASL_PASSWORD',
      'KAFKA_OAUTH_TOKEN_URL',
      'KAFKA_OAUTH_CLIENT_ID',
      'KAFKA_OAUTH_CLIENT_SECRET',
    ],
    problems: loginProblems,
  },
  kafkaInClear: {
    needs: ['KAFKA_SASL_MECHANISM', 'KAFKA_TLS', 'KAFKA_ALLOW_INSECURE_SASL'],
    problems: (config: { kafkaSaslMechanism: Text; kafkaTls: boolean; kafkaAllowInsecureSasl: boolean }): Problems => [
      config.kafkaSaslMechanism === 'plain' &&
        !config.kafkaTls &&
        !config.kafkaAllowInsecureSasl &&
        'KAFKA_SASL_MECHANISM=plain without KAFKA_TLS=true sends the password in clear: turn TLS on, or say KAFKA_ALLOW_INSECURE_SASL=true',
    ],
  },
  kafkaToken: {
    needs: ['KAFKA_OAUTH_TOKEN_URL', 'KAFKA_OAUTH_TLS_CA'],
    problems: (config: { kafkaOauthTokenUrl: Text; kafkaOauthTlsCa: Text }): Problems => [
      config.kafkaOauthTlsCa !== null &&
        config.kafkaOauthTokenUrl === null &&
        'KAFKA_OAUTH_TLS_CA is given, but KAFKA_OAUTH_TOKEN_URL is not',
      config.kafkaOauthTlsCa !== null &&
        isInClear(config.kafkaOauthTokenUrl) &&
        'KAFKA_OAUTH_TLS_CA is given, and KAFKA_OAUTH_TOKEN_URL begins with http: the secret would be sent in clear',
    ],
  },
  registry: {
    needs: [
      'SCHEMA_REGISTRY_URL',
      'SCHEMA_REGISTRY_USERNAME',
      'SCHEMA_REGISTRY_PASSWORD',
      'SCHEMA_REGISTRY_TLS_CA',
      'SCHEMA_REGISTRY_TLS_CERT',
      'SCHEMA_REGISTRY_TLS_KEY',
    ],
    problems: (config: {
      schemaRegistryUrl: string
      schemaRegistryUsername: Text
      schemaRegistryPassword: Text
      schemaRegistryTlsCa: Text
      schemaRegistryTlsCert: Text
      schemaRegistryTlsKey: Text
    }): Problems => [
      (config.schemaRegistryUsername === null) !== (config.schemaRegistryPassword === null) &&
        'SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD belong together: one of them is missing',
      (config.schemaRegistryTlsCa ?? config.schemaRegistryTlsCert ?? config.schemaRegistryTlsKey) !== null &&
        isInClear(config.schemaRegistryUrl) &&
        'SCHEMA_REGISTRY_TLS_CA, SCHEMA_REGISTRY_TLS_CERT or SCHEMA_REGISTRY_TLS_KEY is given, and SCHEMA_REGISTRY_URL begins with http: connections would be in clear',
      notAPair('SCHEMA_REGISTRY_TLS', config.schemaRegistryTlsCert, config.schemaRegistryTlsKey),
    ],
  },
  database: {
    needs: ['DATABASE_URL', 'DATABASE_TLS_CA', 'DATABASE_TLS_CERT', 'DATABASE_TLS_KEY'],
    problems: (config: {
      databaseUrl: Text
      databaseTlsCa: Text
      databaseTlsCert: Text
      databaseTlsKey: Text
    }): Problems => [
      (config.databaseTlsCa ?? config.databaseTlsCert ?? config.databaseTlsKey) !== null &&
        notOverTls(config.databaseUrl),
      notAPair('DATABASE_TLS', config.databaseTlsCert, config.databaseTlsKey),
    ],
  },
} as const

function loginProblems(config: Login): Problems {
  const password = { KAFKA_SASL_USERNAME: config.kafkaSaslUsername, KAFKA_SASL_PASSWORD: config.kafkaSaslPassword }
  const token = {
    KAFKA_OAUTH_TOKEN_URL: config.kafkaOauthTokenUrl,
    KAFKA_OAUTH_CLIENT_ID: config.kafkaOauthClientId,
    KAFKA_OAUTH_CLIENT_SECRET: config.kafkaOauthClientSecret,
  }
  const mechanism = config.kafkaSaslMechanism
  const wanted = mechanism === null ? {} : mechanism === 'oauthbearer' ? token : password
  return Object.entries({ ...password, ...token }).map(([name, value]) => {
    if (name in wanted) return value === null && `${name} is required with KAFKA_SASL_MECHANISM=${mechanism}`
    return (
      value !== null &&
      `${name} is given, but KAFKA_SASL_MECHANISM ${mechanism === null ? 'is not' : `is ${mechanism}`}`
    )
  })
}

function notAPair(prefix: string, cert: Text, key: Text): string | false {
  if (cert === null && key === null) return false
  if (cert === null || key === null) return `${prefix}_CERT and ${prefix}_KEY belong together: one of them is missing`
  // The first one is ours; those after it lead to its authority.
  const isItsKey = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  return !isItsKey && `${prefix}_KEY is not the key of ${prefix}_CERT`
}

function isInClear(url: Text): boolean {
  return url?.startsWith('http:') === true
}

/** With certificates of ours TLS is on, and checked: what the URL says of it may say no less, and say nothing of other files. */
const OVER_TLS = new Set(['require', 'verify-ca', 'verify-full'])
const OTHER_WAYS = ['ssl', 'sslrootcert', 'sslcert', 'sslkey', 'uselibpqcompat']

function notOverTls(url: Text): string | false {
  if (url === null) return 'DATABASE_TLS_CA, DATABASE_TLS_CERT or DATABASE_TLS_KEY is given, but DATABASE_URL is not'
  const said = URL.parse(url)?.searchParams
  const mode = said?.get('sslmode') ?? 'verify-full'
  if (!OVER_TLS.has(mode))
    return 'DATABASE_URL has an sslmode that does not check the server, and DATABASE_TLS_CA, DATABASE_TLS_CERT or DATABASE_TLS_KEY is given: leave sslmode out, or say verify-full'
  const other = OTHER_WAYS.find(name => said?.has(name))
  return (
    other !== undefined &&
    `DATABASE_URL says ${other}, and DATABASE_TLS_CA, DATABASE_TLS_CERT or DATABASE_TLS_KEY is given: say it in one place`
  )
}
