/** The parts that a cluster may have or not: KEDA or an autoscaler, monitors, alerts, dashboards, a network policy. And what a person reads at the end. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CHART } from '../../dev/tools/chart-files.ts'
import { Chart, type Manifest, OPEN_WITHIN_MS, PRESETS } from '../support/chart.ts'

let chart: Chart
beforeAll(async () => {
  chart = await Chart.open()
}, OPEN_WITHIN_MS)
afterAll(() => chart.close())

/** Up by two in two minutes; down by one in five, after ten quiet ones. */
const BEHAVIOR = {
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 2, periodSeconds: 120 }],
  },
  scaleDown: {
    stabilizationWindowSeconds: 600,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }],
  },
}

const SECRET = (parameter: string, name: string, key: string) => ({ parameter, name, key })

interface Trigger {
  readonly metadata: Readonly<Record<string, string>>
  readonly authenticationRef?: { readonly name: string }
}

function triggersOf(scaled: Manifest): readonly Trigger[] {
  // Boundary: what chart-objects-are-known-to-the-api.test.ts holds to the published types.
  return (scaled['spec'] as { triggers: readonly Trigger[] }).triggers
}

describe('KEDA', () => {
  test('scales by the lag of each topic, with what the service itself is told', async () => {
    const { the, objects } = await chart.render('keda')
    expect(the('ScaledObject')['spec']).toMatchObject({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: the('Deployment').metadata.name },
      pollingInterval: 30,
      minReplicaCount: 2,
      maxReplicaCount: 12,
      fallback: { failureThreshold: 3, replicas: 2, behavior: 'currentReplicasIfHigher' },
      advanced: { horizontalPodAutoscalerConfig: { behavior: BEHAVIOR } },
    })
    expect(triggersOf(the('ScaledObject'))).toEqual(
      ['user-activity', 'orders'].map(topic => ({
        type: 'kafka',
        name: topic,
        metricType: 'AverageValue',
        useCachedMetrics: true,
        metadata: {
          bootstrapServers: 'kafka-0.kafka.svc:9093,kafka-1.kafka.svc:9093',
          consumerGroup: 'sluice',
          topic,
          lagThreshold: '120000',
          activationLagThreshold: '0',
          offsetResetPolicy: 'earliest',
          allowIdleConsumers: 'false',
          excludePersistentLag: 'true',
          ensureEvenDistributionOfPartitions: 'true',
          version: '2.3.0',
          tls: 'enable',
          sasl: 'scram_sha512',
        },
        authenticationRef: { name: 'trial-sluice' },
      })),
    )
    expect(the('Deployment')['spec']).not.toHaveProperty('replicas')
    expect(objects.map(({ kind }) => kind)).not.toContain('HorizontalPodAutoscaler')
  })

  test('logs in with the same user, password and authorities', async () => {
    expect((await chart.render('keda')).the('TriggerAuthentication')).toMatchObject({
      metadata: { name: 'trial-sluice' },
      spec: {
        secretTargetRef: [SECRET('password', 'kafka-user', 'password')],
        configMapTargetRef: [
          SECRET('ca', 'trust-bundle', 'ca.crt'),
          SECRET('username', 'trial-sluice', 'KAFKA_SASL_USERNAME'),
        ],
      },
    })
  })

  test('logs in with tokens and a client certificate, too', async () => {
    const { the } = await chart.render('full', { scaling: { keda: { enabled: true } } })
    expect(triggersOf(the('ScaledObject'))[0]?.metadata).toMatchObject({ sasl: 'oauthbearer', tls: 'enable' })
    expect(the('TriggerAuthentication')['spec']).toEqual({
      secretTargetRef: [
        SECRET('ca', 'activity-secrets', 'KAFKA_TLS_CA'),
        SECRET('cert', 'activity-tls', 'tls.crt'),
        SECRET('key', 'activity-tls', 'tls.key'),
        SECRET('password', 'activity', 'client-secret'),
      ],
      configMapTargetRef: [
        SECRET('oauthTokenEndpointUri', 'activity', 'KAFKA_OAUTH_TOKEN_URL'),
        SECRET('scopes', 'activity', 'KAFKA_OAUTH_SCOPE'),
        SECRET('username', 'activity', 'KAFKA_OAUTH_CLIENT_ID'),
      ],
    })
  })

  test.each([
    ['plain', 'plaintext'],
    ['scram-sha-256', 'scram_sha256'],
    ['scram-sha-512', 'scram_sha512'],
  ])('calls %s %s', async (mechanism, name) => {
    const { the } = await chart.render('keda', { config: { KAFKA_SASL_MECHANISM: mechanism } })
    expect(triggersOf(the('ScaledObject')).map(({ metadata }) => metadata['sasl'])).toEqual([name, name])
  })

  test('needs no login where there is none', async () => {
    const { the, objects } = await chart.render('minimal', {
      topics: [{ name: 'orders', partitions: 3 }],
      scaling: { keda: { enabled: true, brokers: 'kafka.kafka.svc.cluster.local:9092', kafkaVersion: '4.0.0' } },
    })
    expect(objects.map(({ kind }) => kind)).not.toContain('TriggerAuthentication')
    const [trigger] = triggersOf(the('ScaledObject'))
    expect(trigger).not.toHaveProperty('authenticationRef')
    expect(trigger?.metadata).toMatchObject({
      bootstrapServers: 'kafka.kafka.svc.cluster.local:9092',
      version: '4.0.0',
    })
    expect(trigger?.metadata).not.toHaveProperty('tls')
    expect(the('ScaledObject')['spec']).toMatchObject({ maxReplicaCount: 3 })
  })

  test('asks for a replica by what is waited for and what one does', async () => {
    const { the } = await chart.render('keda', { scaling: { drainSeconds: 30, recordsPerSecondPerReplica: 2_500_000 } })
    expect(triggersOf(the('ScaledObject'))[0]?.metadata['lagThreshold']).toBe('75000000')
  })
})

