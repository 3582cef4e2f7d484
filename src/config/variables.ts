/** How variables are described and read. Which ones there are stands in config.ts. */
import { readFileSync } from 'node:fs'
import { describe } from '../consumer/errors.ts'
import type { Kind } from './kinds.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Variable<Value> {
  readonly kind: Kind<unknown>
  readonly meaning: string
  /** As it would be written in the environment; null where there is none. */
  readonly default: string | null
  readonly required: boolean
  readonly secret: boolean
  /** May be another one tomorrow: where it is given as a file, it is read again while the program runs. */
  readonly rotates: boolean
  /** What `.env.example` shows where there is no default. */
  readonly example: string
  /** Exists in types only. */
  readonly type?: Value
}

export type Variables = Readonly<Record<string, Variable<unknown>>>

type Value<V> = V extends Variable<infer Found> ? Found : never

/** KAFKA_GROUP_ID → kafkaGroupId */
export type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<Name>

export function camel(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

export type Values<Of extends Variables> = { readonly [Name in keyof Of & string as Camel<Name>]: Value<Of[Name]> }

export interface Readings {
  /** By the variable's name; null for what is absent and may be. */
  readonly values: ReadonlyMap<string, unknown>
  /** What was given, or the default; in the same order. */
  readonly texts: ReadonlyMap<string, { readonly text: string; readonly given: boolean }>
  readonly problems: readonly string[]
}

interface Given {
  /** As a problem calls it. */
  readonly from: string
  readonly text: string
  /** False: it is the default. */
  readonly given: boolean
}

const NOTHING = { default: null, required: false, secret: false, rotates: false, example: '' } as const

/** The ways to describe a variable: one that must be given, one with a default, one that may be absent (then null); `secret` is never shown; `rotating` is read again. */
export const variable = {
  required: <Value>(kind: Kind<Value>, meaning: string, example: string): Variable<Value> => ({
    ...NOTHING,
    kind,
    meaning,
    required: true,
    example,
  }),
  optional: <Value>(kind: Kind<Value>, fallback: string, meaning: string): Variable<Value> => ({
    ...NOTHING,
    kind,
    meaning,
    default: fallback,
  }),
  absent: <Value>(kind: Kind<Value>, meaning: string, example = ''): Variable<Value | null> => ({
    ...NOTHING,
    kind,
    meaning,
    example,
  }),
  secret: <Value>(plain: Variable<Value>): Variable<Value> => ({ ...plain, secret: true }),
  rotating: <Value>(plain: Variable<Value>): Variable<Value> => ({ ...plain, rotates: true }),
}

/** Reads and checks each variable by itself. The values' names are as in the environment; what has a problem has no value. */
export function readVariables(variables: Variables, env: Environment): Readings {
  const values = new Map<string, unknown>()
  const texts = new Map<string, { text: string; given: boolean }>()
  const problems: string[] = []
  const hidden = new Set(Object.keys(variables).flatMap(name => (variables[name]?.secret === true ? [env[name]] : [])))
  for (const [name, each] of Object.entries(variables)) {
    const given = find(name, each, env)
    if ('problem' in given) {
      problems.push(given.problem)
      continue
    }
    if (given.text === null) {
      if (each.required) problems.push(missing(name, variables, env))
      else values.set(name, null)
      continue
    }
    const parsed = each.kind.parse(given.text)
    texts.set(name, given)
    if ('value' in parsed) values.set(name, parsed.value)
    else problems.push(`${given.from} must be ${parsed.mustBe}${quoted(each, given.text, hidden)}`)
  }
  return { values, texts, problems }
}

/** Those that are given as files and may change while the program runs. */
export function rotatingOf(variables: Variables, env: Environment): Variables {
  const entries = Object.entries(variables).filter(
    ([name, { rotates }]) => rotates && (env[`${name}_FILE`] ?? '').trim() !== '',
  )
  return Object.fromEntries(entries)
}

/** Names in the environment that nobody reads and that look like one of ours. A hint, never a refusal: others' variables are none of our business. */
export function misspelled(variables: Variables, env: Environment): readonly string[] {
  const known = Object.keys(variables)
  return Object.keys(env)
    .filter(name => !(name in variables) && !(name.replace(/_FILE$/, '') in variables))
    .flatMap(name => {
      const meant = known.find(candidate => isNear(name.replace(/_FILE$/, ''), candidate))
      return meant === undefined ? [] : [`${name} is not a variable of this program: did you mean ${meant}?`]
    })
}

/** An empty text counts as not given: compose files and charts write it for what is left out. */
function find(
  name: string,
  { default: fallback, secret }: Variable<unknown>,
  env: Environment,
): Given | { text: null } | { problem: string } {
  const direct = env[name] ?? ''
  const path = (env[`${name}_FILE`] ?? '').trim()
  // Blanks around a password may belong to it; around anything else they are an accident.
  const text = secret ? direct : direct.trim()
  if (text !== '' && path !== '') return { problem: `${name} and ${name}_FILE are both given: give one of them` }
  if (path === '' && text !== '') return { from: name, text, given: true }
  if (path === '') return fallback === null ? { text: null } : { from: name, text: fallback, given: false }
  try {
    const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return content === ''
      ? { problem: `${name}_FILE: ${path} is empty` }
      : { from: `the content of ${name}_FILE, ${path},`, text: content, given: true }
  } catch (error) {
    // Not every word of the system's names the path: of a folder it says only that it is one.
    return { problem: `${name}_FILE cannot be read: ${path}: ${describe(error)}` }
  }
}

function missing(name: string, variables: Variables, env: Environment): string {
  const similar = Object.keys(env).find(candidate => !(candidate in variables) && isNear(candidate, name))
  const empty = env[name] === undefined ? '' : ', and it is empty'
  return `${name} is required${empty}${similar === undefined ? '' : ` (${similar} is given: is it misspelled?)`}`
}

/** What was given, for the operator to see: only what is short, of a kind that holds no secret, and no secret's value in the wrong place. */
function quoted({ kind, secret }: Variable<unknown>, text: string, hidden: ReadonlySet<string | undefined>): string {
  return kind.quotable && !secret && text.length <= 20 && !hidden.has(text) ? `, not ${JSON.stringify(text)}` : ''
}

/** At most two letters were changed, added or left out, in names that are long enough for that to mean something. */
function isNear(name: string, candidate: string): boolean {
  const mistakesMax = candidate.length >= 10 ? 2 : 1
  return Math.abs(name.length - candidate.length) <= mistakesMax && distance(name, candidate) <= mistakesMax
}

/** Levenshtein's distance, row by row. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
