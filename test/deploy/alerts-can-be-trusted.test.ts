/**
 * The alert rules, without a Prometheus: what they ask for is what the service exports, label by label and value by value; each says
 * what an operator needs; each is shown to fire and to be silent by `alerts.test.yaml`, which promtool runs.
 */
import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseExposition } from '../../dev/exposition.ts'
import { prometheus } from '../../src/adapters/telemetry/prometheus.ts'
import type { PartitionStatus } from '../../src/core/status.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

interface Case {
  readonly name: string
  readonly input_series: readonly { readonly series: string }[]
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts?: readonly object[] }[]
}

/** A metric or its use: the name, and what is asked of its labels. */
interface Selector {
  readonly name: string
  readonly matchers: readonly { readonly label: string; readonly op: string; readonly value: string }[]
}

const FOLDER = new URL('../../helm/sluice/files/', import.meta.url)
const OPERATIONS = 'docs/operations.md'

const read = (name: string): unknown => parse(readFileSync(new URL(name, FOLDER), 'utf8'))
// Boundary: the shapes are promtool's, which refuses other ones.
const { groups } = read('alerts.yaml') as { groups: readonly { name: string; rules: readonly Rule[] }[] }
const { tests: cases } = read('alerts.test.yaml') as { tests: readonly Case[] }
const rules = groups.flatMap(({ rules }) => rules)

/** What a Prometheus adds to every series of a target; in a cluster. */
const OF_THE_TARGET = ['namespace', 'job', 'instance', 'pod']

const PARTITION: PartitionStatus = {
  topic: 'orders',
  partition: 0,
  epoch: 1,
  committed: 1,
  position: 1,
  highWatermark: 1,
  lagRecords: 0,
  lagSeconds: 0,
  buffered: 0,
  bufferedBytes: 0,
  inFlight: 0,
  oldestUnsettled: null,
  paused: null,
  blockedBy: null,
}

/** By metric and label: the values that a service with one handler exports. */
async function exported(): Promise<Map<string, Map<string, Set<string>>>> {
  const rest = { joined: true, standingStill: null, inFlight: 0, buffered: 0, bufferedBytes: 0 }
  const service = prometheus({
    version: '1',
    group: 'g',
    handlers: [{ name: 'order', topics: ['orders'] }],
    status: () => ({ state: 'running', ...rest, partitions: [PARTITION], breakers: [], handlers: [] }),
    dependencies: () => ['kafka', 'registry', 'database'].map(name => ({ name, up: true, error: null })),
  })
  const found = new Map<string, Map<string, Set<string>>>()
  for (const { name, labels } of parseExposition(await service.metrics())) {
    const known = found.get(name) ?? new Map<string, Set<string>>()
    found.set(name, known)
    for (const [label, value] of Object.entries(labels)) known.set(label, (known.get(label) ?? new Set()).add(value))
  }
  return found
}

/** The texts of all nodes of a kind, and where nothing could be made of the expression. */
function nodesIn(expr: string): { of: (kind: string, within?: string) => string[]; errors: number[] } {
  const found: { kind: string; text: string }[] = []
  const errors: number[] = []
  parser.parse(expr).iterate({
    enter({ type, from, to }) {
      if (type.isError) errors.push(from)
      found.push({ kind: type.name, text: expr.slice(from, to) })
    },
  })
  return { of: kind => found.filter(each => each.kind === kind).map(({ text }) => text), errors }
}

function selectorsIn(expr: string): Selector[] {
  return nodesIn(expr)
    .of('VectorSelector')
    .map(text => ({ name: text.split('{')[0] ?? '', matchers: nodesIn(text).of('UnquotedLabelMatcher').map(matcher) }))
}

function matcher(text: string): Selector['matchers'][number] {
  const [, label = '', op = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(text) ?? []
  return { label, op, value }
}

/** Labels by which an expression groups or matches. */
function groupingsIn(expr: string): string[] {
  return nodesIn(expr)
    .of('GroupingLabels')
    .flatMap(text => text.match(/\w+/g) ?? [])
}

/** As a forge makes them of headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = markdown.split('\n').filter(line => /^#{1,6} /.test(line))
  return new Set(
    headings.map(line =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

describe.each(rules)('$alert', ({ alert, expr, labels, annotations }) => {
  test('is an expression that can be parsed', () => {
    expect(nodesIn(expr).errors).toEqual([])
    expect(selectorsIn(expr)).not.toEqual([])
  })

  test('asks for metrics, labels and values that are exported', async () => {
    const known = await exported()
    for (const { name, matchers } of selectorsIn(expr)) {
      expect([...known.keys()]).toContain(name)
      for (const { label, op, value } of matchers) {
        expect(op).toMatch(/^!?=$/)
        expect([name, label, ...(known.get(name)?.get(label) ?? [])]).toContain(value)
      }
    }
    const ofTheMetrics = selectorsIn(expr).flatMap(({ name }) => Array.from(known.get(name)?.keys() ?? []))
    for (const label of groupingsIn(expr)) expect([...OF_THE_TARGET, ...ofTheMetrics]).toContain(label)
  })

  test('says how bad it is, what it is, and where to read on', () => {
    expect(alert).toMatch(/^Sluice[A-Z][A-Za-z]+$/)
    expect(Object.keys(labels)).toEqual(['severity'])
    expect(labels['severity']).toMatch(/^(?:critical|warning)$/)
    expect(Object.keys(annotations).toSorted()).toEqual(['description', 'runbook', 'summary'])
    expect(annotations['summary']?.length).toBeLessThan(120)
    expect(annotations['runbook']).toBe(`${OPERATIONS}#${alert.toLowerCase()}`)
  })

  test('names only labels that its result has', () => {
    const words = Object.values(annotations).join(' ')
    const used = [...words.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    const result = [...groupingsIn(expr), ...OF_THE_TARGET]
    for (const label of used) expect(result).toContain(label)
  })

  test('has its heading in the operations page', () => {
    expect([...anchorsOf(readFileSync(new URL(`../../${OPERATIONS}`, import.meta.url), 'utf8'))]).toContain(
      alert.toLowerCase(),
    )
  })

  test('is shown to fire, and to be silent where its metrics are there', () => {
    const metrics = new Set(selectorsIn(expr).map(({ name }) => name))
    const outcomes = cases.flatMap(({ input_series: series, alert_rule_test: asked }) => {
      const there = series.some(({ series }) => metrics.has(series.split('{')[0] ?? ''))
      return asked
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts: expected = [] }) => (expected.length > 0 ? 'fires' : there ? 'is silent' : 'shows nothing'))
    })
    expect(new Set(outcomes)).toEqual(new Set(['fires', 'is silent']))
  })
})

test('every case asks for alerts that there are', () => {
  const names = rules.map(({ alert }) => alert)
  expect(new Set(names).size).toBe(names.length)
  const asked = cases.flatMap(({ alert_rule_test: asked }) => asked.map(({ alertname }) => alertname))
  expect([...new Set(asked)].toSorted()).toEqual(names.toSorted())
})
