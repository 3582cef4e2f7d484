/** Prometheus' text format, as far as it is needed to add numbers up. */

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g

export function parseExposition(text: string): Sample[] {
  return text.split('\n').flatMap(line => {
    const [, name, labels = '', value] = LINE.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(LABEL)].map(([, label = '', text = '']) => [label, text.replaceAll('\\"', '"')])
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
  })
}

export function sumOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter(
      sample => sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
    )
    .reduce((sum, { value }) => sum + value, 0)
}
