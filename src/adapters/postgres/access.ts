import { Client, type ClientBase, type ClientConfig } from 'pg'
import { Misconfigured, type Refusals } from '../../consumer/errors.ts'
import { DATABASE, explain, fromClient, sqlstateOf } from './classify.ts'

/** Where the database is and who we are there. PEM texts: with any of them connections are over TLS, and the server's certificate and name are checked. */
export interface PostgresAccess {
  readonly url: string
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
}

/** As pg-pool calls it. */
type Connected = (error: Error | null, client?: ClientBase) => void

/** In what order they were made. */
const ORDERS = new WeakMap<ClientBase, number>()
let clientsMade = 0

/** Greater than that of each client that was made before; 0 for one that is not ours. */
export function orderOf(client: ClientBase): number {
  return ORDERS.get(client) ?? 0
}

/** For a client that will never connect: nothing of the environment is looked at that could be wrong, too. */
const UNCONNECTED: ClientConfig = { sslnegotiation: 'postgres', ssl: false }

/** pg's client, with the access of the moment in which it is made; where the database has just refused us, it does not even connect. */
export function clientFor(access: () => PostgresAccess, refusals: Refusals): new (config?: ClientConfig) => ClientBase {
  return class extends Client {
    readonly #access: PostgresAccess
    readonly #unusable: Misconfigured | null

    // Never throws: pg-pool makes clients on its own, too, where nobody would catch it.
    constructor(config?: ClientConfig) {
      const now = access()
      let unusable: Misconfigured | null = null
      try {
        super({ ...config, ...settingsOf(now) })
      } catch (error) {
        unusable = new Misconfigured(`DATABASE_URL ${whyUnusable(error, now)}`)
        super(UNCONNECTED)
      }
      this.#access = now
      this.#unusable = unusable
      ORDERS.set(this, ++clientsMade)
    }

    override connect(): Promise<Client>
    override connect(connected: Connected): void
    override connect(connected?: Connected): Promise<Client> | undefined {
      if (connected === undefined) throw new Misconfigured('connections are made by the pool')
      const standing = this.#unusable ?? refusals.standing(DATABASE, this.#access)
      // Later: the pool goes on to whoever waits next, and would be called within its own call.
      if (standing !== null) return void setImmediate(connected, standing)
      super.connect((error: Error | null) => {
        const refused = error === null ? null : refusalOf(error)
        if (refused !== null) refusals.refused(DATABASE, refused, this.#access)
        else refusals.over(DATABASE)
        connected(refused ?? error, this)
      })
      return undefined
    }
  }
}

/** What a URL says of TLS, as pg reads it. */
const OF_TLS = ['sslmode', 'sslnegotiation']

function settingsOf({ url, ca, cert, key }: PostgresAccess): ClientConfig {
  if (ca === null && cert === null && key === null) return { connectionString: url }
  // What pg reads out of the URL would take the place of what stands beside it.
  const bare = new URL(url)
  const isDirect = bare.searchParams.get('sslnegotiation') === 'direct'
  for (const name of OF_TLS) bare.searchParams.delete(name)
  const ssl = { ...(ca === null ? {} : { ca }), ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) }
  return { connectionString: bare.href, ssl, ...(isDirect ? { sslnegotiation: 'direct' } : {}) }
}

/** Parameters of a URL that name files, which pg reads when it makes a client. */
const OF_FILES = ['sslrootcert', 'sslcert', 'sslkey']

/** In words of our own, and without a cause: what was thrown may quote the URL, or a key that stands where its file's name should. */
function whyUnusable(error: unknown, { url }: PostgresAccess): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : null
  if (code === 'ERR_INVALID_URL') return 'is not a URL'
  const said = URL.parse(url)?.searchParams
  const files = OF_FILES.filter(name => said?.has(name))
  if (code !== null && files.length > 0) return `names a file that cannot be read (${files.join(' or ')}): ${code}`
  if (error instanceof URIError) return 'has a % that is not followed by the two digits of a character'
  if (said?.has('sslnegotiation')) return 'has an sslnegotiation that is not postgres, and not direct with TLS'
  const kind = code ?? (error instanceof Error ? error.name : typeof error)
  return `cannot be used (${kind}): check its parameters, and the PG* variables of the environment`
}

/** The server's words to who may not come in. */
const NOT_LET_IN = /^28|^3D000$/

/** What keeps us from connecting until somebody changes something; null: an outage, or one that may pass. */
function refusalOf(error: unknown): Misconfigured | null {
  const sqlstate = sqlstateOf(error)
  if (sqlstate !== null && NOT_LET_IN.test(sqlstate))
    return new Misconfigured(
      `the database does not let us in, ${explain(error)}: check user, password and name of the database in DATABASE_URL, and DATABASE_TLS_* where it wants TLS or a certificate`,
      { cause: error },
    )
  const ours = fromClient(error)
  return ours instanceof Misconfigured ? ours : null
}
