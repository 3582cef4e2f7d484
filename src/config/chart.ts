/**
 * What the definition in config.ts is in the Helm chart: a part of values.yaml, a part of values.schema.json, and the defaults that
 * the chart does its sums with. What is plain is a value; what is secret, or may change while the program runs, can be a file from a
 * Secret or a ConfigMap. A user name is both: it is no secret, and it changes together with its password.
 */
import { sentenceOf } from './documentation.ts'
import { type Kind, kinds } from './kinds.ts'
import type { Variable, Variables } from './variables.ts'

/** A piece of a JSON schema (draft 7), as it is written out. */
export type SchemaPart = Readonly<Record<string, unknown>>

export interface ChartParts {
  /** Of values.yaml: from a marker to a marker, both included. */
  readonly values: string
  /** Of values.schema.json: what stands under `definitions`, by name. */
  readonly definitions: {
    readonly configuration: SchemaPart
    readonly secretKeys: SchemaPart
    readonly secretTexts: SchemaPart
  }
  /** The whole of templates/_defaults.tpl. */
  readonly templates: string
}

const MARKERS = {
  begin: '# configuration:begin (written by `npm run generate:chart` from src/config.ts: change that)',
  end: '# configuration:end',
} as const

export function chartOf(variables: Variables): ChartParts {
  const all = Object.entries(variables)
  const plain = all.filter(([, variable]) => isPlain(variable))
  const files = all.filter(([, variable]) => !isPlain(variable) || variable.rotates)
  return {
    values: valuesOf(
      plain,
      files.filter(([, variable]) => !isPlain(variable)),
    ),
    definitions: {
      configuration: closed(plain.map(([name, variable]) => [name, propertyOf(variable)])),
      secretKeys: closed(files.map(([name, variable]) => [name, { ...KEY, description: sentenceOf(variable) }])),
      secretTexts: closed(files.map(([name, variable]) => [name, { ...TEXT, description: sentenceOf(variable) }])),
    },
    templates: templatesOf(plain),
  }
}

type Entry = readonly [name: string, variable: Variable<unknown>]

/** A certificate is no secret, but it has many lines, and comes from where keys come from. */
function isPlain({ secret, kind }: Variable<unknown>): boolean {
  return !secret && kind !== kinds.certificates
}

const WIDTH = 140

function valuesOf(plain: readonly Entry[], others: readonly Entry[]): string {
  return [
    MARKERS.begin,
    ...commentOf(
      `The program's own variables, by their names. What is null or "" is not given, and the program's default holds. Not here but under \`secrets\`: ${others.map(([name]) => name).join(', ')}.`,
    ),
    'config:',
    ...plain.flatMap(([name, variable]) => [
      ...commentOf(sentenceOf(variable)).map(line => `  ${line}`),
      `  ${name}: ${variable.kind.schema.type === 'string' ? '""' : 'null'}${remarkOf(variable)}`,
    ]),
    MARKERS.end,
  ].join('\n')
}

function remarkOf({ required, default: fallback }: Variable<unknown>): string {
  if (required) return ' # required'
  return fallback === null ? '' : ` # default: ${fallback}`
}

function commentOf(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

/** No other names: a misspelled one is refused, and said. */
function closed(properties: readonly (readonly [name: string, property: SchemaPart])[]): SchemaPart {
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
}

const KEY: SchemaPart = { $ref: '#/definitions/secretKey' }

const TEXT: SchemaPart = { type: ['string', 'null'] }

function propertyOf(variable: Variable<unknown>): SchemaPart {
  const { required, default: fallback } = variable
  const remark = required ? '; required' : fallback === null ? '' : `; default: ${fallback}`
  return { description: `${sentenceOf(variable)}${remark}`, ...optional(variable.kind) }
}

/** With null, and for texts the empty one, for "not given". Helm quotes what breaks a pattern, so what may hold a secret has none. */
function optional({ schema, quotable }: Kind<unknown>): SchemaPart {
  switch (schema.type) {
    case 'boolean':
    case 'integer':
      return { ...schema, type: [schema.type, 'null'] }
    case 'string':
      if (schema.enum !== undefined) return { enum: [...schema.enum, '', null] }
      return {
        type: ['string', 'null'],
        ...(quotable && schema.pattern !== undefined ? { pattern: `^(${schema.pattern})?$` } : {}),
      }
    default:
      return schema satisfies never
  }
}

function templatesOf(plain: readonly Entry[]): string {
  const defaults = plain.flatMap(([name, variable]) =>
    variable.default === null ? [] : [`${name}: ${JSON.stringify(variable.default)}`],
  )
  const patterns = plain.flatMap(([name, { kind }]) => {
    if (kind.quotable || kind.schema.type !== 'string' || kind.schema.pattern === undefined) return []
    const [pattern, shape] = [`^(${kind.schema.pattern})$`, kind.shape.replaceAll('`', '')]
    return [`${name}: ${JSON.stringify({ pattern, shape })}`]
  })
  return [
    '{{- /* Written by `npm run generate:chart` from src/config.ts. First the defaults of the program, for the sums of _sums.tpl. */ -}}',
    '{{- define "sluice.defaults" -}}',
    ...defaults,
    '{{- end -}}',
    '',
    '{{- /* What a value must look like that may hold a secret by accident: values.schema.json would have Helm show it. */ -}}',
    '{{- define "sluice.patterns" -}}',
    ...patterns,
    '{{- end -}}',
    '',
  ].join('\n')
}
