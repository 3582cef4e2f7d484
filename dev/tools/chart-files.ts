/** The files of the chart that are made of the definition in src/config.ts, or have a part that is: as they should be. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { definition } from '../../src/config.ts'
import { root } from '../root.ts'

export const CHART = join(root, 'helm', 'sluice')

/** As biome breaks lines. */
const WIDTH = 120

/** By the path in the chart: the whole text, of which only the generated parts differ from what is there. */
export async function chartFiles(): Promise<ReadonlyMap<string, string>> {
  const { values, definitions, templates } = definition.chart()
  return new Map([
    ['values.yaml', replaced(await readFile(join(CHART, 'values.yaml'), 'utf8'), values)],
    ['values.schema.json', withDefinitions(await readFile(join(CHART, 'values.schema.json'), 'utf8'), definitions)],
    ['templates/_defaults.tpl', templates],
  ])
}

/** From the first line of the part to its last one, whatever stands between them. */
function replaced(text: string, part: string): string {
  const [begin = '', ...rest] = part.split('\n')
  const end = rest.at(-1) ?? ''
  const [from, to] = [text.indexOf(`${begin}\n`), text.indexOf(`\n${end}\n`)]
  if (from < 0 || to < from) throw new Error(`helm/sluice/values.yaml has no lines "${begin}" … "${end}"`)
  return text.slice(0, from) + part + text.slice(to + 1 + end.length)
}

function withDefinitions(text: string, definitions: object): string {
  const schema: unknown = JSON.parse(text)
  if (!isRecord(schema) || !isRecord(schema['definitions']))
    throw new Error('helm/sluice/values.schema.json has no definitions')
  return `${jsonOf({ ...schema, definitions: { ...schema['definitions'], ...definitions } }, 0, 0)}\n`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON as biome formats it: objects over several lines, a list on one where it fits. `column`: where the value begins. */
function jsonOf(value: unknown, indent: number, column: number): string {
  const margin = ' '.repeat(indent + 2)
  const around = (open: string, parts: readonly string[], close: string) =>
    `${open}\n${parts.map(part => margin + part).join(',\n')}\n${' '.repeat(indent)}${close}`
  if (Array.isArray(value)) {
    const line = `[${value.map(item => jsonOf(item, indent, 0)).join(', ')}]`
    // One more for the comma that may follow.
    if (!line.includes('\n') && column + line.length + 1 <= WIDTH) return line
    return around(
      '[',
      value.map(item => jsonOf(item, indent + 2, indent + 2)),
      ']',
    )
  }
  if (!isRecord(value) || Object.keys(value).length === 0) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, item]) => {
    const head = `${JSON.stringify(key)}: `
    return head + jsonOf(item, indent + 2, indent + 2 + head.length)
  })
  return around('{', entries, '}')
}
