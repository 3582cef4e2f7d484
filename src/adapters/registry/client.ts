/**
 * The few questions that we ask the registry, each bounded in time and size.
 *
 * @kafkajs/confluent-schema-registry registers and encodes in dev/ and test/. Its client is not used here, for what it cannot
 * tell or promise: it waits for ever for a registry that is silent, reports a refused connection as status 400, takes an
 * answer of any size, throws alike for an outage and for a schema that does not parse, and parses with the writer's defaults,
 * whereby a default beyond 2^53 makes a sound schema unreadable. With all that around it, two GETs are what would be left.
 */
import { Misconfigured, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'

export interface RegistryOptions {
  /** With or without a base path: `http://host:8080/apis/ccompat/v7`. */
  readonly url: string
  readonly username?: string | null | undefined
  readonly password?: string | null | undefined
  /** Of one request, its body included. */
  readonly timeoutMs: number
  readonly clock: Clock
}

/** What the registry has under an id, or for a version of a subject. */
export interface RegisteredSchema {
  readonly schema: string
  /** `AVRO` where the registry does not say. */
  readonly schemaType: string
  readonly references: readonly SchemaReference[]
}

export interface SchemaReference {
  readonly subject: string
  readonly version: number
}

/** The largest Avro schemas in use have some hundred kilobytes; anything more is no schema, but a page or a fault. */
const ANSWER_BYTES_MAX = 1024 * 1024

/** Both spellings that registries of the Confluent API use for their JSON. */
const ACCEPT = 'application/vnd.schemaregistry.v1+json, application/json'

interface Answer {
  readonly status: number
  /** Undefined where the body is not JSON. */
  readonly json: unknown
}

export class RegistryClient {
  readonly #options: RegistryOptions
  readonly #base: string
  readonly #headers: Record<string, string>

  constructor(options: RegistryOptions) {
    const { base, username, password } = addressOf(options)
    this.#options = options
    this.#base = base
    this.#headers = { accept: ACCEPT }
    if (username !== null) {
      this.#headers.authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`
    }
  }

  /** Null: the registry says that it has no such id. */
  async schemaById(id: number): Promise<RegisteredSchema | null> {
    const answer = await this.#get(`/schemas/ids/${id}`)
    if (answer.status !== 404) return registeredSchema(answer)
    // A registry's own 404 carries its code. Any other may come from a proxy, or from a base path that is missing in the URL:
    // it counts only when a registry is what answers there, or a wrong URL would send whole topics to their dead letters.
    if (fieldOf(answer.json, 'error_code') !== SCHEMA_NOT_FOUND) await this.ping()
    return null
  }

  async schemaByReference({ subject, version }: SchemaReference): Promise<RegisteredSchema> {
    return registeredSchema(await this.#get(`/subjects/${encodeURIComponent(subject)}/versions/${version}`))
  }

  async ping(): Promise<void> {
    const { status, json } = await this.#get('/subjects')
    if (status === 404) {
      throw new Misconfigured(
        'SCHEMA_REGISTRY_URL leads to no schema registry (404): is its base path missing, as /apis/ccompat/v7?',
      )
    }
    if (status !== 200 || !Array.isArray(json)) throw nonsense(status)
  }

  async #get(path: string): Promise<Answer> {
    const { clock, timeoutMs } = this.#options
    const deadline = new AbortController()
    const cancel = clock.at(clock.nowMs() + timeoutMs, () => deadline.abort(`no answer within ${timeoutMs} ms`))
    let answer: Answer
    try {
      const { signal } = deadline
      const response = await fetch(`${this.#base}${path}`, { headers: this.#headers, signal })
      answer = { status: response.status, json: await boundedJson(response) }
    } catch (error) {
      const cause = error instanceof Unavailable ? error.cause : rootOf(error)
      // fetch keeps a list of ports that it never calls, 10080 among them.
      if (cause instanceof Error && cause.message === 'bad port')
        throw new Misconfigured('SCHEMA_REGISTRY_URL has a port that fetch refuses to call')
      throw new Unavailable('registry', cause)
    } finally {
      cancel()
    }
    const { status } = answer
    if (status === 401 || status === 403) {
      const what = status === 401 ? 'does not accept our credentials' : 'does not permit our user to read schemas'
      throw new Misconfigured(
        `the registry ${what} (${status}): check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD`,
      )
    }
    if (status === 429 || status >= 500) throw new Unavailable('registry', `it answers with status ${status}`)
    return answer
  }
}

/** The Confluent API's code for an id that does not exist. */
const SCHEMA_NOT_FOUND = 40403

/** Credentials may stand in the URL, where fetch refuses them: an origin is without them. */
function addressOf(options: RegistryOptions): { base: string; username: string | null; password: string | null } {
  if (!URL.canParse(options.url)) throw new Misconfigured('SCHEMA_REGISTRY_URL is not a URL')
  const url = new URL(options.url)
  if (!/^https?:$/.test(url.protocol)) throw new Misconfigured('SCHEMA_REGISTRY_URL is neither http nor https')
  const username = options.username ?? (url.username === '' ? null : decodeURIComponent(url.username))
  const password = options.password ?? (url.password === '' ? null : decodeURIComponent(url.password))
  return { base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, username, password }
}

async function boundedJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body, and with it the request.
    if (bytes > ANSWER_BYTES_MAX) throw new Unavailable('registry', `an answer of more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return jsonOf(Buffer.concat(chunks).toString('utf8'))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An HTML page, or half an answer: whoever asked judges by what is missing. The text itself may say anything, so nobody shows it.
    return undefined
  }
}

function registeredSchema({ status, json }: Answer): RegisteredSchema {
  const schema = fieldOf(json, 'schema')
  if (status !== 200 || typeof schema !== 'string') throw nonsense(status)
  const schemaType = fieldOf(json, 'schemaType') ?? 'AVRO'
  const references = fieldOf(json, 'references') ?? []
  if (typeof schemaType !== 'string' || !Array.isArray(references)) throw nonsense(status)
  return { schema, schemaType, references: references.map(referenceOf) }
}

function referenceOf(json: unknown): SchemaReference {
  const subject = fieldOf(json, 'subject')
  const version = fieldOf(json, 'version')
  if (typeof subject !== 'string' || typeof version !== 'number') throw nonsense(200)
  return { subject, version }
}

function fieldOf(json: unknown, name: string): unknown {
  return typeof json === 'object' && json !== null ? Object.entries(json).find(([key]) => key === name)?.[1] : undefined
}

function nonsense(status: number): Unavailable {
  return new Unavailable('registry', `it answers with status ${status} and nothing that a schema registry would say`)
}

/** "fetch failed" says nothing; the error below it says what the system said. */
function rootOf(error: unknown): unknown {
  return error instanceof TypeError && error.cause !== undefined ? error.cause : error
}
