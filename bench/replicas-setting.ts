/** What the figures were taken on, and a database that nothing else is in. */
import { cpus } from 'node:os'
import { Client } from 'pg'
import { KAFKA_VERSION } from '../dev/stack/maven.ts'
import type { RunningParts } from '../dev/stack/parts.ts'

/** One line: processor, cores, Node, Kafka, Postgres, date. */
export async function machineLine(parts: RunningParts): Promise<string> {
  const [cpu] = cpus()
  const kafka = parts.way === 'external' ? `Kafka at ${parts.brokers.join(', ')}` : `Kafka ${KAFKA_VERSION}`
  const postgres = await inDatabase(parts.databaseUrl, client => client.query<Row>('show server_version'))
  const date = new Date().toISOString().slice(0, 10)
  const version = postgres.rows[0]?.server_version.split(' ')[0] ?? 'unknown'
  return `${cpu?.model ?? 'an unknown processor'}, ${cpus().length} cores (replicas, broker, database and load share them), Node ${process.versions.node}, ${kafka}, Postgres ${version}, ${date}.`
}

type Row = { server_version: string }

/** Made for `work` and dropped after it, with what is still connected. */
export async function withDatabase<Result>(serverUrl: string, work: (url: string) => Promise<Result>): Promise<Result> {
  const name = `bench_${crypto.randomUUID().replaceAll('-', '').slice(0, 16)}`
  await inDatabase(serverUrl, client => client.query(`create database ${name}`))
  try {
    const url = new URL(serverUrl)
    url.pathname = `/${name}`
    return await work(url.href)
  } finally {
    await inDatabase(serverUrl, client => client.query(`drop database if exists ${name} with (force)`))
  }
}

async function inDatabase<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
