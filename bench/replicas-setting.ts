/** What the figures were taken on, and a database that nothing else is in. */
import { Client } from 'pg'
import type { RunningParts } from '../dev/stack/parts.ts'
import { machineLine } from './page.ts'

/** One line: processor, cores, Node, Kafka, Postgres, date. */
export async function settingLine(parts: RunningParts): Promise<string> {
  const postgres = await inDatabase(parts.databaseUrl, client => client.query<Row>('show server_version'))
  const version = postgres.rows[0]?.server_version.split(' ')[0] ?? 'unknown'
  return machineLine(parts, { sharing: 'replicas, broker, database and load', also: `Postgres ${version}` })
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
