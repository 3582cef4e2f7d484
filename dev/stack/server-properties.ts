/** What a Kafka node is told, by a local Java and in a container alike: its server.properties, and how its storage is formatted. */

export interface NodeListener {
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  /** host:port that it listens on. */
  readonly bind: string
  /** host:port that clients are told. */
  readonly advertised: string
  /** Of this listener alone. */
  readonly properties?: Readonly<Record<string, string>>
}

export interface NodeOptions {
  readonly id?: number
  /** By name, in capitals. */
  readonly listeners: Readonly<Record<string, NodeListener>>
  /** The one over which nodes speak with each other and a node with itself: it verifies transactions there. */
  readonly interBroker: string
  /** host:port of the controller, and whether this node is it. */
  readonly controller: string
  readonly isController?: boolean
  readonly logDir: string
  /** Beside the defaults, or instead of them. */
  readonly properties?: Readonly<Record<string, string>>
}

/** Of every node of ours: topics of its own that are small, no topic that nobody made, and a member that is gone may be missed soon. */
export const NODE_DEFAULTS = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '3000',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '4',
} as const

export function serverProperties(options: NodeOptions): string {
  const { id = 1, listeners, interBroker, controller, isController = true, logDir, properties = {} } = options
  const all: [name: string, listener: NodeListener][] = Object.entries(listeners)
  if (isController) all.push(['CONTROLLER', { protocol: 'PLAINTEXT', bind: controller, advertised: controller }])
  const ofListeners = all.flatMap(([name, listener]) =>
    Object.entries(listener.properties ?? {}).map(([key, value]) => [
      `listener.name.${name.toLowerCase()}.${key}`,
      value,
    ]),
  )
  const protocols = {
    ...Object.fromEntries(all.map(([name, { protocol }]) => [name, protocol])),
    CONTROLLER: 'PLAINTEXT',
  }
  return propertiesText({
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': String(id),
    'controller.quorum.bootstrap.servers': controller,
    'controller.listener.names': 'CONTROLLER',
    listeners: all.map(([name, { bind }]) => `${name}://${bind}`).join(','),
    'advertised.listeners': all.map(([name, { advertised }]) => `${name}://${advertised}`).join(','),
    'listener.security.protocol.map': Object.entries(protocols)
      .map(entry => entry.join(':'))
      .join(','),
    'inter.broker.listener.name': interBroker,
    'log.dirs': logDir,
    ...NODE_DEFAULTS,
    ...properties,
    ...Object.fromEntries(ofListeners),
  })
}

/** What follows `kafka-storage`. Every node of a cluster has the same cluster's id; its first one is the controller. */
export function formatArguments(
  file: string,
  {
    cluster = clusterId(),
    isFirst = true,
    more = [],
  }: { cluster?: string; isFirst?: boolean; more?: readonly string[] } = {},
): string[] {
  return ['format', isFirst ? '--standalone' : '--no-initial-controllers', '-t', cluster, '-c', file, ...more]
}

/** A random UUID as Kafka writes them. Kafka's command line takes one that begins with a dash for an option. */
export function clusterId(): string {
  const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url')
  return id.startsWith('-') ? clusterId() : id
}

/** As java.util.Properties reads it: a value of several lines, such as a PEM text, stands in one. */
function propertiesText(properties: Readonly<Record<string, string>>): string {
  const lines = Object.entries(properties).map(([key, value]) => `${escaped(key)}=${escaped(value)}`)
  return `${lines.join('\n')}\n`
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Kafka reads the file as Latin-1. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\\=:#! \n\r\t]/g, found => NAMED[found] ?? `\\${found}`)
    .replaceAll(/[^\x20-\x7e]/g, found => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