test('an autoscaler by the processor is as slow', async () => {
  const { the, objects } = await chart.render('hpa')
  expect(the('HorizontalPodAutoscaler')['spec']).toEqual({
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'trial-sluice' },
    minReplicas: 2,
    maxReplicas: 6,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }],
    behavior: BEHAVIOR,
  })
  expect(the('Deployment')['spec']).not.toHaveProperty('replicas')
  expect(objects.map(({ kind }) => kind)).not.toContain('ScaledObject')
})

describe('Prometheus', () => {
  const ofTheRelease = { matchLabels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'trial' } }

  test('asks the Service, as often as it is told to', async () => {
    const monitor = (await chart.render('full')).the('ServiceMonitor')
    expect(monitor['spec']).toEqual({
      selector: ofTheRelease,
      endpoints: [{ port: 'http', path: '/metrics', interval: '30s' }],
    })
    expect(monitor.metadata.labels).toMatchObject({ release: 'prometheus' })
  })

  test('or the pods, as often as it likes', async () => {
    expect((await chart.render('keda')).the('PodMonitor')['spec']).toEqual({
      selector: ofTheRelease,
      podMetricsEndpoints: [{ port: 'http', path: '/metrics' }],
    })
  })

  test('has the alerts as they are, braces included', async () => {
    const rule = (await chart.render('full')).the('PrometheusRule')
    const alerts = readFileSync(join(CHART, 'files', 'alerts.yaml'), 'utf8')
    expect(alerts).toContain('{{ $labels.')
    expect(rule['spec']).toEqual(parse(alerts, { version: '1.1' }))
    expect(rule.metadata.labels).toMatchObject({ release: 'prometheus' })
  })

  test('the tests of the alerts are no part of the chart', () => {
    expect(readFileSync(join(CHART, '.helmignore'), 'utf8').split('\n')).toContain('files/*.test.yaml')
  })
})

describe('dashboards', () => {
  const DASHBOARD = JSON.stringify({ title: 'Lag', panels: [{ legend: '{{topic}} {{ .partition }}' }] }, null, 2)

  test('each is a ConfigMap that the sidecar finds, as it is, braces included', async () => {
    const copy = chart.copy({
      'dashboards/Lag_by_topic.json': DASHBOARD,
      'dashboards/other.json': '{}',
      'dashboards/a.txt': '',
    })
    const over = { monitoring: { dashboards: { annotations: { grafana_folder: 'Streams' } } } }
    const { objects } = await chart.render('minimal', over, { chart: copy })
    const maps = objects.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name !== 'trial-sluice')
    expect(maps.map(({ metadata }) => metadata.name)).toEqual([
      'trial-sluice-dashboard-lag-by-topic',
      'trial-sluice-dashboard-other',
    ])
    expect(maps[0]).toMatchObject({
      metadata: { labels: { grafana_dashboard: '1' }, annotations: { grafana_folder: 'Streams' } },
      data: { 'Lag_by_topic.json': DASHBOARD },
    })
  })

  test('none where they are not wanted', async () => {
    const copy = chart.copy({ 'dashboards/lag.json': DASHBOARD })
    const { the } = await chart.render('minimal', { monitoring: { dashboards: { enabled: false } } }, { chart: copy })
    expect(the('ConfigMap').metadata.name).toBe('trial-sluice')
  })
})

