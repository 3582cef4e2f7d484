/**
 * Environment → frozen `Config`. The one definition of every variable, and the only file that reads `process.env`; check,
 * default, type, `.env.example` and the README's table all come from it.
 */
import { HEARTBEAT_MS } from './adapters/kafka/options.ts'
import { chartOf } from './config/chart.ts'
import { effectiveOf, exampleOf, tableOf } from './config/documentation.ts'
import { kinds } from './config/kinds.ts'
import { rotation } from './config/rotation.ts'
import { security } from './config/security.ts'
import {
  type Camel,
  camel,
  type Environment,
  misspelled,
  readVariables,
  type Values,
  type Variables,
  variable,
} from './config/variables.ts'
import { InvalidConfiguration } from './consumer/errors.ts'
import type { Log } from './consumer/ports.ts'

export type { Environment }

const { required, optional, absent, secret, rotating } = variable
const { text, flag, duration, brokers, offsetRanges, certificates, privateKey } = kinds
const { integer, milliseconds, choice, url, publicUrl } = kinds

const VARIABLES = {
  KAFKA_BROKERS: required(brokers, 'where to begin; the others are found through these', 'localhost:9092'),
  KAFKA_GROUP_ID: required(text, 'the consumer group', 'sluice'),
  KAFKA_CLIENT_ID: optional(text, 'sluice', 'what the broker calls this program in its logs and quotas'),
  KAFKA_TLS: optional(flag, 'false', 'encrypted connections to the brokers'),
  KAFKA_TLS_CA: rotating(
    absent(certificates, "who signed the brokers' certificates; without it, the authorities that Node knows"),
  ),
  KAFKA_TLS_CERT: rotating(absent(certificates, "this program's certificate, where the brokers ask for one")),
  KAFKA_TLS_KEY: rotating(secret(absent(privateKey, 'the key of `KAFKA_TLS_CERT`'))),
  KAFKA_SASL_MECHANISM: absent(
    choice(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']),
    'how this program logs in',
  ),
  KAFKA_SASL_USERNAME: rotating(absent(text, 'for `plain` and `scram-…`')),
  KAFKA_SASL_PASSWORD: rotating(secret(absent(text, 'for `plain` and `scram-…`'))),
  KAFKA_ALLOW_INSECURE_SASL: optional(
    flag,
    'false',
    'allows `plain` without TLS: the password crosses the network as it is',
  ),
  KAFKA_OAUTH_TOKEN_URL: absent(publicUrl, 'for `oauthbearer`: where tokens are asked for (client credentials grant)'),
  KAFKA_OAUTH_CLIENT_ID: rotating(absent(text, 'for `oauthbearer`')),
  KAFKA_OAUTH_CLIENT_SECRET: rotating(secret(absent(text, 'for `oauthbearer`'))),
  KAFKA_OAUTH_SCOPE: absent(text, 'for `oauthbearer`, where the issuer wants one'),
  KAFKA_OAUTH_TLS_CA: rotating(absent(certificates, 'who signed the certificate of `KAFKA_OAUTH_TOKEN_URL`')),
  KAFKA_SESSION_TIMEOUT_MS: optional(milliseconds, '30000', 'a member that is silent for this long is expelled'),
  KAFKA_REBALANCE_TIMEOUT_MS: optional(
    milliseconds,
    '60000',
    'how long a rebalance waits for a member; half of it is for handing over',
  ),
  SCHEMA_REGISTRY_URL: required(publicUrl, 'Confluent API; a base path is allowed', 'http://localhost:8081'),
  SCHEMA_REGISTRY_USERNAME: rotating(absent(text, 'where the registry asks for one')),
  SCHEMA_REGISTRY_PASSWORD: rotating(secret(absent(text, 'where the registry asks for one'))),
  SCHEMA_REGISTRY_TLS_CA: rotating(absent(certificates, "who signed the registry's certificate")),
  SCHEMA_REGISTRY_TLS_CERT: rotating(
    absent(certificates, "this program's certificate, where the registry asks for one"),
  ),
  SCHEMA_REGISTRY_TLS_KEY: rotating(secret(absent(privateKey, 'the key of `SCHEMA_REGISTRY_TLS_CERT`'))),
  SCHEMA_REGISTRY_TIMEOUT_MS: optional(milliseconds, '2000', 'for each request'),
  DATABASE_URL: rotating(
    secret(
      absent(
        url('postgres:', 'postgresql:'),
        'Postgres; required when a handler has an idempotency key',
        'postgres://sluice@localhost:5432/sluice',
      ),
    ),
  ),
  DATABASE_TLS_CA: rotating(
    absent(certificates, "who signed the database's certificate; turns TLS on, host name checked"),
  ),
  DATABASE_TLS_CERT: rotating(absent(certificates, "this program's certificate, where the database asks for one")),
  DATABASE_TLS_KEY: rotating(secret(absent(privateKey, 'the key of `DATABASE_TLS_CERT`'))),
  DATABASE_POOL_MAX: optional(integer(1, 1_000), '10', 'connections'),
  MIGRATE: optional(flag, 'true', 'the inbox and the tables of the handlers are brought up to date at start'),
  INBOX_RETENTION: optional(
    duration,
    '14d',
    'how long an event is known as handled; longer than the topics keep their records',
  ),
  START_FROM: optional(
    choice(['earliest', 'latest']),
    'earliest',
    'where the group has no committed offset, and only there',
  ),
  KAFKA_SKIP_OFFSETS: absent(
    offsetRanges,
    'offsets that nobody can read and that are to be passed over; a partition that is held names its own',
  ),
  HTTP_HOST: optional(text, '0.0.0.0', 'the address of health, metrics and status'),
  HTTP_PORT: optional(integer(0, 65_535), '8080', '0 picks a free one'),
  IN_FLIGHT_MAX: optional(integer(1, 100_000), '100', 'records in handlers at once, whole process'),
  BUFFER_RECORDS_MAX: optional(
    integer(1, 10_000_000),
    '100000',
    'records fetched and not settled, whole process; fetching pauses there, and what was asked for before still comes',
  ),
  BUFFER_BYTES_MAX: optional(integer(1, 2 ** 40), '67108864', 'the same in bytes; they count what is pinned'),
  PARTITION_WINDOW_MAX: optional(
    integer(1, 1_000_000),
    '10000',
    'offsets between the committable one and the newest taken, per partition; fetching pauses there',
  ),
  COMMIT_INTERVAL_MS: optional(
    milliseconds,
    '1000',
    'how often progress is stored; a crash repeats no more than what was done since',
  ),
  DRAIN_TIMEOUT_MS: optional(
    milliseconds,
    '20000',
    'from the stop signal to the end; at least the longest timeout of a handler',
  ),
  DEAD_LETTER_TOPIC: optional(text, '{topic}.{group}.dlt', 'must exist, or be creatable'),
  DEAD_LETTER_CREATE: optional(flag, 'false', 'creates dead letter topics that do not exist'),
  LOG_LEVEL: optional(
    choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'JSON lines on stdout, errors too',
  ),
  SAMPLE_LOGIN_MS: optional(integer(0, 60_000), '50', 'how long the sample handler works on a login'),
  SAMPLE_LOGOUT_MS: optional(integer(0, 60_000), '20', 'the same for a logout'),
  SAMPLE_ORDER_MS: optional(integer(0, 60_000), '10', 'the same for a step of an order'),
} as const

type Name = keyof typeof VARIABLES

/** Named as in the environment: KAFKA_GROUP_ID is `kafkaGroupId`. */
export type Config = Values<typeof VARIABLES>

/** What leads to the brokers and the group: read alone by who asks nobody else. */
export type KafkaConfig = Pick<Config, Camel<Extract<Name, `KAFKA_${string}` | 'START_FROM'>>>

/** What the checks must know of a handler. */
interface HandlerNeeds {
  readonly name: string
  readonly timeoutMs: number
  readonly needsDatabase: boolean
  readonly topics: readonly string[]
}

interface Rule {
  readonly needs: readonly Name[]
  readonly problems: (config: Config, handlers: readonly HandlerNeeds[]) => readonly (string | false)[]
}

/** Sees only the variables that it names, and is left out where one of them has a problem of its own. */
function rule<const Needed extends Name>(
  needs: readonly Needed[],
  problems: (config: Pick<Config, Camel<Needed>>, handlers: readonly HandlerNeeds[]) => readonly (string | false)[],
): Rule {
  return { needs, problems }
}

/** One heartbeat may be lost and one late without the member being expelled; Kafka's own advice is a third. */
const HEARTBEATS_PER_SESSION = 3

const RULES: readonly Rule[] = [
  rule(
    ['KAFKA_SESSION_TIMEOUT_MS', 'KAFKA_REBALANCE_TIMEOUT_MS'],
    ({ kafkaSessionTimeoutMs: session, kafkaRebalanceTimeoutMs: rebalance }) => [
      session < HEARTBEATS_PER_SESSION * HEARTBEAT_MS &&
        `KAFKA_SESSION_TIMEOUT_MS is too short: ${session} < ${HEARTBEATS_PER_SESSION} heartbeats × ${HEARTBEAT_MS} ms = ${HEARTBEATS_PER_SESSION * HEARTBEAT_MS}`,
      rebalance < session &&
        `KAFKA_REBALANCE_TIMEOUT_MS is too short: ${rebalance} < ${session} = KAFKA_SESSION_TIMEOUT_MS, and a rebalance has to outlast a member that died`,
    ],
  ),
  rule(['DRAIN_TIMEOUT_MS'], ({ drainTimeoutMs }, handlers) => {
    const longest = handlers.reduce<HandlerNeeds | null>(
      (so, handler) => (so === null || handler.timeoutMs > so.timeoutMs ? handler : so),
      null,
    )
    return [
      longest !== null &&
        drainTimeoutMs < longest.timeoutMs &&
        `DRAIN_TIMEOUT_MS is too short: ${drainTimeoutMs} < ${longest.timeoutMs} = timeoutMs of handler ${longest.name}, which could never finish at a stop`,
    ]
  }),
  rule(['DATABASE_URL'], ({ databaseUrl }, handlers) => {
    const names = handlers.filter(({ needsDatabase }) => needsDatabase).map(({ name }) => name)
    return [
      databaseUrl === null &&
        names.length > 0 &&
        `DATABASE_URL is required: these handlers have an idempotency key: ${names.join(', ')}`,
    ]
  }),
  ...Object.values(security),
  rule(['DEAD_LETTER_TOPIC', 'KAFKA_GROUP_ID'], ({ deadLetterTopic, kafkaGroupId: group }, handlers) => {
    const sources = new Set(handlers.flatMap(({ topics }) => topics))
    return [...sources].flatMap(topic => {
      const name = deadLetterTopicOf(deadLetterTopic, { topic, group })
      return [
        sources.has(name) &&
          `DEAD_LETTER_TOPIC=${deadLetterTopic} is ${name} for the topic ${topic}, and that is a source topic: it would feed itself`,
        !/^[a-zA-Z0-9._-]{1,249}$/.test(name) &&
          `DEAD_LETTER_TOPIC=${deadLetterTopic} is ${name} for the topic ${topic}, which Kafka takes for no topic's name`,
      ]
    })
  }),
]

export function deadLetterTopicOf(template: string, names: { topic: string; group: string }): string {
  return template.replaceAll('{topic}', () => names.topic).replaceAll('{group}', () => names.group)
}

/** Throws `InvalidConfiguration` with every problem at once; no secret is in it. Of fewer variables, the rules that need another are left out. */
export function parseConfig(
  env: Environment,
  { handlers, variables = VARIABLES }: { handlers: readonly HandlerNeeds[]; variables?: Variables },
): Config {
  const { values, problems } = readVariables(variables, env)
  // Boundary: every value comes from its own variable's kind, which is where the type comes from; rules skip what is missing.
  const config = Object.freeze(
    Object.fromEntries([...values].map(([name, value]) => [camel(name), value])),
  ) as unknown as Config
  const all = [...problems, ...contradictions(config, { handlers, known: name => values.has(name) })]
  if (all.length > 0) throw new InvalidConfiguration([...all, ...misspelled(VARIABLES, env)])
  return config
}

interface Knowledge {
  readonly handlers: readonly HandlerNeeds[]
  /** Whether a variable has a value, absent ones included. */
  readonly known: (name: Name) => boolean
}

function contradictions(config: Config, { handlers, known }: Knowledge): string[] {
  return RULES.filter(({ needs }) => needs.every(known))
    .flatMap(({ problems }) => problems(config, handlers))
    .filter(problem => problem !== false)
}

/** How long the sample handlers work. What is wrong here is said by `parseConfig`, together with all the rest. */
export function sampleWork(env: Environment): { loginMs: number; logoutMs: number; orderMs: number } {
  const { SAMPLE_LOGIN_MS, SAMPLE_LOGOUT_MS, SAMPLE_ORDER_MS } = VARIABLES
  const { values } = readVariables({ SAMPLE_LOGIN_MS, SAMPLE_LOGOUT_MS, SAMPLE_ORDER_MS }, env)
  const ms = (name: string) => Number(values.get(name) ?? 0)
  return { loginMs: ms('SAMPLE_LOGIN_MS'), logoutMs: ms('SAMPLE_LOGOUT_MS'), orderMs: ms('SAMPLE_ORDER_MS') }
}

/** What the definition says of itself, and of an environment. */
export const definition = {
  example: () => exampleOf(VARIABLES),
  table: () => tableOf(VARIABLES),
  chart: () => chartOf(VARIABLES),
  /** The values in force and where they come from, secrets hidden. */
  effective: (env: Environment) => effectiveOf(VARIABLES, readVariables(VARIABLES, env), env),
  /** Hints on names that look like one of ours and are none. */
  misspelled: (env: Environment) => misspelled(VARIABLES, env),
  /** Where the service listens, and nothing else: who only asks it something must not fail for a variable that is no use here. */
  httpAddress(env: Environment): Pick<Config, 'httpHost' | 'httpPort'> {
    const { HTTP_HOST, HTTP_PORT } = VARIABLES
    const { values, problems } = readVariables({ HTTP_HOST, HTTP_PORT }, env)
    const [httpHost, httpPort] = [values.get('HTTP_HOST'), values.get('HTTP_PORT')]
    if (typeof httpHost !== 'string' || typeof httpPort !== 'number') throw new InvalidConfiguration(problems)
    return { httpHost, httpPort }
  },
  /** As `config` says, with what the files of its credentials hold at each call; of the variables that begin with `prefix`. */
  rotating<Part extends object>(
    prefix: string,
    config: Part,
    { env, log }: { env: Environment; log: Log },
  ): () => Part {
    const variables = Object.fromEntries(Object.entries(VARIABLES).filter(([name]) => name.startsWith(prefix)))
    const known = (name: Name) => name in variables
    // Boundary: only rules are asked whose variables all begin so, and those are in this part.
    const check = (part: Part) => contradictions(part as unknown as Config, { handlers: [], known })
    return rotation({ config, variables, env, contradictions: check, log })
  },
  kafka(env: Environment): KafkaConfig {
    const named = Object.entries(VARIABLES).filter(([name]) => /^KAFKA_|^START_FROM$/.test(name))
    return parseConfig(env, { handlers: [], variables: Object.fromEntries(named) })
  },
} as const

export function environment(): Environment {
  return process.env
}
