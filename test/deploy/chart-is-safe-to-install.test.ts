/** What the chart promises whoever installs it: no pod is killed for waiting, none may do more than it needs, and numbers follow from each other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { root } from '../../dev/root.ts'
import { CHART } from '../../dev/tools/chart-files.ts'
import { assign } from '../../src/core/assignor.ts'
import { version } from '../../src/version.ts'
import { Chart, type Manifest, OPEN_WITHIN_MS, PRESETS } from '../support/chart.ts'

let chart: Chart
beforeAll(async () => {
  chart = await Chart.open()
}, OPEN_WITHIN_MS)
afterAll(() => chart.close())

const read = (path: string): string => readFileSync(join(CHART, path), 'utf8')

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly periodSeconds: number
  readonly failureThreshold: number
}

/** As far as a test looks into it. */
interface Pod {
  readonly terminationGracePeriodSeconds: number
  readonly containers: readonly [
    { readonly startupProbe: Probe; readonly livenessProbe: Probe; readonly readinessProbe: Probe } & Record<
      string,
      unknown
    >,
  ]
  readonly [field: string]: unknown
}

function podOf(deployment: Manifest): Pod {
  // Boundary: what chart-objects-are-known-to-the-api.test.ts holds to the published types.
  return (deployment['spec'] as { template: { spec: Pod } }).template.spec
}

const podWith = async (over: object = {}) => podOf((await chart.render('minimal', over)).the('Deployment'))

test('the chart is of the service that is beside it', () => {
  expect(parse(read('Chart.yaml'))).toMatchObject({ name: 'sluice', appVersion: version() })
})