const ports = (...numbers: number[]) => numbers.map(port => ({ port, protocol: 'TCP' }))
const namespace = (name: string) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } })

describe('the network', () => {
  const DNS = {
    ports: [
      { port: 53, protocol: 'UDP' },
      { port: 53, protocol: 'TCP' },
    ],
  }
  test('lets through what the configuration says, and what is added', async () => {
    expect((await chart.render('full')).the('NetworkPolicy')['spec']).toEqual({
      podSelector: { matchLabels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'trial' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [namespace('monitoring')], ports: ports(9_090) }],
      egress: [
        DNS,
        { ports: ports(9_093, 9_094), to: [namespace('kafka')] },
        { ports: ports(8_443) },
        { ports: ports(443) },
        { ports: ports(5_432, 6_432), to: [{ ipBlock: { cidr: '10.20.0.0/16' } }] },
        { ports: ports(4_318), to: [namespace('telemetry')] },
      ],
    })
  })

  test.each([
    ['http://registry/base', 80],
    ['https://registry:8443/base', 8_443],
    ['https://[fd00::1]/base', 443],
    ['http://[fd00::1]:8081', 8_081],
  ])('goes to the port of %s', async (url, port) => {
    const over = { config: { SCHEMA_REGISTRY_URL: url, KAFKA_BROKERS: '[fd00::2]:9092 , b:9092' } }
    const { the } = await chart.render('minimal', { ...over, networkPolicy: { enabled: true } })
    expect(the('NetworkPolicy')['spec']).toMatchObject({
      ingress: [],
      egress: [DNS, { ports: ports(9_092) }, { ports: ports(port) }, { ports: ports(5_432) }],
    })
  })
})

describe('the notes', () => {
  test.each(PRESETS)('of %s say what to look at, and have no line that a terminal breaks badly', async preset => {
    const notes = await chart.notes(preset)
    const name = preset === 'full' ? 'activity' : 'trial-sluice'
    expect(notes).toContain(`kubectl --namespace streams rollout status deployment/${name}\n`)
    expect(notes).toContain(`exec deployment/${name} -- /nodejs/bin/node dist/cli.js lag\n`)
    expect(notes).not.toMatch(/<no value>|%!|\n{3}|[ \t]\n/)
    expect(Math.max(...notes.split('\n').map(line => line.length))).toBeLessThanOrEqual(170)
  })

  test('of KEDA derive the threshold', async () => {
    expect(await chart.notes('keda')).toContain(
      '120 s (scaling.drainSeconds) × 1000 records/s (scaling.recordsPerSecondPerReplica) = 120000 records\n',
    )
  })

  test('write a large one out', async () => {
    const notes = await chart.notes('keda', { scaling: { drainSeconds: 30, recordsPerSecondPerReplica: 2_500_000 } })
    expect(notes).toContain('one for every 75000000 records')
    expect(notes).toContain('30 s (scaling.drainSeconds) × 2500000 records/s')
    expect(notes).toContain(' = 75000000 records\n')
  })

  test('name what has to be there, and not what the chart makes itself', async () => {
    const notes = await chart.notes('full')
    expect(notes).toMatch(/\n {2}DATABASE_URL +Secret activity, key url\n/)
    expect(notes).toContain('\n  orders, and for its dead letters orders.activity.dead\n')
    expect(notes).not.toContain('activity-secrets')
  })

  test.each([
    [{}, 'minimal', ['KAFKA_TLS is not true: records cross the network in clear.', 'makes Prometheus ask']],
    [{}, 'hpa', ['secrets.values gives DATABASE_URL: for a trial only']],
    [{ config: { KAFKA_TLS: null, KAFKA_SASL_MECHANISM: 'plain' } }, 'keda', ['in clear, and so does the login.']],
  ] as const)('with %j, %s warns', async (over, preset, warnings) => {
    const notes = await chart.notes(preset, over)
    for (const warning of warnings) expect(notes).toContain(warning)
  })

  test('warn of nothing where there is nothing', async () => {
    for (const preset of ['keda', 'full'] as const) expect(await chart.notes(preset)).not.toContain('WARNING')
  })
})
