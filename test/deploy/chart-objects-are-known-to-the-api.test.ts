/**
 * Whatever the chart makes, with any of the presets and with each part that needs types of its own on and off, has no field that
 * Kubernetes, KEDA or the Prometheus operator do not know, and no value that they would refuse.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Chart, type Manifest, OPEN_WITHIN_MS, PRESETS, type Preset } from '../support/chart.ts'
import { unknownFields, validate } from '../support/chart-types.ts'

/** What a cluster without KEDA and without the Prometheus operator takes. */
const PLAIN = { scaling: { keda: { enabled: false } }, monitoring: monitoring(null) }

const PARTS: Readonly<Record<string, object>> = {
  'as it is': {},
  'without types of others': PLAIN,
  'with a ServiceMonitor': { monitoring: monitoring('serviceMonitor') },
  'with a PodMonitor': { monitoring: monitoring('podMonitor') },
  'with a NetworkPolicy': { networkPolicy: { enabled: true } },
}

function monitoring(monitor: 'serviceMonitor' | 'podMonitor' | null): object {
  const isOn = (name: string) => ({ enabled: name === monitor })
  return {
    serviceMonitor: isOn('serviceMonitor'),
    podMonitor: isOn('podMonitor'),
    prometheusRule: { enabled: monitor !== null },
  }
}

const FOREIGN = /^(?:keda\.sh|monitoring\.coreos\.com)\//

let chart: Chart
const matrix = new Map<string, readonly Manifest[]>()

beforeAll(async () => {
  chart = await Chart.open()
  for (const preset of PRESETS)
    for (const [name, over] of Object.entries(PARTS))
      matrix.set(`${preset} ${name}`, (await chart.render(preset, over)).objects)
}, OPEN_WITHIN_MS)
afterAll(() => chart.close())

const named = () =>
  new Map(
    [...matrix].flatMap(([rendering, objects]) =>
      objects.map(object => [`${rendering}: ${object.kind} ${object.metadata.name}`, object] as const),
    ),
  )

test('no field is unknown, and no name appears twice', () => {
  const objects = named()
  expect(objects.size).toBe([...matrix.values()].flat().length)
  expect(unknownFields(objects)).toEqual([])
})

test('no value is refused', async () => {
  const refused: string[] = []
  for (const [name, object] of named())
    await validate(object).catch((error: unknown) => refused.push(`${name}: ${String(error)}`))
  expect(refused).toEqual([])
})

/** One misspelled field of an object that the preset has. */
const MISSPELLED: readonly (readonly [preset: Preset, kind: string, right: string, wrong: string])[] = [
  ['minimal', 'Deployment', 'image', 'imagee'],
  ['minimal', 'Deployment', 'matchLabelKeys', 'matchLabelsKeys'],
  ['minimal', 'PodDisruptionBudget', 'unhealthyPodEvictionPolicy', 'unhealthyPodEviction'],
  ['keda', 'ScaledObject', 'behavior', 'behaviour'],
  ['keda', 'ScaledObject', 'useCachedMetrics', 'useCachedMetric'],
  ['keda', 'TriggerAuthentication', 'secretTargetRef', 'secretTargetRefs'],
  ['keda', 'PodMonitor', 'podMetricsEndpoints', 'endpoints'],
  ['keda', 'PrometheusRule', 'alert', 'alertt'],
  ['hpa', 'HorizontalPodAutoscaler', 'averageUtilization', 'averageUtilisation'],
  ['full', 'NetworkPolicy', 'namespaceSelector', 'namespaceSelectors'],
  ['full', 'ServiceMonitor', 'interval', 'intervall'],
]

test('a misspelled field is found, however deep it lies', async () => {
  const planted = new Map<string, Manifest>()
  for (const [preset, kind, right, wrong] of MISSPELLED) {
    const text = JSON.stringify((await chart.render(preset)).the(kind))
    // Boundary: an object with one field that is wrong.
    planted.set(`${kind} with ${wrong}`, JSON.parse(text.replace(`"${right}":`, `"${wrong}":`)) as Manifest)
  }
  const found = unknownFields(planted)
  for (const [, kind, , wrong] of MISSPELLED)
    expect(found).toContainEqual(expect.stringMatching(new RegExp(`^${kind} with ${wrong}: .*\\b${wrong}\\b`)))
})

test('a value that is wrong is found', async () => {
  const text = JSON.stringify((await chart.render('minimal')).the('Deployment'))
  // Boundary: an object with one value that is wrong.
  const planted = JSON.parse(text.replace('"periodSeconds":2', '"periodSeconds":"2"')) as Manifest
  await expect(validate(planted)).rejects.toThrow(/periodSeconds/)
})

test.each(PRESETS)('a cluster without KEDA and the Prometheus operator can have %s', async preset => {
  const { objects } = await chart.render(preset, PLAIN)
  expect(objects.filter(({ apiVersion }) => FOREIGN.test(apiVersion))).toEqual([])
})

test('without asking for it, nothing needs types of others', async () => {
  const { objects } = await chart.render('minimal')
  expect(objects.map(({ kind }) => kind).toSorted()).toEqual([
    'ConfigMap',
    'Deployment',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
  ])
})
