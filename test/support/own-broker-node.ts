/** What a test's own broker is to be, and the server.properties that make it so. */
import { freePort } from '../../dev/stack/ports.ts'
import { type NodeListener, serverProperties } from '../../dev/stack/server-properties.ts'

export interface OwnListener {
  readonly protocol: NodeListener['protocol']
  /** listener.name.<name lower case>.<key> */
  readonly properties?: Readonly<Record<string, string>>
}

export interface OwnBrokerOptions {
  /**
   * By name (upper case letters). An internal PLAINTEXT one for the broker itself and a controller's are added: ADMIN, INTERNAL
   * and CONTROLLER are taken.
   */
  readonly listeners: Readonly<Record<string, OwnListener>>
  readonly properties?: Readonly<Record<string, string>>
  /** SCRAM users written when the storage is formatted. */
  readonly scramUsers?: readonly {
    readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
    readonly name: string
    readonly password: string
  }[]
}

export interface OwnBroker {
  /** host:port by listener name, for clients on this machine (127.0.0.1 or the engine's host). */
  readonly addresses: Readonly<Record<string, string>>
  /**
   * host:port of a plaintext listener on which everything is permitted (super user ANONYMOUS there when an authorizer is
   * configured), for the test's own administration.
   */
  readonly adminAddress: string
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>
  /** After kill: the same ports, the same log. Resolves when it answers. */
  startAgain(): Promise<void>
  /** Ends it and removes its folder or container. */
  stop(): Promise<void>
}

/** One try with ports that were free a moment ago, as the ways of running a broker are given it. */
export interface OwnNode {
  readonly addresses: Readonly<Record<string, string>>
  readonly adminAddress: string
  /** Those that clients reach. */
  readonly ports: readonly number[]
  readonly serverProperties: string
  /** For the formatting of its storage. */
  readonly format: readonly string[]
  /** Options for its JVM. */
  readonly jvm: readonly string[]
}

/** What the program that runs it in a container is told, in these files of its folder. */
export type OwnContainer = Pick<OwnNode, 'ports' | 'format' | 'jvm'> & { readonly logDir: string }
export const CONTAINER_FILES = { container: 'container.json', properties: 'server.properties' } as const

export type OwnNodeMaker = (where: {
  /** The address that it listens on, and the one that clients reach it by. */
  readonly bind: string
  readonly host: string
  readonly logDir: string
}) => Promise<OwnNode>

/** For the broker itself, and for the test. Who uses it is the user ANONYMOUS. */
const ADMIN = 'ADMIN'
/** In a container, the address that clients are told leads nowhere from inside: it has one for itself. */
const INTERNAL = 'INTERNAL'

/** Lives for a minute at most: compiling less saves a third of the processor time until it answers (3.2 s of 5 on one machine). */
const QUICK_START = '-XX:TieredStopAtLevel=1'

export async function nodeOf(
  { listeners, properties = {}, scramUsers = [] }: OwnBrokerOptions,
  { bind, host, logDir }: Parameters<OwnNodeMaker>[0],
): Promise<OwnNode> {
  const given: Readonly<Record<string, OwnListener>> = { ...listeners, [ADMIN]: { protocol: 'PLAINTEXT' } }
  const forClients = await Promise.all(
    Object.entries(given).map(async ([name, listener]) => ({ name, listener, port: await freePort() })),
  )
  const addresses = Object.fromEntries(forClients.map(({ name, port }) => [name, `${host}:${port}`]))
  const internal = `127.0.0.1:${await freePort()}`
  const { [ADMIN]: adminAddress = '', ...others } = addresses
  return {
    addresses: others,
    adminAddress,
    ports: forClients.map(({ port }) => port),
    serverProperties: serverProperties({
      listeners: {
        ...Object.fromEntries(
          forClients.map(({ name, listener, port }) => [
            name,
            { ...listener, bind: `${bind}:${port}`, advertised: `${host}:${port}` },
          ]),
        ),
        [INTERNAL]: { protocol: 'PLAINTEXT', bind: internal, advertised: internal },
      },
      interBroker: INTERNAL,
      controller: `127.0.0.1:${await freePort()}`,
      logDir,
      properties: withSuperUser(properties),
    }),
    format: scramUsers.flatMap(user => ['--add-scram', scramOption(user)]),
    jvm: [QUICK_START, ...allowedUrls({ listeners, properties })],
  }
}

/** The tool that formats the storage has no escape for what its own syntax needs. */
function scramOption({ mechanism, name, password }: NonNullable<OwnBrokerOptions['scramUsers']>[number]): string {
  if (/[",[\]]/.test(name + password))
    throw new Error(`the name and password of the SCRAM user ${name} may hold no quote, comma or bracket`)
  return `${mechanism}=[name="${name}",password="${password}"]`
}

/** Under an authorizer, the broker may do nothing with itself and its controller unless the user of their listeners may do everything. */
function withSuperUser(properties: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (properties['authorizer.class.name'] === undefined) return properties
  const users = new Set((properties['super.users'] ?? '').split(';').filter(Boolean))
  return { ...properties, 'super.users': [...users.add('User:ANONYMOUS')].join(';') }
}

/** Kafka 4 asks no URL of tokens or of their keys that its JVM was not told of. */
function allowedUrls({ listeners, properties = {} }: OwnBrokerOptions): string[] {
  const urls = [properties, ...Object.values(listeners).map(listener => listener.properties ?? {})]
    .flatMap(Object.entries<string>)
    .flatMap(([key, value]) => (/sasl\.oauthbearer\.\S+\.url$/.test(key) ? [value] : []))
  return urls.length === 0 ? [] : [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${urls.join(',')}`]
}
