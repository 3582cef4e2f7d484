/** What an integration test runs against: the run's Kafka, registry and Postgres, with topics, names and databases of its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { inject } from 'vitest'

import type { Parts } from '../../dev/stack/parts.ts'
import { KafkaWorld } from './kafka-world.ts'

/** SQLSTATE object_in_use: somebody else creates a database from the same template at this moment. */
const TEMPLATE_IN_USE = '55006'
const CREATE_DATABASE_TRIES_MAX = 20
const POLL_EVERY_MS = 50

export function parts(): Parts {
  return {
    brokers: inject('kafkaBrokers').split(','),
    registryUrl: inject('registryUrl'),
    databaseUrl: inject('databaseUrl'),
  }
}

/** Unlike any other name, in this run and in others on the same parts: `orders-mb3k9x2f-7`. */
export function freshName(prefix: string): string {
  return `${prefix}-${Date.now().toString(36)}-${crypto.randomUUID().slice(0, 8)}`
}

async function withAdministrator<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: parts().databaseUrl, connectionTimeoutMillis: 10_000 })
  // A connection that breaks is told by the query that meets it.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** An empty database, from template0. `drop` closes what is still connected to it. */
export async function freshDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = freshName('test').replaceAll('-', '_')
  await withAdministrator(async client => {
    for (let tries = 1; ; tries++) {
      try {
        await client.query(`create database ${name} template template0`)
        return
      } catch (error) {
        const again = error instanceof DatabaseError && error.code === TEMPLATE_IN_USE
        if (!again || tries === CREATE_DATABASE_TRIES_MAX) throw error
        await sleep(100)
      }
    }
  })
  const url = new URL(parts().databaseUrl)
  url.pathname = `/${name}`
  const drop = async () => {
    await withAdministrator(client => client.query(`drop database if exists ${name} with (force)`))
  }
  return { url: url.href, drop }
}

/** A topic of the test's own, with leaders for all its partitions. Resolves to its name. */
export async function freshTopic(
  prefix: string,
  { partitions = 1, config = {} }: { partitions?: number; config?: Record<string, string> } = {},
): Promise<string> {
  const topic = freshName(prefix)
  const world = new KafkaWorld(parts().brokers)
  try {
    await world.createTopic(topic, partitions, config)
  } finally {
    await world.close()
  }
  return topic
}

/**
 * Polls until the predicate answers something truthy, and resolves to that. One that throws is asked again. Fails after
 * `timeoutMs` with `what` was waited for and the last thing that the predicate said.
 */
export async function until<Answer>(
  what: string,
  predicate: () => Answer | Promise<Answer>,
  { timeoutMs = 30_000 }: { timeoutMs?: number } = {},
): Promise<Answer> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    let last: unknown
    try {
      const answer = await predicate()
      if (answer) return answer
      last = answer
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      const cause = last instanceof Error ? last : undefined
      throw new Error(`waited ${timeoutMs} ms in vain: ${what}; last answer: ${String(last)}`, { cause })
    }
    await sleep(POLL_EVERY_MS)
  }
}