test('the chart and the image are of one mind: the user, the share of memory that is heap, where Node and the commands are', async () => {
  const image = readFileSync(join(root, 'Dockerfile'), 'utf8')
  expect(image).toContain('\nUSER 65532:65532\n')
  expect((await podWith())['securityContext']).toMatchObject({ runAsUser: 65_532, runAsGroup: 65_532 })
  expect(image).toMatch(/^ENTRYPOINT \["\/nodejs\/bin\/node", .*"--max-old-space-size-percentage=60"/m)
  expect(read('templates/_sums.tpl')).toContain('60 % of the memory limit')
  expect(image).toContain('CMD ["/nodejs/bin/node", "dist/cli.js", "healthcheck"]')
  expect(await chart.notes('minimal')).toContain('/nodejs/bin/node dist/cli.js lag')
})

describe('lint finds nothing', () => {
  test('in the chart by itself', async () => {
    expect(await chart.lint()).toMatchObject({ ok: true })
  })

  test.each(PRESETS)('with %s', async preset => {
    const values = merged(parse(read('values.yaml')), parse(read(`ci/${preset}-values.yaml`)))
    const copy = chart.copy({ 'values.yaml': JSON.stringify(values) })
    expect(await chart.lint(copy)).toMatchObject({ ok: true })
  })

  test('and it can find something', async () => {
    const copy = chart.copy({ 'templates/broken.yaml': 'a: [' })
    expect(await chart.lint(copy)).toMatchObject({ ok: false })
  })
})

function merged(under: unknown, over: unknown): unknown {
  if (!isRecord(under) || !isRecord(over)) return over
  const names = [...new Set([...Object.keys(under), ...Object.keys(over)])]
  return Object.fromEntries(names.map(name => [name, name in over ? merged(under[name], over[name]) : under[name]]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

describe('the probes', () => {
  test('know nothing of broker, registry and database, but for the one that only says "not ready"', async () => {
    const [container] = (await podWith()).containers
    expect(container.startupProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
    expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
  })

  test('give a process time: to start, and to come back from a long turn of its loop', async () => {
    const [{ startupProbe, livenessProbe }] = (await podWith()).containers
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBe(60)
    expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBe(30)
  })

  test('find the port that the service is told of', async () => {
    const [container] = (await podWith({ config: { HTTP_PORT: 9_090 } })).containers
    expect(container['ports']).toEqual([{ name: 'http', containerPort: 9_090, protocol: 'TCP' }])
    expect((await chart.render('full')).the('Service')['spec']).toMatchObject({
      ports: [{ port: 80, targetPort: 'http' }],
    })
  })
})

test.each(PRESETS)('%s is within the standard "restricted", and reads nothing of the cluster', async preset => {
  const { the, objects } = await chart.render(preset)
  const pod = podOf(the('Deployment'))
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      fsGroup: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  })
  expect(pod.containers[0]['securityContext']).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  })
  expect(the('ServiceAccount')).toMatchObject({ automountServiceAccountToken: false })
  expect(objects.map(({ kind }) => kind)).not.toContainEqual(expect.stringMatching(/Role/))
})

test('a cluster that gives out ids itself gives them', async () => {
  const { securityContext } = await podWith({ podSecurity: { runAsUser: null, runAsGroup: null, fsGroup: null } })
  expect(securityContext).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
})

describe('a pod has the time that it needs to end', () => {
  test.each([
    [{}, 30],
    [{ config: { DRAIN_TIMEOUT_MS: 45_500 } }, 56],
    [{ terminationGracePeriodSeconds: 90 }, 90],
    [{ terminationGracePeriodSeconds: 26 }, 26],
  ])('%j: %d s', async (over, seconds) => {
    expect((await podWith(over)).terminationGracePeriodSeconds).toBe(seconds)
  })

  test('and no hook takes of it', async () => {
    expect((await podWith()).containers[0]).not.toHaveProperty('lifecycle')
  })
})

describe('a rollout', () => {
  test('has one more and never one less', async () => {
    expect((await chart.render('minimal')).the('Deployment')['spec']).toMatchObject({
      replicas: 2,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    })
  })

  test('or replaces all at once', async () => {
    const deployment = (await chart.render('minimal', { strategy: 'Recreate' })).the('Deployment')
    expect(deployment['spec']).toHaveProperty('strategy', { type: 'Recreate' })
  })
})

const spread = (topologyKey: string, whenUnsatisfiable: string) => ({
  maxSkew: 1,
  topologyKey,
  whenUnsatisfiable,
  labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'trial' } },
  matchLabelKeys: ['pod-template-hash'],
})

test('replicas are apart as far as there is room, each revision by itself', async () => {
  expect((await podWith())['topologySpreadConstraints']).toEqual([
    spread('topology.kubernetes.io/zone', 'ScheduleAnyway'),
    spread('kubernetes.io/hostname', 'ScheduleAnyway'),
  ])
  expect((await podWith({ topologySpread: { zone: '', host: 'DoNotSchedule' } }))['topologySpreadConstraints']).toEqual(
    [spread('kubernetes.io/hostname', 'DoNotSchedule')],
  )
  expect(await podWith({ topologySpread: { zone: '', host: '' } })).not.toHaveProperty('topologySpreadConstraints')
})

test('one pod may be evicted at a time, and those that are not ready at any', async () => {
  expect((await chart.render('minimal')).the('PodDisruptionBudget')['spec']).toMatchObject({
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: 'AlwaysAllow',
    selector: { matchLabels: { 'app.kubernetes.io/instance': 'trial' } },
  })
})

test('memory is requested as it is limited, and the processor is not limited', async () => {
  expect((await podWith()).containers[0]['resources']).toEqual({
    requests: { cpu: '250m', memory: '512Mi' },
    limits: { memory: '512Mi' },
  })
})

test('a pod is put where its owner wants it', async () => {
  const { the } = await chart.render('full')
  expect(podOf(the('Deployment'))).toMatchObject({
    priorityClassName: 'high',
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    tolerations: [{ key: 'streams', operator: 'Equal', value: 'true', effect: 'NoSchedule' }],
    affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100 }] } },
    imagePullSecrets: [{ name: 'images' }],
    serviceAccountName: 'activity-pods',
  })
})

