/** Reads Prometheus' text format, and finds in it what `promtool check metrics` would. */

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }[]
}

interface Growing {
  name: string
  type: string
  help: string
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

export function readExposition(text: string): Family[] {
  const families = new Map<string, Growing>()
  const of = (name: string): Growing => {
    const family = families.get(name) ?? { name, type: '', help: '', samples: [] }
    families.set(name, family)
    return family
  }
  for (const line of text.split('\n').filter(each => each !== '')) {
    const [, kind, about, rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (about !== undefined && kind === 'HELP') of(about).help = rest
    else if (about !== undefined) of(about).type = rest
    else {
      const [, name = '', labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (name === '') throw new Error(`not a line of the format: ${line}`)
      const base = name.replace(/_(?:bucket|sum|count)$/, '')
      const family = of(
        families.get(base)?.type === 'histogram' || families.get(base)?.type === 'summary' ? base : name,
      )
      const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [
        key,
        text,
      ])
      family.samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value.replace('Inf', 'Infinity')) })
    }
  }
  return [...families.values()]
}

/** `name{a="b",…}` → value; labels by name. */
export function samplesOf(text: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const { samples } of readExposition(text)) {
    for (const { name, labels, value } of samples) {
      const pairs = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))
      found.set(`${name}{${pairs.map(([key, text]) => `${key}="${text}"`).join(',')}}`, value)
    }
  }
  return found
}

const NO_BASE_UNIT = /_(?:milliseconds|ms|minutes|hours|days|kilobytes|kb|megabytes|mb|percent)(?:_|$)/
const RESERVED_SUFFIX = /_(?:total|bucket|sum|count)$/

/** One line for each thing wrong; the rules are promtool's. */
export function lintExposition(text: string): string[] {
  return readExposition(text).flatMap(family => lintFamily(family).concat(lintSamples(family)))
}

function lintFamily({ name, type, help }: Family): string[] {
  const says: [wrong: boolean, what: string][] = [
    [help === '', 'no help text'],
    [!['counter', 'gauge', 'histogram', 'summary'].includes(type), 'no type'],
    [type === 'counter' && !name.endsWith('_total'), 'counter metrics should have "_total" suffix'],
    [type !== 'counter' && name.endsWith('_total'), 'non-counter metrics should not have "_total" suffix'],
    [type === 'gauge' && RESERVED_SUFFIX.test(name), 'a suffix of counters or histograms'],
    [new RegExp(`_(?:${type})(?:_|$)`).test(name), 'the name holds the type'],
    [NO_BASE_UNIT.test(name), 'use base units'],
    [!/^[a-z_][a-z0-9_]*$/.test(name), 'metric names should be written in snake_case'],
  ]
  return says.filter(([wrong]) => wrong).map(([, what]) => `${name}: ${what}`)
}

function lintSamples({ name, type, samples }: Family): string[] {
  const problems: string[] = []
  const seen = new Set<string>()
  for (const sample of samples) {
    const labels = Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const series = `${sample.name} ${JSON.stringify(labels)}`
    if (seen.has(series)) problems.push(`${name}: the same series twice: ${series}`)
    seen.add(series)
    for (const label of Object.keys(sample.labels)) {
      if (!/^[a-z_][a-z0-9_]*$/.test(label)) problems.push(`${name}: label ${label} should be written in snake_case`)
      if (label === 'le' && type !== 'histogram') problems.push(`${name}: only histograms have "le"`)
    }
  }
  return problems
}
