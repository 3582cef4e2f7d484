/** What everything here runs against: a Kafka, a schema registry and a Postgres. */

export type Parts = { brokers: string[]; registryUrl: string; databaseUrl: string }

export type PartsWay = 'external' | 'containers' | 'local'

export type RunningParts = Parts & {
  way: PartsWay
  /** Ends what was brought up here; parts that were given stay. A second call waits for the first. */
  stop: () => Promise<void>
  /** Settles with a sentence when a part that was brought up here ends by itself. */
  broken: Promise<string>
}

export type Say = (line: string) => void
