import { type DestinationStream, type LevelWithSilent, pino } from 'pino'
import type { Log } from '../../consumer/ports.ts'

export interface LogOptions {
  readonly level: LevelWithSilent
  /** Default: stdout. */
  readonly stream?: DestinationStream
}

/** Names of fields that never leave the process, wherever a careless caller puts them. */
const SECRET_NAMES = ['password', 'passwd', 'secret', 'token', 'authorization', 'clientSecret', 'connectionString']

/** `://user:password@` of any URL, whoever built the text that it stands in. */
const CREDENTIALS_IN_URL = /:\/\/[^\s/@"]+@/g

/** Causes of causes of an error: deep enough for every chain that a client makes, and an end for one that goes in a circle. */
const CAUSES_MAX = 5

/**
 * Lines of JSON on stdout, errors too, one a call, written before the call returns: a crash loses none. Secrets are cut out
 * twice: fields by their names, and passwords inside URLs from the finished line. An error is logged as class, message, code
 * and stack only, since what else errors carry (a Postgres error's detail, a client's configuration) holds payloads and secrets.
 */
export function pinoLog({ level, stream }: LogOptions): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRET_NAMES.flatMap(name => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' },
      serializers: { error: plainError, err: plainError, cause: plainError },
      hooks: { streamWrite: line => line.replace(CREDENTIALS_IN_URL, '://[hidden]@') },
    },
    stream ?? pino.destination({ dest: 1, sync: true }),
  )
}

interface PlainError {
  readonly name: string
  readonly message: string
  readonly code?: unknown
  readonly stack: readonly string[]
  readonly cause?: unknown
}

function plainError(thrown: unknown, depth = 0): unknown {
  if (!(thrown instanceof Error)) return thrown
  const code: unknown = Reflect.get(thrown, 'code')
  return {
    name: thrown.name,
    message: messageOf(thrown, code),
    ...(code === undefined ? {} : { code }),
    // The first lines repeat the message.
    stack: (thrown.stack ?? '')
      .split('\n')
      .filter(line => line.startsWith('    at '))
      .map(line => line.trim()),
    ...(thrown.cause === undefined || depth === CAUSES_MAX ? {} : { cause: plainError(thrown.cause, depth + 1) }),
  } satisfies PlainError
}

/** Postgres quotes the value that it could not take in the messages of class 22: `invalid input syntax for type uuid: "…"`. */
function messageOf(error: Error, code: unknown): string {
  if (typeof code !== 'string' || !/^22[0-9A-Z]{3}$/.test(code) || !Reflect.has(error, 'severity')) return error.message
  return `data that Postgres refuses (SQLSTATE ${code})`
}
