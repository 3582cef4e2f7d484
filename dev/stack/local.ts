/** The parts as plain processes: Java 17 and Maven for Kafka and the registry, an npm package for Postgres. */
import { startBroker } from './broker.ts'
import { output, runs } from './command.ts'
import { javaKafka } from './java-kafka.ts'
import { javaCommand, registryApp } from './maven.ts'
import type { RunningParts, Say } from './parts.ts'
import { startPostgres } from './postgres.ts'
import type { Part } from './ready.ts'
import { startRegistry } from './registry.ts'

const JAVA_MAJOR_MIN = 17

/** Undefined when everything is there, otherwise what is missing. */
export async function missingForLocal(): Promise<string | undefined> {
  const said = await output(javaCommand(), ['-version']).catch(() => '')
  const major = Number(/version "(\d+)/.exec(said)?.[1] ?? 0)
  const missing = [
    major === 0 && 'no Java (`java`)',
    major > 0 && major < JAVA_MAJOR_MIN && `Java ${major}, and ${JAVA_MAJOR_MIN} or later is needed`,
    !(await runs('mvn', ['-v'])) && 'no Maven (`mvn`)',
  ].filter(line => line !== false)
  return missing.length === 0 ? undefined : missing.join(', ')
}

export async function startLocal(say: Say): Promise<RunningParts> {
  // One after the other: Maven's folder of downloads is shared.
  const kafka = await javaKafka(say)
  const app = await registryApp(say)
  const up: Part<string>[] = []
  const starting = [startBroker(kafka), startRegistry(kafka.java, app), startPostgres()].map(async one => {
    const part = await one
    up.push(part)
    return part
  })
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= Promise.all(up.map(part => part.kept.stop())).then(() => undefined)
    return stopping
  }
  const failed = (await Promise.allSettled(starting)).find(result => result.status === 'rejected')
  if (failed !== undefined) {
    await stop()
    throw failed.reason
  }
  const [broker, registry, postgres] = await Promise.all(starting)
  if (broker === undefined || registry === undefined || postgres === undefined)
    throw new Error('three parts were started')
  const broken = Promise.race(
    up.map(async ({ name, kept }) => {
      const { code, signal, reason } = await kept.ended
      return `${name} ended by itself (${reason ?? signal ?? code})`
    }),
  )
  return {
    way: 'local',
    brokers: [broker.address],
    registryUrl: registry.address,
    databaseUrl: postgres.address,
    stop,
    broken,
  }
}
