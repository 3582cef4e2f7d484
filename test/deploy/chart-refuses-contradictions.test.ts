/** Values that would not work are refused before anything is installed: a wrong name or type by its name, a contradiction with the arithmetic. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHART } from '../../dev/tools/chart-files.ts'
import { Chart, OPEN_WITHIN_MS, type Preset } from '../support/chart.ts'

let chart: Chart
beforeAll(async () => {
  chart = await Chart.open()
}, OPEN_WITHIN_MS)
afterAll(() => chart.close())

type Case = readonly [title: string, preset: Preset, over: object, says: string]

const CONTRADICTIONS: readonly Case[] = [
  ['no brokers', 'minimal', { config: { KAFKA_BROKERS: '' } }, 'config.KAFKA_BROKERS is required'],
  ['no group', 'minimal', { config: { KAFKA_GROUP_ID: null } }, 'config.KAFKA_GROUP_ID is required'],
  ['no registry', 'minimal', { config: { SCHEMA_REGISTRY_URL: '' } }, 'config.SCHEMA_REGISTRY_URL is required'],
  [
    'no database',
    'minimal',
    { secrets: { existingSecret: '', keys: { DATABASE_URL: null } } },
    'DATABASE_URL is required: name the key of a Secret',
  ],
  [
    'a pod that would be killed while it commits',
    'minimal',
    { terminationGracePeriodSeconds: 25 },
    'terminationGracePeriodSeconds: 25 ≤ 25 = 20 s to drain (DRAIN_TIMEOUT_MS 20000) + 5 s margin: the pod would be killed before it has committed. Give 26 or more, or null for 30',
  ],
  [
    'the same with a drain of its own',
    'minimal',
    { terminationGracePeriodSeconds: 30, config: { DRAIN_TIMEOUT_MS: 45_500 } },
    'terminationGracePeriodSeconds: 30 ≤ 51 = 46 s to drain (DRAIN_TIMEOUT_MS 45500) + 5 s margin',
  ],
  [
    'more replicas to come than partitions',
    'keda',
    { scaling: { maxReplicas: 25 }, database: { connectionBudget: 1_000 } },
    'scaling.maxReplicas: 25 > 24 partitions = 12 (user-activity) + 12 (orders): 1 of them would have nothing to read',
  ],
  [
    'more replicas than partitions',
    'full',
    { replicas: 16, database: { connectionBudget: 1_000 } },
    'replicas: 16 > 15 partitions = 12 (user-activity) + 3 (orders): 1 of them would have nothing to read',
  ],
  [
    'two autoscalers',
    'hpa',
    { scaling: { keda: { enabled: true } }, topics: [{ name: 'orders', partitions: 12 }] },
    'scaling.keda.enabled and scaling.hpa.enabled: two autoscalers',
  ],
  [
    'more connections than the database has',
    'minimal',
    { replicas: 8 },
    'database.connectionBudget: 97 < 100 = (8 replicas + 1 surge + 1 that drains) × 10 DATABASE_POOL_MAX',
  ],
  [
    'the same without a surge',
    'hpa',
    { scaling: { maxReplicas: 9 } },
    'database.connectionBudget: 97 < 100 = (9 scaling.maxReplicas + 0 surge + 1 that drains) × 10 DATABASE_POOL_MAX',
  ],
  [
    'memory that the buffers would fill',
    'minimal',
    { resources: { limits: { memory: '300Mi' } } },
    'resources.limits.memory: 300Mi = 314572800 < 335544320 = 67108864 BUFFER_BYTES_MAX × 5: 60 % of the limit is heap',
  ],
  [
    'buffers that would fill the memory',
    'minimal',
    { config: { BUFFER_BYTES_MAX: 134_217_728 } },
    'resources.limits.memory: 512Mi = 536870912 < 671088640 = 134217728 BUFFER_BYTES_MAX × 5',
  ],
  [
    'a secret that is given and named',
    'minimal',
    { secrets: { values: { DATABASE_URL: 'postgres://db/x' } } },
    'DATABASE_URL is both given (secrets.values.DATABASE_URL) and named (secrets.keys.DATABASE_URL): leave one of them out',
  ],
  [
    'a key of no Secret',
    'minimal',
    { secrets: { existingSecret: '' } },
    'secrets.keys.DATABASE_URL is a key of secrets.existingSecret, which is not given',
  ],
  [
    'a Secret of which nothing is used',
    'hpa',
    { secrets: { existingSecret: 'mine' } },
    'secrets.existingSecret is given and none of its keys is used',
  ],
  [
    'a variable that is plain and a file',
    'keda',
    { secrets: { keys: { KAFKA_SASL_USERNAME: 'user' } } },
    'KAFKA_SASL_USERNAME is given twice: config.KAFKA_SASL_USERNAME and secrets',
  ],
  [
    'a plain variable that the pod has already',
    'minimal',
    { extraEnv: [{ name: 'KAFKA_GROUP_ID', value: 'other' }] },
    'KAFKA_GROUP_ID is given twice: config.KAFKA_GROUP_ID and extraEnv',
  ],
  [
    'a file that the pod has already',
    'minimal',
    { extraEnv: [{ name: 'DATABASE_URL_FILE', value: '/x' }] },
    'DATABASE_URL is given twice: by secrets and by extraEnv',
  ],
  [
    'KEDA without topics',
    'minimal',
    { scaling: { keda: { enabled: true } } },
    'topics is empty, and KEDA asks for the lag of each',
  ],
  [
    'KEDA without the password that the service has',
    'keda',
    { secrets: { keys: { KAFKA_SASL_PASSWORD: null } } },
    'KAFKA_SASL_PASSWORD is required: KEDA logs in with KAFKA_SASL_MECHANISM=scram-sha-512, too',
  ],
  [
    'KEDA without the issuer of the tokens',
    'full',
    { scaling: { keda: { enabled: true } }, config: { KAFKA_OAUTH_TOKEN_URL: '' } },
    'KAFKA_OAUTH_TOKEN_URL is required: KEDA logs in with KAFKA_SASL_MECHANISM=oauthbearer, too',
  ],
  [
    'a fallback above all that there may be',
    'keda',
    { scaling: { keda: { fallback: { replicas: 13 } } } },
    'scaling.keda.fallback.replicas: 13 > 12, the most replicas there may be',
  ],
  [
    'a least above the most',
    'hpa',
    { scaling: { minReplicas: 7 } },
    'scaling.minReplicas: 7 > 6 = scaling.maxReplicas',
  ],
  [
    'a least above the partitions',
    'keda',
    { topics: [{ name: 'orders', partitions: 1 }] },
    'scaling.minReplicas: 2 > 1 = the partitions of the largest topic of 1 (orders)',
  ],
  [
    'an autoscaler without an end',
    'hpa',
    { scaling: { maxReplicas: null } },
    'scaling.maxReplicas is required, or topics, of which it is made',
  ],
  [
    'a share of nothing',
    'hpa',
    { resources: { requests: { cpu: null } } },
    'scaling.hpa.cpuUtilizationPercent is a share of resources.requests.cpu, which is not given',
  ],
  [
    'every replica asked twice',
    'keda',
    { monitoring: { serviceMonitor: { enabled: true } } },
    'monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled: every replica would be scraped twice',
  ],
  [
    'brokers with a scheme',
    'minimal',
    { config: { KAFKA_BROKERS: 'SASL_SSL://user:hunter2@a:9092' } },
    'config.KAFKA_BROKERS is not what it must be: host:port, comma separated, without a user and password',
  ],
  [
    'a registry with a password',
    'minimal',
    { config: { SCHEMA_REGISTRY_URL: 'http://user:hunter2@registry' } },
    'config.SCHEMA_REGISTRY_URL is not what it must be: URL, without a user and password',
  ],
  [
    'a secret in the place of its name',
    'minimal',
    { secrets: { keys: { DATABASE_URL: 'postgres://sluice:hunter2@db/x' } } },
    'secrets.keys.DATABASE_URL is no name of a key',
  ],
  ['a port that nobody knows', 'minimal', { config: { HTTP_PORT: 0 } }, 'config.HTTP_PORT is 0'],
  [
    'an address that no probe reaches',
    'minimal',
    { config: { HTTP_HOST: '127.0.0.1' } },
    'config.HTTP_HOST is 127.0.0.1',
  ],
]

describe('a contradiction is refused, with the arithmetic:', () => {
  test.each(CONTRADICTIONS)('%s', async (_, preset, over, says) => {
    const text = await chart.refusal(preset, over)
    expect(text).toContain(`\n- ${says}`)
    expect(text).not.toContain('hunter2')
    // It is the only thing that is wrong, so nothing else is said.
    expect(text.match(/^- /gm)).toHaveLength(1)
  })

  test('all of them at once', async () => {
    const text = await chart.refusal(null, { terminationGracePeriodSeconds: 1, replicas: 50, config: { HTTP_PORT: 0 } })
    expect(text.match(/^- \S+ .{0,4}/gm)).toEqual([
      '- config.KAFKA_BROKERS is r',
      '- config.KAFKA_GROUP_ID is r',
      '- config.SCHEMA_REGISTRY_URL is r',
      '- DATABASE_URL is r',
      '- config.HTTP_PORT is 0',
      '- terminationGracePeriodSeconds: 1 ≤ ',
      '- database.connectionBudget: 97 <',
    ])
  })
})

/** One step to the other side. */
const JUST_RIGHT: readonly (readonly [title: string, preset: Preset, over: object])[] = [
  ['grace', 'minimal', { terminationGracePeriodSeconds: 26 }],
  ['partitions', 'keda', { scaling: { maxReplicas: 24 }, database: { connectionBudget: 156 } }],
  ['connections', 'minimal', { replicas: 7 }],
  ['connections without a surge', 'hpa', { scaling: { maxReplicas: 8 } }],
  ['connections that nobody counts', 'minimal', { replicas: 50, database: { connectionBudget: null } }],
  ['memory', 'minimal', { resources: { limits: { memory: '320Mi' } } }],
  ['memory in other units', 'minimal', { resources: { limits: { memory: '0.3125Gi' } } }],
  ['memory in bytes', 'minimal', { resources: { limits: { memory: '335544320' } } }],
  ['no limit of memory', 'minimal', { resources: { limits: { memory: null } } }],
  [
    'a secret as a variable of the pod',
    'minimal',
    {
      secrets: { existingSecret: '', keys: { DATABASE_URL: null } },
      extraEnv: [{ name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }],
    },
  ],
]

