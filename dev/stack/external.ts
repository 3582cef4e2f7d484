/** Parts that somebody else runs, named by the environment. */
import { brokerAnswers } from './broker.ts'
import { wordsOf } from './command.ts'
import type { Parts, RunningParts } from './parts.ts'
import { databaseAnswers } from './postgres.ts'
import { httpAnswers } from './ready.ts'

const NAMES = ['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'] as const

export type Environment = Readonly<Record<string, string | undefined>>

/** Undefined when the environment names none of the parts. Naming some of them is a mistake, and said. */
export function partsFrom(env: Environment): Parts | undefined {
  const missing = NAMES.filter(name => !env[name]?.trim())
  if (missing.length === NAMES.length) return undefined
  if (missing.length > 0) {
    const given = NAMES.filter(name => !missing.includes(name))
    throw new Error(
      `${given.join(' and ')} ${given.length === 1 ? 'is' : 'are'} given, ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not: give all three, or none to have the parts brought up here`,
    )
  }
  const [brokers = '', registryUrl = '', databaseUrl = ''] = NAMES.map(name => env[name]?.trim())
  return {
    brokers: brokers.split(',').map(broker => broker.trim()),
    registryUrl: registryUrl.replace(/\/+$/, ''),
    databaseUrl,
  }
}

/** Says which of them do not answer. */
export async function useExternal(parts: Parts): Promise<RunningParts> {
  const checks: [string, Promise<unknown>][] = [
    [`Kafka at ${parts.brokers.join(',')}`, brokerAnswers(parts.brokers)],
    [`the schema registry at ${parts.registryUrl}`, httpAnswers(`${parts.registryUrl}/subjects`)],
    ['the Postgres of DATABASE_URL', databaseAnswers(parts.databaseUrl)],
  ]
  const results = await Promise.allSettled(checks.map(([, check]) => check))
  const problems = results.flatMap((result, at) =>
    result.status === 'fulfilled' ? [] : [`${checks[at]?.[0]} does not answer: ${wordsOf(result.reason)}`],
  )
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return { ...parts, way: 'external', stop: () => Promise.resolve(), broken: new Promise(() => undefined) }
}
