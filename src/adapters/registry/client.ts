/**
 * The few questions that we ask the registry, each bounded in time and size.
 *
 * @kafkajs/confluent-schema-registry registers and encodes in dev/ and test/. Its client is not used here, for what it cannot
 * tell or promise: it waits for ever for a registry that is silent, reports a refused connection as status 400, takes an
 * answer of any size, throws alike for an outage and for a schema that does not parse, and parses with the writer's defaults,
 * whereby a default beyond 2^53 makes a sound schema unreadable. With all that around it, two GETs are what would be left.
 * Nor is fetch: it takes no authority of one's own. Each question has a connection to itself, since there are so few, and so
 * each has the credentials of its moment.
 */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { Misconfigured, tlsRefusal, Unavailable } from '../../consumer/errors.ts'
import type { Clock } from '../../consumer/ports.ts'

/** Null: not given. */
export interface RegistryCredentials {
  readonly username: string | null
  readonly password: string | null
  /** PEM texts: who signed the registry's certificate, and our own certificate with its key. */
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

export interface RegistryOptions {
  /** With or without a base path: `http://host:8080/apis/ccompat/v7`. */
  readonly url: string
  /** Asked for each question. Without it, a user and password may stand in the URL. */
  readonly credentials?: (() => RegistryCredentials) | undefined
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
  /** Where a redirection leads; null: it is none. */
  readonly location: string | null
}

export class RegistryClient {
  readonly #options: RegistryOptions
  readonly #address: Address

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#address = addressOf(options.url)
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
      answer = await this.#ask(path, deadline.signal)
    } catch (error) {
      if (deadline.signal.aborted) throw new Unavailable('registry', deadline.signal.reason)
      throw tlsRefusal(error, TLS_NAMES) ?? (error instanceof Unavailable ? error : new Unavailable('registry', error))
    } finally {
      cancel()
    }
    const { status, location } = answer
    if (status === 401 || status === 403) {
      const what = status === 401 ? 'does not accept our credentials' : 'does not permit our user to read schemas'
      throw new Misconfigured(
        `the registry ${what} (${status}): check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD`,
      )
    }
    if (location !== null)
      throw new Misconfigured(
        `SCHEMA_REGISTRY_URL is redirected (${status}) to ${location}: give the address that it leads to`,
      )
    if (status === 429 || status >= 500) throw new Unavailable('registry', `it answers with status ${status}`)
    return answer
  }

  async #ask(path: string, signal: AbortSignal): Promise<Answer> {
    const { base, login } = this.#address
    const { ca, cert, key, ...given } = this.#options.credentials?.() ?? NO_CREDENTIALS
    const { username, password } = given.username === null ? login : given
    const basic = Buffer.from(`${username}:${password ?? ''}`).toString('base64')
    const request = (base.startsWith('https:') ? https : http).get(`${base}${path}`, {
      agent: false,
      signal,
      headers: { accept: ACCEPT, ...(username === null ? {} : { authorization: `Basic ${basic}` }) },
      ...(ca === null ? {} : { ca }),
      ...(cert === null ? {} : { cert }),
      ...(key === null ? {} : { key }),
    })
    // What goes wrong is told by the answer, or by its absence; this only keeps a late word from being thrown.
    request.on('error', () => undefined)
    // With the signal here as well: a request whose connection was destroyed (a 101) says nothing more, not even that it is aborted.
    // Boundary: the one argument of this event.
    const [response] = (await once(request, 'response', { signal })) as [http.IncomingMessage]
    const status = response.statusCode ?? 0
    return { status, json: await boundedJson(response), location: redirection(status, response) }
  }
}

const TLS_NAMES = { who: 'the registry', prefix: 'SCHEMA_REGISTRY_TLS', address: 'SCHEMA_REGISTRY_URL' }

const NO_CREDENTIALS = { username: null, password: null, ca: null, cert: null, key: null } as const

/** The Confluent API's code for an id that does not exist. */
const SCHEMA_NOT_FOUND = 40403

interface Address {
  /** Without a slash at its end. */
  readonly base: string
  /** What stands in the URL. */
  readonly login: Pick<RegistryCredentials, 'username' | 'password'>
}

function addressOf(text: string): Address {
  const url = URL.parse(text)
  if (url === null) throw new Misconfigured('SCHEMA_REGISTRY_URL is not a URL')
  if (!/^https?:$/.test(url.protocol)) throw new Misconfigured('SCHEMA_REGISTRY_URL is neither http nor https')
  const username = url.username === '' ? null : decodeURIComponent(url.username)
  const password = url.password === '' ? null : decodeURIComponent(url.password)
  return { base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, login: { username, password } }
}

async function boundedJson(response: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    // Boundary: without an encoding, a response gives buffers.
    const read = chunk as Buffer
    bytes += read.length
    // Leaving the loop closes the connection.
    if (bytes > ANSWER_BYTES_MAX) throw new Unavailable('registry', `an answer of more than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(read)
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

/** What stands behind a question mark may be a secret. */
function redirection(status: number, { headers }: http.IncomingMessage): string | null {
  if (status < 300 || status > 399) return null
  return headers.location?.replace(/[?#].*$/s, '').slice(0, 200) ?? 'nowhere'
}

function registeredSchema({ status, json }: Pick<Answer, 'status' | 'json'>): RegisteredSchema {
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