test.each(JUST_RIGHT)('what is just right is not: %s', async (_, preset, over) => {
  await expect(chart.render(preset, over)).resolves.toBeDefined()
})

const WRONG: readonly (readonly [over: object, says: readonly RegExp[]])[] = [
  [{ replicaCount: 3 }, [/replicaCount/]],
  [{ replicas: '3' }, [/replicas.*integer/s]],
  [{ strategy: 'Rolling' }, [/strategy/]],
  [{ config: { KAFKA_BROKER: 'a:9092' } }, [/config/, /KAFKA_BROKER\b/]],
  [{ config: { KAFKA_BROKERS: ['a:9092'] } }, [/KAFKA_BROKERS/]],
  [{ config: { HTTP_PORT: '8080' } }, [/HTTP_PORT.*integer/s]],
  [{ config: { HTTP_PORT: 65_536 } }, [/HTTP_PORT.*65,?535/s]],
  [{ config: { KAFKA_TLS: 'true' } }, [/KAFKA_TLS.*boolean/s]],
  [{ config: { LOG_LEVEL: 'verbose' } }, [/LOG_LEVEL/, /info/]],
  [{ config: { INBOX_RETENTION: '14' } }, [/INBOX_RETENTION/]],
  [{ config: { COMMIT_INTERVAL_MS: 0 } }, [/COMMIT_INTERVAL_MS/]],
  [{ config: { DATABASE_URL: 'postgres://db/x' } }, [/config/, /DATABASE_URL/]],
  [{ secrets: { keys: { LOG_LEVEL: 'x' } } }, [/secrets.keys/, /LOG_LEVEL/]],
  [{ secrets: { values: { DATABASE_URI: 'x' } } }, [/secrets.values/, /DATABASE_URI/]],
  [{ secrets: { keys: { DATABASE_URL: { secret: 'a' } } } }, [/DATABASE_URL/]],
  [{ secrets: { keys: { DATABASE_URL: { secret: 'a', configMap: 'b', key: 'c' } } } }, [/DATABASE_URL/]],
  [{ image: { digest: 'sha256:abc' } }, [/image.digest/]],
  [{ image: { repository: '' } }, [/image.repository/]],
  [{ topics: [{ name: 'orders' }] }, [/topics.0/, /partitions/]],
  [{ topics: [{ name: 'orders', partitions: 0 }] }, [/topics.0.partitions/]],
  [{ scaling: { keda: { enable: true } } }, [/scaling.keda/, /enable\b/]],
  [{ scaling: { keda: { kafkaVersion: 4 } } }, [/kafkaVersion/]],
  [{ scaling: { minReplicas: 0 } }, [/minReplicas/]],
  [{ terminationGracePeriodSeconds: 0 }, [/terminationGracePeriodSeconds/]],
  [{ resources: { limits: { mem: '1Gi' } } }, [/resources.limits/, /mem\b/]],
  [{ resources: { limits: { memory: '1GB' } } }, [/resources.limits.memory/]],
  [{ affinity: { podAntiAffinty: {} } }, [/affinity/, /podAntiAffinty/]],
  [{ tolerations: [{ keys: 'a' }] }, [/tolerations.0/, /keys/]],
  [{ topologySpread: { zone: 'Always' } }, [/topologySpread.zone/]],
  [{ podSecurity: { runAsUser: 0 } }, [/podSecurity.runAsUser/]],
  [{ podSecurity: { runAsNonRoot: false } }, [/podSecurity/, /runAsNonRoot/]],
  [{ labels: { a: 1 } }, [/labels.a/]],
  [{ monitoring: { serviceMonitor: { interval: '30' } } }, [/serviceMonitor.interval/]],
  [{ networkPolicy: { metricsFrom: [{ namespace: 'a' }] } }, [/metricsFrom.0/, /namespace\b/]],
  [{ networkPolicy: { kafka: { ports: ['9092'] } } }, [/networkPolicy.kafka.ports.0/]],
  [{ extraEnv: [{ name: 'A', valueFrom: { secretRef: {} } }] }, [/extraEnv.0.valueFrom/, /secretRef/]],
  [{ extraEnv: [{ value: 'A' }] }, [/extraEnv.0/, /name/]],
  [{ database: null }, [/database/]],
]

describe('a wrong name or type is refused, and named:', () => {
  test.each(WRONG)('%j', async (over, says) => {
    const text = await chart.refusal('minimal', over)
    // Helm has written paths with dots and with slashes.
    for (const each of says) expect(text.replaceAll('/', '.')).toMatch(each)
  })

  test('no object takes a name that it does not know, but for labels and what an umbrella chart hands down', () => {
    const open: string[] = []
    const look = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return
      if ('type' in schema && schema.type === 'object') {
        const isText =
          'additionalProperties' in schema && JSON.stringify(schema.additionalProperties) === '{"type":"string"}'
        const isClosed = 'additionalProperties' in schema && schema.additionalProperties === false
        if (!isClosed && !isText) open.push(path)
        if (isClosed && !('properties' in schema)) open.push(`${path} has no properties`)
      }
      for (const [key, value] of Object.entries(schema)) look(value, `${path}.${key}`)
    }
    const schema: unknown = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'))
    look(schema, '')
    expect(open).toEqual(['.properties.global'])
  })

  test('an umbrella chart may hand down its own', async () => {
    await expect(chart.render('minimal', { global: { team: { name: 'streams' } } })).resolves.toBeDefined()
  })
})
