/** Where Kafka, the registry and Postgres come from: the environment, a container engine, or Java and Maven; in this order. */
import { wordsOf } from './command.ts'
import { engineInSight, startContainers } from './containers.ts'
import { type Environment, partsFrom, useExternal } from './external.ts'
import { missingForLocal, startLocal } from './local.ts'
import type { PartsWay, RunningParts, Say } from './parts.ts'

const WAYS: readonly PartsWay[] = ['external', 'containers', 'local']

function forcedWay(env: Environment): PartsWay | undefined {
  const wanted = env['STACK']
  if (!wanted) return undefined
  const way = WAYS.find(one => one === wanted)
  if (way === undefined) throw new Error(`STACK is ${wanted}; it may be ${WAYS.join(', ')}`)
  return way
}

function nothingToRunOn(reasons: string[]): Error {
  return new Error(`no Kafka, schema registry and Postgres to run on:
${reasons.map(reason => `  - ${reason}`).join('\n')}
Any one of these will do:
  - give KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL of running ones
  - a container engine (Docker), running
  - Java 17 and Maven (Debian: apt install openjdk-17-jre-headless maven; macOS: brew install openjdk@17 maven)`)
}

async function startForced(way: PartsWay, { say, env }: { say: Say; env: Environment }): Promise<RunningParts> {
  switch (way) {
    case 'external': {
      const given = partsFrom(env)
      if (given === undefined)
        throw new Error('STACK is external: give KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL')
      return useExternal(given)
    }
    case 'containers':
      return startContainers(say)
    case 'local': {
      const missing = await missingForLocal()
      if (missing !== undefined) throw nothingToRunOn([`STACK is local: ${missing}`])
      return startLocal(say)
    }
    default:
      return way satisfies never
  }
}

/** Resolves when all three answer. The caller stops them; when the caller dies, they stop by themselves. */
export async function findParts({ say, env = process.env }: { say: Say; env?: Environment }): Promise<RunningParts> {
  const forced = forcedWay(env)
  if (forced !== undefined) return startForced(forced, { say, env })
  const given = partsFrom(env)
  if (given !== undefined) return useExternal(given)
  const reasons = ['none are named in the environment']
  if (await engineInSight()) {
    try {
      return await startContainers(say)
    } catch (error) {
      const why = wordsOf(error).replaceAll(/\s+/g, ' ')
      reasons.push(`containers: ${why}`)
      say(`no containers (${why}); trying Java and Maven`)
    }
  } else reasons.push('no container engine in sight')
  const missing = await missingForLocal()
  if (missing !== undefined) throw nothingToRunOn([...reasons, missing])
  say('starting Kafka, the registry and Postgres as local processes')
  return startLocal(say)
}