test('labels and annotations go where they are asked for, and never into a selector', async () => {
  const { the, objects } = await chart.render('full')
  for (const { metadata } of objects) expect(metadata.labels).toMatchObject({ team: 'streams' })
  expect(the('Deployment')).toMatchObject({
    metadata: { annotations: { 'example.com/owner': 'streams' } },
    spec: {
      selector: { matchLabels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'trial' } },
      template: { metadata: { labels: { tier: 'backend' }, annotations: { 'example.com/logs': 'json' } } },
    },
  })
  expect(JSON.stringify(the('Deployment')['spec'])).not.toContain('helm.sh/chart')
  expect(the('Service')).toMatchObject({
    metadata: { labels: { expose: 'internal' }, annotations: { 'example.com/scrape': 'true' } },
    spec: { selector: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/instance': 'trial' } },
  })
  expect(the('ServiceAccount').metadata).toMatchObject({ annotations: { 'example.com/role': 'reader' } })
})

test('an account of somebody else is used, and none is made', async () => {
  const { the, objects } = await chart.render('minimal', { serviceAccount: { create: false, name: 'theirs' } })
  expect(objects.map(({ kind }) => kind)).not.toContain('ServiceAccount')
  expect(podOf(the('Deployment'))).toMatchObject({ serviceAccountName: 'theirs', automountServiceAccountToken: false })
})

describe('the image', () => {
  test.each([
    [{}, `sluice:${version()}`],
    [{ tag: 'main' }, 'sluice:main'],
    [
      { repository: 'images.example.com/a/b', tag: 'main', digest: `sha256:${'a'.repeat(64)}` },
      `images.example.com/a/b@sha256:${'a'.repeat(64)}`,
    ],
  ])('%j is %s', async (image, name) => {
    expect((await podWith({ image })).containers[0]['image']).toBe(name)
  })
})

describe('names', () => {
  test.each([
    ['trial', {}, 'trial-sluice'],
    ['sluice', {}, 'sluice'],
    ['my-sluice-2', {}, 'my-sluice-2'],
    ['trial', { nameOverride: 'activity' }, 'trial-activity'],
    ['trial', { fullnameOverride: 'activity' }, 'activity'],
    ['r'.repeat(53), { nameOverride: 'n'.repeat(60) }, `${'r'.repeat(53)}-${'n'.repeat(9)}`],
  ])('release %s with %j: %s', async (release, over, name) => {
    const { the } = await chart.render('minimal', over, { release })
    for (const kind of ['Deployment', 'Service', 'ConfigMap', 'ServiceAccount'])
      expect(the(kind).metadata.name).toBe(name)
  })
})

describe('a replica has something to read up to the sum of all partitions, and not beyond', () => {
  // What _sums.tpl builds on, shown with the group's own assignor.
  const topics = new Map([
    ['user-activity', 12],
    ['orders', 3],
  ])
  const partitionsOf = (topic: string) => Array.from({ length: topics.get(topic) ?? 0 }, (_, index) => index)
  const shares = (replicas: number) => {
    const members = Array.from({ length: replicas }, (_, index) => ({
      id: `m${index}`,
      topics: [...topics.keys()],
      owned: [],
    }))
    return [...assign({ members, partitionsOf }).values()].map(({ length }) => length)
  }

  test('as the assignor shares out', () => {
    expect(shares(15)).toEqual(Array.from({ length: 15 }, () => 1))
    expect(shares(16).filter(share => share === 0)).toHaveLength(1)
  })

  test('and the chart allows', async () => {
    await chart.render('full', { replicas: 15, config: { DATABASE_POOL_MAX: 5 } })
    expect(await chart.refusal('full', { replicas: 16, config: { DATABASE_POOL_MAX: 5 } })).toContain(
      'replicas: 16 > 15',
    )
  })
})
