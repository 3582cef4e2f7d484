/**
 * The stack, as far as it can be judged without Docker: dev/ship/prove.ts runs it. Each claim stands beside a change of the file
 * that breaks it, so that none of them can hold by accident.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { TOPICS } from '../../dev/traffic.ts'
import { definition, parseConfig } from '../../src/config.ts'
import { type Compose, conditionsOf, isOnDemand, isOneShot, millisecondsOf, parseCompose } from './compose.ts'

const text = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')

/** Of the one definition: the names of all variables, and the defaults of those that have one. */
const defaults = new Map(
  [...definition.example().matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name = '', value = '']) => [
    name,
    value,
  ]),
)

interface Claim {
  readonly claim: string
  /** A line for everything that breaks it. */
  readonly broken: (file: Compose) => readonly string[]
  /** What breaks it: a part of the file, and what stands in its place. */
  readonly planted: readonly (readonly [part: string, instead: string])[]
}

const names = ({ services }: Compose): string[] => Object.keys(services)
const sluiceOf = ({ services }: Compose) => {
  const { sluice } = services
  if (sluice === undefined) throw new Error('there is no service sluice')
  return sluice
}
const problemsOf = (run: () => unknown): string[] => {
  try {
    run()
    return []
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

const CLAIMS: readonly Claim[] = [
  {
    claim: 'every image has a tag that means one thing, and what is built here is never pulled',
    broken: ({ services }) =>
      Object.entries(services).flatMap(([name, { image, build, pull_policy: pull }]) => {
        const isPinned = /:[\w.-]+$|@sha256:/.test(image) && !image.endsWith(':latest')
        return isPinned && (build === undefined || pull === 'never') ? [] : [`${name}: ${image}, pull ${pull}`]
      }),
    planted: [
      ['cp-kafka:8.2.0', 'cp-kafka:latest'],
      ['postgres:17-bookworm', 'postgres'],
      ['pull_policy: never', 'pull_policy: missing'],
    ],
  },
  {
    claim: 'every service says whether it is healthy, or runs to its end',
    broken: file =>
      Object.entries(file.services).flatMap(([name, service]) =>
        service.healthcheck !== undefined || isOneShot(file, name) || isOnDemand(service) ? [] : [name],
      ),
    planted: [
      ['healthcheck:\n      test: [CMD, promtool', 'x-healthcheck:\n      test: [CMD, promtool'],
      ['topics: { condition: service_completed_successfully }', 'topics: { condition: service_started }'],
    ],
  },
  {
    claim: 'whoever waits, waits for health or for an end',
    broken: file =>
      Object.entries(file.services).flatMap(([name, service]) =>
        Object.entries(conditionsOf(service)).flatMap(([other, condition]) => {
          const wanted = file.services[other]?.healthcheck === undefined ? 'completed_successfully' : 'healthy'
          return condition === `service_${wanted}` ? [] : [`${name} waits for ${other}: ${condition || 'no condition'}`]
        }),
      ),
    planted: [
      ['kafka: { condition: service_healthy }', 'kafka: {}'],
      ['postgres: { condition: service_healthy }', 'postgres: { condition: service_started }'],
      ['depends_on:\n      kafka: { condition: service_healthy }', 'depends_on: [kafka]'],
    ],
  },
  {
    claim: 'the service waits for all that it needs',
    broken: file =>
      ['kafka', 'registry', 'postgres', 'topics'].filter(name => conditionsOf(sluiceOf(file))[name] === undefined),
    planted: [['      registry: { condition: service_healthy }\n', '']],
  },
  {
    claim: 'no port is published but on 127.0.0.1',
    broken: ({ services }) =>
      Object.values(services)
        .flatMap(({ ports = [] }) => ports)
        .filter(port => !port.startsWith('127.0.0.1:')),
    planted: [
      ["'127.0.0.1:${POSTGRES_HOST_PORT:-5432}:5432'", "'${POSTGRES_HOST_PORT:-5432}:5432'"],
      ["'127.0.0.1:${SLUICE_HOST_PORTS-8080-8089}:8080'", "'8080'"],
    ],
  },
  {
    claim: 'the service can be scaled: no name and no single port of the host is its own',
    broken: file => {
      const { container_name: name, ports = [], deploy } = sluiceOf(file)
      const single = ports.filter(port => !/^127\.0\.0\.1:(?:\d+-\d+)?:8080$/.test(port))
      return [...single, ...(name === undefined ? [] : [name]), ...(deploy?.replicas === 2 ? [] : ['not two replicas'])]
    },
    planted: [
      ['${SLUICE_HOST_PORTS-8080-8089}', '${SLUICE_HOST_PORTS-8080}'],
      ['read_only: true', 'read_only: true\n    container_name: sluice'],
      ['replicas: 2', 'replicas: 1'],
    ],
  },
  {
    claim: 'what the service is told, it knows',
    broken: ({ services }) =>
      ['sluice', 'traffic'].flatMap(name =>
        Object.keys(services[name]?.environment ?? {}).filter(
          variable => !defaults.has(variable.replace(/_FILE$/, '')),
        ),
      ),
    planted: [['DEAD_LETTER_CREATE:', 'DEAD_LETTERS_CREATE:']],
  },
  {
    claim: 'and starts with it',
    broken: file => {
      const handlers = TOPICS.map(topic => ({ name: topic, timeoutMs: 5_000, needsDatabase: true, topics: [topic] }))
      return problemsOf(() => parseConfig(sluiceOf(file).environment ?? {}, { handlers }))
    },
    planted: [
      ['  KAFKA_GROUP_ID: sluice\n', ''],
      ["DEAD_LETTER_CREATE: 'true'", 'DEAD_LETTER_CREATE: sometimes'],
      ['DATABASE_URL: postgres://', 'DATABASE_URL: mysql://'],
    ],
  },
  {
    claim: 'the traffic is for the same parts as the service',
    broken: ({ services }) => {
      const { sluice, traffic } = services
      return Object.entries(traffic?.environment ?? { nothing: '' })
        .filter(([name, value]) => sluice?.environment?.[name] !== value)
        .map(([name]) => name)
    },
    planted: [['      <<: *parts\n      DEAD', '      <<: *parts\n      KAFKA_BROKERS: kafka:9092\n      DEAD']],
  },
  {
    claim: 'sending the traffic leaves the replicas as they are',
    broken: ({ services }) =>
      Object.keys(conditionsOf(services['traffic'] ?? { image: '' })).filter(name => name === 'sluice'),
    planted: [
      [
        '--scale has added.\n    depends_on:\n',
        '--scale has added.\n    depends_on:\n      sluice: { condition: service_healthy }\n',
      ],
    ],
  },
  {
    claim: 'nobody is killed while it drains',
    broken: file => {
      const { environment = {}, stop_grace_period: grace = '10s' } = sluiceOf(file)
      const drainMs = Number(environment['DRAIN_TIMEOUT_MS'] ?? defaults.get('DRAIN_TIMEOUT_MS'))
      return millisecondsOf(grace) > drainMs ? [] : [`${grace} are not more than ${drainMs} ms`]
    },
    planted: [
      ['stop_grace_period: 30s', 'stop_grace_period: 20s'],
      ['    stop_grace_period: 30s\n', ''],
      ['      LOG_LEVEL: ${', "      DRAIN_TIMEOUT_MS: '60000'\n      LOG_LEVEL: ${"],
    ],
  },
  {
    claim: 'what is of this repository runs with a read-only root and no capability, everything without new privileges',
    broken: ({ services }) =>
      Object.entries(services).flatMap(([name, service]) => {
        const isTight = service.security_opt?.includes('no-new-privileges:true') === true && service.privileged !== true
        const isOurs = service.build !== undefined
        const isLocked = service.read_only === true && service.cap_drop?.includes('ALL') === true
        return isTight && (!isOurs || isLocked) ? [] : [name]
      }),
    planted: [
      ['read_only: true', 'read_only: false'],
      ['cap_drop: [ALL]', 'cap_drop: [NET_RAW]'],
      ['no-new-privileges:true', 'no-new-privileges:false'],
      ['  postgres:\n    <<: *hardened\n', '  postgres:\n'],
    ],
  },
  {
    claim: 'the service has a memory limit, which its heap follows',
    broken: file => (sluiceOf(file).deploy?.resources?.limits?.memory === undefined ? ['no limit'] : []),
    planted: [['limits: { memory: 512M }', 'limits: {}']],
  },
  {
    claim: 'data is kept in volumes with a name, and no folder of the host is mounted',
    broken: ({ services, volumes = {} }) =>
      Object.values(services)
        .flatMap(service => service.volumes ?? [])
        .filter(volume => !((volume.split(':')[0] ?? '') in volumes)),
    planted: [
      ['[kafka-data:/var/lib/kafka/data]', '[/var/lib/kafka/data]'],
      ['[prometheus-data:/prometheus]', '[./data:/prometheus]'],
    ],
  },
  {
    claim: 'the topics that the service reads are made',
    broken: ({ services }) => TOPICS.filter(topic => !String(services['topics']?.command).includes(topic)),
    planted: [['for topic in user-activity orders;', 'for topic in user-activity;']],
  },
  {
    claim: 'Prometheus asks every replica, where it listens',
    broken: ({ configs, services }) => {
      // Boundary: as far as it is asked about here; what is not there is what is found.
      const config = parse(configs?.['prometheus']?.content ?? '') as {
        scrape_configs: { dns_sd_configs?: { names: string[]; type: string; port: number }[] }[]
      }
      const asked = config.scrape_configs.flatMap(({ dns_sd_configs: dns = [] }) => dns)
      const isMounted = services['prometheus']?.configs?.some(({ source }) => source === 'prometheus') === true
      const port = Number(defaults.get('HTTP_PORT'))
      const isRight = asked.some(one => one.names.join() === 'sluice' && one.type === 'A' && one.port === port)
      return isRight && isMounted ? [] : ['it does not']
    },
    planted: [
      ['names: [sluice]', 'names: [sluice-1]'],
      ['              port: 8080', '              port: 9000'],
      ['configs: [{ source: prometheus,', 'configs: [{ source: other,'],
    ],
  },
]

describe.each(CLAIMS)('$claim', ({ broken, planted }) => {
  test('holds', () => {
    const file = parseCompose(text)
    expect(names(file)).toContain('sluice')
    expect(broken(file)).toEqual([])
  })

  test.each(planted)('%j → %j is found', (part, instead) => {
    const changed = text.replace(part, () => instead)
    expect(changed).not.toBe(text)
    expect(broken(parseCompose(changed))).not.toEqual([])
  })
})
