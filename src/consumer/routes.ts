/** Which handler takes which record: by topic, then by the full name of the record's schema. */
import type { Handler } from './handler.ts'
import type { ReaderSchema } from './ports.ts'

export type UnmatchedPolicy = 'dead-letter' | 'ignore'

/** What is set per topic. */
export interface TopicOptions {
  /** A record that no handler takes: `dead-letter` (default), or `ignore`, which counts it and goes on. */
  readonly unmatched?: UnmatchedPolicy
}

interface TopicRoutes {
  readonly bySchema: Map<string, Handler>
  forTombstones: Handler | null
}

export class Routes {
  readonly handlers: readonly Handler[]
  readonly #topics = new Map<string, TopicRoutes>()
  readonly #options: Readonly<Record<string, TopicOptions>>

  /** `handlers` have passed `problemsOf`. */
  constructor(handlers: readonly Handler[], options: Readonly<Record<string, TopicOptions>>) {
    this.handlers = handlers
    this.#options = options
    for (const handler of handlers) {
      for (const topic of handler.topics) {
        const routes = this.#topics.get(topic) ?? { bySchema: new Map<string, Handler>(), forTombstones: null }
        this.#topics.set(topic, routes)
        routes.bySchema.set(handler.schema.name, handler)
        if (handler.tombstones) routes.forTombstones = handler
      }
    }
  }

  get topics(): readonly string[] {
    return [...this.#topics.keys()]
  }

  /** What the decoder resolves each topic's records to. */
  get readers(): ReadonlyMap<string, readonly ReaderSchema[]> {
    return new Map(
      [...this.#topics].map(([topic, { bySchema }]) => [topic, [...bySchema.values()].map(({ schema }) => schema)]),
    )
  }

  handlerOf(topic: string, schema: string): Handler | null {
    return this.#topics.get(topic)?.bySchema.get(schema) ?? null
  }

  tombstoneHandlerOf(topic: string): Handler | null {
    return this.#topics.get(topic)?.forTombstones ?? null
  }

  unmatched(topic: string): UnmatchedPolicy {
    return this.#options[topic]?.unmatched ?? 'dead-letter'
  }
}

/** Everything that is wrong with a set of handlers, a sentence each; nothing else starts before it is empty. */
export function problemsOf(handlers: readonly Handler[], options: Readonly<Record<string, TopicOptions>>): string[] {
  const problems = handlers.flatMap(handler =>
    problemsOfOne(handler).map(problem => `handler ${handler.name || '(unnamed)'}: ${problem}`),
  )
  if (handlers.length === 0) problems.push('there is no handler: give runService at least one')
  const names = new Set<string>()
  const routes = new Set<string>()
  const tombstones = new Map<string, string>()
  for (const { name, topics, schema, tombstones: takesTombstones } of handlers) {
    if (names.has(name))
      problems.push(`two handlers are named ${name}: a name is the scope of inbox rows; give one of them another`)
    names.add(name)
    for (const topic of new Set(topics)) {
      // What is no schema has been said above.
      const route = `${topic} ${schema?.name}`
      if (routes.has(route)) problems.push(`two handlers take ${schema?.name} from topic ${topic}: merge them`)
      routes.add(route)
      const other = tombstones.get(topic)
      if (takesTombstones && other !== undefined) {
        problems.push(
          `handlers ${other} and ${name} both take tombstones of topic ${topic}: a tombstone has no schema to route by`,
        )
      }
      if (takesTombstones) tombstones.set(topic, name)
    }
  }
  return [...problems, ...problemsOfOptions(new Set(handlers.flatMap(handler => handler.topics)), options)]
}

function problemsOfOptions(
  topics: ReadonlySet<string>,
  options: Readonly<Record<string, TopicOptions>>,
): readonly string[] {
  const problems: string[] = []
  for (const [topic, { unmatched = 'dead-letter' }] of Object.entries(options)) {
    if (!topics.has(topic)) problems.push(`topics.${topic} is set, but no handler takes that topic`)
    if (unmatched !== 'dead-letter' && unmatched !== 'ignore') {
      problems.push(`topics.${topic}.unmatched is ${String(unmatched)}; it must be dead-letter or ignore`)
    }
  }
  return problems
}

/** The types refuse some of these; a program in JavaScript has no types, and a whole stream would go to the dead letter topic. */
function problemsOfOne(handler: Handler): string[] {
  const { name, topics, schema, orderBy, idempotencyKey, retry, timeoutMs, concurrencyMax } = handler
  const twice = topics.find((topic, index) => topics.indexOf(topic) < index)
  const checks: [holds: boolean, problem: string][] = [
    [name !== '', 'it has no name'],
    [topics.length > 0 && topics.every(topic => topic !== ''), 'it has no topic'],
    [twice === undefined, `it names topic ${twice} twice`],
    [
      idempotencyKey === null || typeof idempotencyKey === 'function',
      "its idempotencyKey is neither a function nor 'naturally-idempotent'",
    ],
    [orderBy === null || typeof orderBy === 'function', 'its orderBy is not a function'],
    [schema?.name !== undefined && schema.avro !== undefined, 'its schema is not a generated constant'],
    [timeoutMs > 0 && Number.isFinite(timeoutMs), `timeoutMs is ${timeoutMs}; it must be positive`],
    [
      concurrencyMax === null || (Number.isInteger(concurrencyMax) && concurrencyMax > 0),
      `concurrencyMax is ${concurrencyMax}; it must be a whole number from 1`,
    ],
    [
      Number.isInteger(retry.attemptsMax) && retry.attemptsMax > 0,
      `retry.attemptsMax is ${retry.attemptsMax}; it must be a whole number from 1`,
    ],
    [
      retry.initialMs > 0 && retry.maxMs >= retry.initialMs,
      `retry waits from ${retry.initialMs} to ${retry.maxMs} ms; both must be positive and rise`,
    ],
  ]
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem)
}
