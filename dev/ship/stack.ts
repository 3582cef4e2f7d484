/** The stack of docker-compose.yml under a name of its own: how to speak with it, and with each part over its published port. */

import { freePort } from '../stack/ports.ts'
import type { Docker, Ran } from './docker.ts'

export interface Replica {
  readonly id: string
  readonly name: string
  readonly url: string
}

interface Partition {
  readonly topic: string
  readonly inFlight: number
  readonly lagRecords: number | null
}

export interface Status {
  readonly inFlight: number
  readonly partitions: readonly Partition[]
}

/** What the compose file leaves open, chosen so that it meets no stack that runs already. */
export async function stackEnvironment(run: string): Promise<Record<string, string>> {
  return {
    // Whatever the caller's shell has for compose.
    COMPOSE_FILE: 'docker-compose.yml',
    COMPOSE_PROFILES: '',
    COMPOSE_PROJECT_NAME: `sluice-prove-${run}`,
    SLUICE_TAG: `prove-${run}`,
    POSTGRES_PASSWORD: `prove-${run}`,
    KAFKA_HOST_PORT: String(await freePort()),
    REGISTRY_HOST_PORT: String(await freePort()),
    POSTGRES_HOST_PORT: String(await freePort()),
    PROMETHEUS_HOST_PORT: String(await freePort()),
    // Docker picks one for each replica.
    SLUICE_HOST_PORTS: '',
  }
}

export class Stack {
  readonly project: string
  readonly broker: string
  readonly databaseUrl: string
  readonly #prometheusUrl: string
  readonly #docker: Docker
  readonly #folder: string

  constructor(docker: Docker, folder: string, env: Readonly<Record<string, string>>) {
    this.#docker = docker
    this.#folder = folder
    this.project = env['COMPOSE_PROJECT_NAME'] ?? ''
    this.broker = `127.0.0.1:${env['KAFKA_HOST_PORT']}`
    this.databaseUrl = `postgres://sluice:${env['POSTGRES_PASSWORD']}@127.0.0.1:${env['POSTGRES_HOST_PORT']}/sluice`
    this.#prometheusUrl = `http://127.0.0.1:${env['PROMETHEUS_HOST_PORT']}`
  }

  compose(...args: string[]): Promise<string> {
    return this.#docker.must(['compose', ...args], { cwd: this.#folder })
  }

  /** As `docker compose --profile traffic run --rm traffic`, with its exit code. */
  traffic(...args: string[]): Promise<Ran> {
    const command = ['compose', '--profile', 'traffic', 'run', '--rm', '--no-TTY', 'traffic', ...args]
    return this.#docker.run(command, { cwd: this.#folder })
  }

  async replicas(): Promise<Replica[]> {
    const lines = (await this.compose('ps', '--format', 'json', 'sluice')).split('\n').filter(line => line !== '')
    // Boundary: compose's own format; so are the fields' names.
    return lines
      .map(line => JSON.parse(line) as { ID: string; Name: string; Publishers: { PublishedPort: number }[] })
      .map(({ ID, Name, Publishers }) => ({
        id: ID,
        name: Name,
        url: `http://127.0.0.1:${Publishers[0]?.PublishedPort}`,
      }))
      .toSorted((left, right) => left.name.localeCompare(right.name))
  }

  /** What Prometheus answers to an expression: a number for each label set. */
  async query(expression: string): Promise<readonly { labels: Record<string, string>; value: number }[]> {
    const url = `${this.#prometheusUrl}/api/v1/query?query=${encodeURIComponent(expression)}`
    // Boundary: Prometheus' API, of an expression that gives a vector.
    const answer = (await (await fetch(url)).json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] }
    }
    return answer.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
  }

  /** Removes it with its data and what was built for it. Never rejects: there is nobody left to hear. */
  async remove(): Promise<void> {
    const down = [
      'compose',
      '--profile',
      '*',
      'down',
      '--volumes',
      '--remove-orphans',
      '--rmi',
      'local',
      '--timeout',
      '5',
    ]
    await this.#docker.run(down, { cwd: this.#folder })
  }
}

export async function statusOf({ url }: Replica): Promise<Status> {
  // Boundary: the service publishes the schema; these are fields of it.
  return (await (await fetch(`${url}/status`)).json()) as Status
}
