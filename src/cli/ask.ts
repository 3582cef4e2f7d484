import { urlOf } from '../adapters/http/url.ts'
import { definition, type Environment } from '../config.ts'
import { Misconfigured, Unavailable } from '../consumer/errors.ts'

/** A service that has not answered by then would not be found alive by anybody else either. */
const TIMEOUT_MS = 3_000

/** `--url`, or where the environment says that the service listens. */
export function urlFrom(given: string | undefined, env: Environment): string {
  if (given !== undefined) return given.replace(/\/+$/, '')
  const { httpHost, httpPort } = definition.httpAddress(env)
  if (httpPort === 0) {
    throw new Misconfigured('HTTP_PORT is 0, so the service has picked a port by itself: say where it is with --url')
  }
  return urlOf(httpHost, httpPort)
}

/** Rejects with `Unavailable` where nobody answers. */
export async function ask(url: string): Promise<Response> {
  try {
    return await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { connection: 'close' },
      redirect: 'error',
    })
  } catch (error) {
    // fetch itself says no more than that it failed.
    throw new Unavailable(url, error instanceof Error ? (error.cause ?? error) : error)
  }
}
